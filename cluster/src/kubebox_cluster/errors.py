"""What can go wrong on the way to Kubernetes, as one small tree.

```
ClusterError
├── ConfigInvalid                a kubeconfig that cannot be used as it is
│   └── CredentialsUnavailable   a plugin or a token file gives no credentials
├── NameInvalid                  a name that cannot stand in a path
├── PodGone                      the pod that a tunnel leads to is no more, or is another one by now
├── ForwardFailed                the pod is there, and takes no connection at that port
├── ApiUnreachable               no answer: `cause`, and `sent` says whether the request may have been carried out
└── ApiRefused                   an answer that says no: `status`, `reason`, `details`
    ├── Unauthorized             401
    ├── Forbidden                403: `verb`, `resource`, `namespace`, `user`
    ├── AdmissionRefused         whatever the status: a rule of the cluster refuses this object; `by`
    ├── QuotaExceeded            403: `quota`, `requested`, `used`, `limited`
    ├── NotFound                 404
    ├── AlreadyExists, Conflict  409
    ├── Gone                     410
    ├── Invalid                  422, and 400 where a field is unknown or of another type
    ├── TooManyRequests          429: `retry_after`
    └── ServerFailing            5xx: `retry_after`
```

They are not Kubebox's own errors: those belong to the client, which translates these, and the gateway has others.
"""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

Cause: TypeAlias = Literal["refused", "unresolved", "timeout", "tls", "proxy", "lost", "answer"]
"""Why there is no answer: nothing listens, or no route; no such name; silence; no trust; a proxy's refusal; a connection
that broke; an answer that is not one of Kubernetes."""


class ClusterError(Exception):
    """What every error of this package is."""


class ConfigInvalid(ClusterError, ValueError):
    """A kubeconfig that is missing, malformed, or asks for what is not supported. The message never quotes a secret."""


class CredentialsUnavailable(ConfigInvalid):
    """What should give the credentials does not: the plugin fails, the token's file is gone."""


class NameInvalid(ClusterError, ValueError):
    """A name that Kubernetes could not have given to anything."""


class PodGone(ClusterError):
    """The pod is gone, has ended, or another one has its name. It does not come back."""


class ForwardFailed(ClusterError, ConnectionError):
    """The pod's node could not connect to the port, most often because nothing listens there yet."""


class ApiUnreachable(ClusterError, ConnectionError):
    """There was no answer.

    Attributes:
        cause: Why.
        sent: Whether the request may have arrived, and been carried out.
    """

    def __init__(self, message: str, *, cause: Cause, sent: bool) -> None:
        super().__init__(message)
        self.cause: Cause = cause
        self.sent = sent


class ApiRefused(ClusterError):
    """The API server says no.

    Attributes:
        status: The HTTP status.
        reason: Kubernetes' one word for it, such as `NotFound`; empty where it gave none.
        message: What it said.
        details: What it said besides (`name`, `kind`, `causes`, …); empty where it did not.
    """

    def __init__(self, status: int, reason: str, message: str, details: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.details = details


class Unauthorized(ApiRefused):
    """The credentials are wrong or expired, and new ones could not be had."""


class Forbidden(ApiRefused):
    """The user has not the right.

    Attributes:
        verb: What was tried, such as `create`; empty, as the others, where the API server does not say.
        resource: On what, such as `pods` or `pods/log`, with its group after a dot where it has one.
        namespace: In which; empty for the whole cluster.
        user: As whom.
    """

    verb: str = ""
    resource: str = ""
    namespace: str = ""
    user: str = ""


class AdmissionRefused(ApiRefused):
    """A rule of the cluster refuses this object, whoever brings it.

    Attributes:
        by: Whose rule it is (an admission plugin, a webhook, a policy), where that is told.
    """

    by: str = ""


class QuotaExceeded(ApiRefused):
    """The namespace's quota has no room for it.

    Attributes:
        quota: The name of the ResourceQuota.
        requested: What was asked for, by resource (`pods`, `limits.memory`), as Kubernetes writes quantities.
        used: What is in use.
        limited: What there is at all.
    """

    quota: str = ""
    requested: Mapping[str, str] = {}
    used: Mapping[str, str] = {}
    limited: Mapping[str, str] = {}


class NotFound(ApiRefused):
    """There is no such object, namespace or kind."""


class AlreadyExists(ApiRefused):
    """There is an object of this name."""


class Conflict(ApiRefused):
    """The object is not, or is no longer, what the request said it is."""


class Gone(ApiRefused):
    """The API server does not remember that far back."""


class Invalid(ApiRefused):
    """The object is not one that Kubernetes takes."""


class Busy(ApiRefused):
    """A refusal that may be over in a moment.

    Attributes:
        retry_after: Seconds until it is worth another try; `None` where the API server does not say.
    """

    retry_after: float | None = None


class TooManyRequests(Busy):
    """More requests than the API server wants to hear, or a disruption that a budget forbids for now."""


class ServerFailing(Busy):
    """The API server itself, or what it stands on, fails."""
