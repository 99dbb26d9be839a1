"""Who answers: the first server is pinned, and nothing is ever signed for another."""

import time
from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from kubebox import errors
from kubebox._transport import introduction
from kubebox._transport.direct import DirectTransport
from kubebox.client import SandboxClient
from kubebox.keys import PrivateKey, resolve_private_key
from kubebox_protocol.keys import new_private_key
from kubebox_protocol.limits import PROTOCOL_VERSION

from .conftest import PATIENCE, Server
from .impostor import Impostor
from .refuser import Refuser


@pytest.fixture
async def impostor() -> AsyncGenerator[Impostor]:
    async with Impostor().serving() as impostor:
        yield impostor


@pytest.fixture
def key() -> PrivateKey:
    return resolve_private_key(new_private_key())


def signed_anything(impostor: Impostor) -> bool:
    return any("authorization" in head.lower() or "socket.io" in head for head in impostor.heads)


async def test_another_identity_than_the_known_one_gets_no_signature(
    impostor: Impostor, server: Server, key: PrivateKey
) -> None:
    async with SandboxClient(server.private_key, server.url) as client:
        known = client.info.identity
    transport = DirectTransport(impostor.url, key, known)
    with pytest.raises(errors.SandboxReplaced):
        await transport.connect(0)
    assert impostor.heads
    assert not signed_anything(impostor)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"sandbox_uid": "body-2"}, errors.SandboxReplaced),
        ({"time": 1.0}, errors.SandboxReplaced),
        ({"signature": "AAAA"}, errors.SandboxReplaced),
        ({"protocol": PROTOCOL_VERSION + 1}, errors.AnswerInvalid),
        ({"roots": 7}, errors.AnswerInvalid),
    ],
)
async def test_what_is_not_proven_gets_no_signature(
    impostor: Impostor, key: PrivateKey, changes: dict[str, Any], error: type[errors.KubeboxError]
) -> None:
    impostor.changes = changes
    with pytest.raises(error):
        await DirectTransport(impostor.url, key).connect(0)
    assert not signed_anything(impostor)


async def test_a_new_body_at_the_same_address_is_told_and_trusted_by_no_old_client(
    own_server: Server,
) -> None:
    client = SandboxClient(own_server.private_key, own_server.url)
    await client.connect()
    await client.initialize_session("s", "s")
    own_server.stop()
    own_server.uid = "body-2"
    own_server.start()
    with pytest.raises(errors.SandboxReplaced):
        await client.list_sessions()
    with pytest.raises(errors.SandboxReplaced) as caught:
        await client.connect()
    assert caught.value.data["new_uid"] == "body-2"
    with pytest.raises(errors.SandboxReplaced):
        await client.file_exists("s", "x")
    await client.disconnect()
    async with SandboxClient(own_server.private_key, own_server.url) as other:
        assert other.info.sandbox_uid == "body-2"


async def test_a_lost_connection_makes_file_requests_look_again(own_server: Server) -> None:
    client = SandboxClient(own_server.private_key, own_server.url, reconnect=0)
    await client.connect()
    await client.initialize_session("s", "s")
    await client.write_file("s", "a", "x")
    own_server.stop()
    with pytest.raises(errors.ConnectionFailed):
        await client.file_exists("s", "a")
    own_server.uid = "body-2"
    own_server.start()
    with pytest.raises(errors.SandboxReplaced):
        await client.file_exists("s", "a")
    await client.disconnect()


async def test_a_key_that_is_not_registered_is_denied_with_the_reason(server: Server) -> None:
    client = SandboxClient(new_private_key(), server.url)
    with pytest.raises(errors.TokenInvalid):
        await client.connect()
    with pytest.raises(errors.NotConnected):
        await client.list_sessions()


async def test_this_machines_clock_does_not_matter(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 0.0)
    async with SandboxClient(server.private_key, server.url) as client:
        await client.initialize_session("clock", "clock")
        assert await client.file_exists("clock", "x") is False


async def test_a_clock_that_stood_still_is_set_anew(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    async with SandboxClient(server.private_key, server.url) as client:
        await client.initialize_session("clock", "clock")
        behind = SimpleNamespace(monotonic=lambda: time.monotonic() - 3600)
        monkeypatch.setattr(introduction, "time", behind)  # as after an hour of sleep
        assert await client.file_exists("clock", "x") is False


async def test_a_token_that_expires_again_and_again_is_told_and_not_tried_for_ever() -> None:
    """One may have been signed for the server before this one, or before the machine slept; two in a row are another matter."""
    async with Refuser().serving() as refuser:
        with pytest.raises(errors.TokenExpired), anyio.fail_after(PATIENCE):
            await SandboxClient(new_private_key(), refuser.url).connect(600)
        assert len(set(refuser.tokens)) == 2


async def test_no_redirect_is_followed_to_one_who_has_proven_nothing(
    impostor: Impostor, key: PrivateKey
) -> None:
    async with Impostor().serving() as elsewhere:
        impostor.location = f"{elsewhere.url}/socket.io/"
        impostor.other = lambda _: (302, b"")
        with pytest.raises(errors.AnswerInvalid, match="redirects"):
            await DirectTransport(impostor.url, key).connect(0)
        assert any("socket.io" in head for head in impostor.heads)
        assert elsewhere.heads == []


async def test_a_gateway_without_a_server_is_waited_for(impostor: Impostor, key: PrivateKey) -> None:
    impostor.answers = [(503, b"<html>no upstream</html>"), (502, b""), (200, b"<html>a login page</html>")]
    with pytest.raises(errors.AnswerInvalid):
        await DirectTransport(impostor.url, key).connect(10)
    assert len(impostor.heads) == 3


async def test_nothing_that_answers_is_unreachable(key: PrivateKey, unused_port: int) -> None:
    with pytest.raises(errors.SandboxUnreachable):
        await DirectTransport(f"http://127.0.0.1:{unused_port}", key).connect(0)
    with pytest.raises(errors.SandboxUnreachable):
        await DirectTransport("http://name.invalid", key).connect(0)


async def test_an_error_that_is_not_ours_is_told_as_such(impostor: Impostor, key: PrivateKey) -> None:
    impostor.answers = [(500, b"x" * 100_000)]
    with pytest.raises(errors.AnswerInvalid) as caught:
        await DirectTransport(impostor.url, key).connect(0)
    assert caught.value.data["status"] == 500
