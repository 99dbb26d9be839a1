"""Reading a refusal: the `Status` that Kubernetes answers with, and its message where only that tells."""

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, TypeAlias, cast

from kubebox_cluster import errors

Details: TypeAlias = Mapping[str, Any]

MAX_TEXT: Final = 500
"""Characters that are kept of an answer that is no `Status`: some proxies answer with whole pages."""

SERVER_ERROR: Final = 500

BY_STATUS: Final[Mapping[int, type[errors.ApiRefused]]] = {
    401: errors.Unauthorized,
    404: errors.NotFound,
    410: errors.Gone,
    422: errors.Invalid,
    429: errors.TooManyRequests,
}

RIGHT_MISSING: Final = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\S+) (?:resource|path) "(?P<resource>[^"]*)"'
    r'(?: in API group "(?P<group>[^"]*)")?(?: in the namespace "(?P<namespace>[^"]*)")?'
)

UNREADABLE: Final = " cannot be handled as a "
"""By what words it is known that an object has a field that there is not, or one of another type."""

QUOTA: Final = re.compile(
    r"exceeded quota: (?P<quota>[^,\s]+), requested: (?P<requested>\S+), used: (?P<used>\S+), limited: (?P<limited>\S+)"
)

RULES: Final = (
    (re.compile(r'admission webhook "([^"]+)"'), None),
    (re.compile(r"ValidatingAdmissionPolicy '([^']+)'"), None),
    (re.compile(r"violates PodSecurity"), "PodSecurity"),
    (re.compile(r"(?:maximum|minimum) \S+ usage per|max limit to request ratio per"), "LimitRanger"),
    (re.compile(r"failed quota: |status unknown for quota: "), "ResourceQuota"),
    (re.compile(r"error looking up service account "), "ServiceAccount"),
    (re.compile(r"because it is being terminated"), "NamespaceLifecycle"),
    (re.compile(r"RuntimeClass \"[^\"]*\" not found|pod rejected: RuntimeClass"), "RuntimeClass"),
    (re.compile(r"no PriorityClass with name"), "Priority"),
)
"""By what words a rule's refusal is known, and whose it is; `None` where the words name it. Kubernetes has no field for
that, and gives these the same status and reason as a right that is missing."""


def read_refusal(status: int, body: bytes, retry_after: str = "") -> errors.ApiRefused:
    """The error for an answer that is no success.

    Args:
        status: The HTTP status.
        body: The answer's body, a `Status` most often.
        retry_after: The header of that name.
    """
    said = _status_object(body)
    if said is None:
        text = body.decode("utf-8", "replace").strip()[:MAX_TEXT]
        return _error(status, "", text or _phrase(status), {}, retry_after)
    return _error(
        status,
        _text(said.get("reason")),
        _text(said.get("message")) or _phrase(status),
        _mapping(said.get("details")),
        retry_after,
    )


def read_status(said: Mapping[str, Any]) -> errors.ApiRefused:
    """The error for a `Status` that came in the middle of a watch."""
    code = said.get("code")
    return read_refusal(code if isinstance(code, int) else SERVER_ERROR, json.dumps(said).encode())


def _error(status: int, reason: str, message: str, details: Details, retry_after: str) -> errors.ApiRefused:
    given = (status, reason, message, details)
    if status in (HTTPStatus.FORBIDDEN, HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY):
        refused = _quota(*given) or _admission(*given)
        if refused is not None:
            return refused
    if status == HTTPStatus.FORBIDDEN:
        return _forbidden(*given)
    if status == HTTPStatus.BAD_REQUEST and UNREADABLE in message:
        return errors.Invalid(*given)
    if status == HTTPStatus.CONFLICT:
        return (errors.AlreadyExists if reason == "AlreadyExists" else errors.Conflict)(*given)
    kind = errors.ServerFailing if status >= SERVER_ERROR else BY_STATUS.get(status, errors.ApiRefused)
    error = kind(*given)
    if isinstance(error, errors.Busy):
        error.retry_after = _seconds(retry_after, details)
    return error


def _quota(status: int, reason: str, message: str, details: Details) -> errors.QuotaExceeded | None:
    found = QUOTA.search(message)
    if found is None:
        return None
    error = errors.QuotaExceeded(status, reason, message, details)
    error.quota = found["quota"]
    error.requested, error.used, error.limited = (
        _quantities(found[part]) for part in ("requested", "used", "limited")
    )
    return error


def _quantities(text: str) -> dict[str, str]:
    """`pods=1,limits.memory=2Gi` as a mapping."""
    pairs = (part.partition("=") for part in text.rstrip(".,;").split(","))
    return {name: quantity for name, _, quantity in pairs if name}


def _admission(status: int, reason: str, message: str, details: Details) -> errors.AdmissionRefused | None:
    for words, by in RULES:
        found = words.search(message)
        if found is not None:
            return _by(by or found[1], status, reason, message, details)
    # A missing right always names the user. What is forbidden without one is refused by a rule that we do not know.
    if status == HTTPStatus.FORBIDDEN and "is forbidden: " in message and not RIGHT_MISSING.search(message):
        return _by("", status, reason, message, details)
    return None


def _by(by: str, status: int, reason: str, message: str, details: Details) -> errors.AdmissionRefused:
    error = errors.AdmissionRefused(status, reason, message, details)
    error.by = by
    return error


def _forbidden(status: int, reason: str, message: str, details: Details) -> errors.Forbidden:
    error = errors.Forbidden(status, reason, message, details)
    found = RIGHT_MISSING.search(message)
    if found is not None:
        error.verb, error.user, error.namespace = found["verb"], found["user"], found["namespace"] or ""
        resource, slash, subresource = found["resource"].partition("/")
        group = f".{found['group']}" if found["group"] else ""
        error.resource = f"{resource}{group}{slash}{subresource}"
    return error


def _seconds(header: str, details: Details) -> float | None:
    try:
        return max(0.0, float(header or details.get("retryAfterSeconds") or ""))
    except (TypeError, ValueError):
        return None  # none was given, or a date, which nobody sends here


def _status_object(body: bytes) -> Details | None:
    try:
        said = _mapping(json.loads(body))
    except ValueError:
        return None
    return said if said.get("kind") == "Status" else None


def _mapping(value: Any) -> Details:
    return cast("Details", value) if isinstance(value, dict) else {}


def _phrase(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
