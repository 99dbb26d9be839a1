"""httpx2's errors: each becomes one of ours, at one place."""

import inspect
import ssl

import httpx2
import pytest

from kubebox import errors
from kubebox._transport.translate import TRANSLATIONS, translate, translated

URL = "http://127.0.0.1:1"

UNUSED = {"SSEError"}
"""Raised by httpx2's reader of server-sent events alone, which is not used here."""

RAISABLE = [
    kind
    for name, kind in inspect.getmembers(httpx2, inspect.isclass)
    if issubclass(kind, (httpx2.HTTPError, httpx2.InvalidURL)) and name not in UNUSED
]
LEAVES = [
    kind for kind in RAISABLE if not any(issubclass(other, kind) and other is not kind for other in RAISABLE)
]


def make(kind: type[Exception]) -> Exception:
    if kind is httpx2.HTTPStatusError:
        request = httpx2.Request("GET", URL)
        response = httpx2.Response(500, request=request)
        return httpx2.HTTPStatusError("bad", request=request, response=response)
    return kind("why")


def test_no_error_of_httpx2_is_missed() -> None:
    assert {kind.__name__ for kind in LEAVES} == {kind.__name__ for kind in TRANSLATIONS}


@pytest.mark.parametrize("kind", LEAVES, ids=lambda kind: kind.__name__)
def test_each_becomes_one_of_ours_and_says_where(kind: type[Exception]) -> None:
    with pytest.raises(errors.KubeboxError) as caught, translated(URL):
        raise make(kind)
    assert str(caught.value).startswith(f"{URL}: ")
    assert isinstance(caught.value.__cause__, kind)


def test_an_error_of_a_newer_httpx2_is_a_failed_connection() -> None:
    class New(httpx2.TransportError):
        pass

    assert type(translate(New("why"), URL)) is errors.ConnectionFailed


def test_a_broken_certificate_does_not_look_like_a_server_that_comes_up() -> None:
    error = httpx2.ConnectError("certificate verify failed")
    error.__cause__ = ssl.SSLCertVerificationError("self-signed")
    assert type(translate(error, URL)) is errors.ConnectionFailed
