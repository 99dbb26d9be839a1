"""What Kubernetes refuses, as Kubebox's errors: whose fault it is, and what to do about it."""

from collections.abc import Generator
from contextlib import contextmanager

from kubebox import errors
from kubebox.errors import KubeboxError
from kubebox_cluster import errors as refusals
from kubebox_cluster.merge import Protected


@contextmanager
def translated(what: str) -> Generator[None]:
    """Raise what the adapter raises as one of Kubebox's own.

    Args:
        what: What was being done, such as `create pod 'a'`.
    """
    try:
        yield
    except (refusals.ClusterError, Protected) as error:
        raise translate(error, what) from error


def translate(error: Exception, what: str) -> KubeboxError:
    """Kubebox's error for one of the adapter's."""
    text = f"cannot {what}: {error}"
    match error:
        case refusals.CredentialsUnavailable():
            return errors.ClusterUnauthorized(text)
        case refusals.ConfigInvalid():
            return errors.ConfigurationError(str(error))
        case Protected():
            return errors.InvalidArgument(str(error), path=error.path)
        case refusals.NameInvalid():
            return errors.InvalidArgument(text)
        case refusals.PodGone():
            return errors.PodFailed(text)
        case refusals.ApiUnreachable():
            return errors.ClusterUnreachable(text, cause=error.cause)
        case refusals.ApiRefused():
            return _refused(error, text)
        case _:
            return errors.ClusterError(text)


def _refused(error: refusals.ApiRefused, text: str) -> KubeboxError:
    match error:
        case refusals.Unauthorized():
            return errors.ClusterUnauthorized(
                f"{text}; the credentials have expired or are not this cluster's: log in again"
            )
        case refusals.QuotaExceeded():
            return errors.QuotaExceeded(text, quota=error.quota)
        case refusals.AdmissionRefused():
            return errors.AdmissionRefused(text, by=error.by)
        case refusals.Forbidden():
            return errors.ClusterForbidden(
                f"{text}; ask for that right, or use a ServiceAccount that has it (deploy/rbac)",
                verb=error.verb,
                resource=error.resource,
                namespace=error.namespace,
            )
        case refusals.NotFound() if _is_namespace(error):
            return errors.NamespaceNotFound(f"{text}; create the namespace first")
        case refusals.Invalid():
            return errors.InvalidArgument(text)
        case _:
            return errors.ClusterRefused(text, status=error.status, reason=error.reason)


def _is_namespace(error: refusals.NotFound) -> bool:
    return error.details.get("kind") == "namespaces"
