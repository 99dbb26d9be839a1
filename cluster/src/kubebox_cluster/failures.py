"""From what fails below, in aiohttp, in TLS, in sockets, to `ApiUnreachable` with its cause."""

import errno
import ssl
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import aiohttp

from kubebox_cluster.errors import ApiUnreachable, Cause

CONNECT_SECONDS: Final = 10.0
"""Seconds until an address that swallows packets is given up, TLS included."""


@contextmanager
def translated(server: str) -> Generator[None]:
    """Turn aiohttp's errors into `ApiUnreachable`."""
    try:
        yield
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        if isinstance(error, ApiUnreachable):
            raise
        cause, problem, sent = _explain(error)
        raise unreachable(server, cause, problem, sent=sent) from error


def unreachable(server: str, cause: Cause, problem: str, *, sent: bool) -> ApiUnreachable:
    """The error for a server that gives no answer."""
    return ApiUnreachable(f"the API server {server} cannot be reached: {problem}", cause=cause, sent=sent)


def _explain(error: Exception) -> tuple[Cause, str, bool]:
    """The cause, in words, and whether the request may have arrived."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            return "unresolved", f"there is no host named {error.host}", False
        case aiohttp.ClientConnectorCertificateError() | ssl.SSLCertVerificationError():
            return "tls", f"it does not prove who it is ({_verification(error)})", False
        case aiohttp.ClientProxyConnectionError():
            return "proxy", f"the proxy does not answer ({_reason(error)})", False
        case aiohttp.ClientHttpProxyError():
            return "proxy", f"the proxy refuses ({error.status} {error.message})", False
        case aiohttp.ClientConnectorSSLError() if not _broke_off(_beneath(error)):
            return "tls", f"TLS failed ({_reason(error)})", False
        case aiohttp.ClientConnectorError():
            return "refused", _reason(error), False
        case aiohttp.ConnectionTimeoutError():
            return "timeout", f"no connection within {CONNECT_SECONDS:.0f} s", False
        case aiohttp.WSServerHandshakeError():
            return "answer", f"no WebSocket can be opened ({error.message}); a proxy may be in the way", False
        case TimeoutError():
            return "timeout", "it does not answer in time", True
        case aiohttp.ClientConnectionError() | aiohttp.ClientPayloadError() | OSError():
            return "lost", f"the connection broke off ({_reason(error)})", True
        case _:
            return "answer", f"its answer is not HTTP as it should be ({type(error).__name__})", True


def _verification(error: Exception) -> str:
    inner = error.certificate_error if isinstance(error, aiohttp.ClientConnectorCertificateError) else error
    return getattr(inner, "verify_message", "") or "certificate verify failed"


def _beneath(error: aiohttp.ClientConnectorError) -> OSError:
    return error.os_error


def _broke_off(error: OSError) -> bool:
    return isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError)


def _reason(error: Exception) -> str:
    inner = _beneath(error) if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(inner, ssl.SSLError):
        return (inner.reason or "no reason given").replace("_", " ").lower()
    if isinstance(inner, OSError) and inner.errno:
        return {errno.ECONNREFUSED: "nothing listens there"}.get(inner.errno) or inner.strerror or ""
    return "without a word"
