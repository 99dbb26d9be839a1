"""The errors of httpx2 as ours: the one place that knows them."""

import ssl
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import httpx2

from kubebox import errors
from kubebox.errors import KubeboxError

BROKEN_OFF: Final = (
    "the connection broke off under way; the next call makes a new one, "
    "but look first whether this one was carried out"
)

TRANSLATIONS: Final[dict[type[Exception], tuple[type[KubeboxError], str]]] = {
    httpx2.ConnectTimeout: (errors.SandboxUnreachable, "nothing answered"),
    httpx2.ConnectError: (errors.SandboxUnreachable, "cannot connect"),
    httpx2.ProxyError: (errors.SandboxUnreachable, "the proxy refused"),
    httpx2.ReadTimeout: (errors.AnswerTimeout, "no answer in time"),
    httpx2.WriteTimeout: (errors.AnswerTimeout, "the request could not be sent in time"),
    httpx2.PoolTimeout: (
        errors.AnswerTimeout,
        "too many requests at once: no connection became free in time",
    ),
    httpx2.ReadError: (errors.ConnectionLost, BROKEN_OFF),
    httpx2.WriteError: (errors.ConnectionLost, BROKEN_OFF),
    httpx2.CloseError: (errors.ConnectionLost, BROKEN_OFF),
    httpx2.RemoteProtocolError: (errors.ConnectionLost, "the answer broke off or is not HTTP"),
    httpx2.LocalProtocolError: (errors.InvalidArgument, "the request cannot be sent as HTTP"),
    httpx2.UnsupportedProtocol: (errors.InvalidArgument, "the URL is neither http nor https"),
    httpx2.InvalidURL: (errors.InvalidArgument, "the URL is malformed"),
    httpx2.DecodingError: (errors.AnswerInvalid, "the answer's encoding is broken"),
    httpx2.TooManyRedirects: (errors.AnswerInvalid, "the server redirects"),
    httpx2.HTTPStatusError: (errors.AnswerInvalid, "the server answered with an error"),
}
"""Each of httpx2's errors that a request can end with. Abstract classes are left out: leaves are raised."""


@contextmanager
def translated(url: str) -> Generator[None]:
    """Raise what httpx2 raises as one of ours.

    Args:
        url: The server's, for the message.
    """
    try:
        yield
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise translate(error, url) from error


def translate(error: Exception, url: str) -> KubeboxError:
    """Our error for one of httpx2's."""
    kind, meaning = next(
        (TRANSLATIONS[base] for base in type(error).__mro__ if base in TRANSLATIONS),
        (errors.ConnectionFailed, "the request failed"),
    )
    if _is_tls(error):
        # Waiting does not mend a certificate, so this must not look like a server that is still coming up.
        kind, meaning = errors.ConnectionFailed, "TLS failed"
    detail = str(error).strip()
    return kind(f"{url}: {meaning}" + (f" ({detail})" if detail else ""), url=url)


def _is_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False
