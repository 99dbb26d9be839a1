"""TLS: who the server has to be, what it is shown, and that keys lie nowhere."""

import asyncio
import contextlib
import os
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from kubebox_cluster import errors, tls
from kubebox_cluster.api import Api
from kubebox_cluster.kinds import PODS
from kubebox_cluster.target import Target, User

from .certificates import Authority
from .scripted import Scripted, is_silent, refuses, says


def common_name(request: web.Request) -> str | None:
    """Whom the client's certificate names."""
    shown: Any = request.get_extra_info("peercert") or {"subject": ()}
    return dict(pair[0] for pair in shown["subject"]).get("commonName")


async def who(request: web.Request) -> web.StreamResponse:
    """Says whom the client's certificate names."""
    return web.json_response({"name": common_name(request)})


@asynccontextmanager
async def serving(authority: Authority, folder: Path, *names: str) -> AsyncGenerator[Target]:
    """A server with a certificate for these names; its target trusts the authority."""
    context = authority.context(folder, *(names or ("127.0.0.1",)))
    async with Scripted.serving(who, tls=context) as server:
        yield replace(server.target, authority=authority.pair.pem)


async def ask(target: Target) -> dict[str, Any]:
    async with Api(target) as api:
        return await api.version()


async def test_a_cluster_has_an_authority_of_its_own(authority: Authority, tmp_path: Path) -> None:
    async with serving(authority, tmp_path) as target:
        assert await ask(target) == {"name": None}


async def test_a_certificate_of_nobody_is_not_trusted(authority: Authority, tmp_path: Path) -> None:
    async with serving(authority, tmp_path) as target:
        for other in (None, Authority().pair.pem):
            with pytest.raises(errors.ApiUnreachable, match="does not prove who it is") as caught:
                await ask(replace(target, authority=other))
            assert (caught.value.cause, caught.value.sent) == ("tls", False)


async def test_a_certificate_for_another_is_not_trusted(authority: Authority, tmp_path: Path) -> None:
    async with serving(authority, tmp_path, "kubernetes.default") as target:
        with pytest.raises(errors.ApiUnreachable, match="does not prove who it is") as caught:
            await ask(target)
        assert caught.value.cause == "tls"
        assert await ask(replace(target, tls_server_name="kubernetes.default")) == {"name": None}


async def test_trust_can_be_waived(authority: Authority, tmp_path: Path) -> None:
    async with serving(authority, tmp_path, "somebody") as target:
        assert await ask(replace(target, authority=None, verify=False)) == {"name": None}


async def test_the_servers_own_certificate_can_be_the_one_to_trust(
    authority: Authority, tmp_path: Path
) -> None:
    async with serving(authority, tmp_path) as target:
        own = (tmp_path / "server.pem").read_bytes()
        assert await ask(replace(target, authority=own)) == {"name": None}


def shown(authority: Authority, name: str = "somebody") -> User:
    pair = authority.client(name)
    return User(certificate=pair.pem, key=pair.key_pem)


async def test_a_client_certificate_is_shown_and_its_key_touches_no_disk(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(authority, tmp_path) as target:
        # There is no place for temporary files.
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
        assert await ask(replace(target, user=shown(authority))) == {"name": "somebody"}


async def test_without_files_of_memory_the_key_is_removed_at_once(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(tls, "DESCRIPTOR_FILES", "/nowhere")
    async with serving(authority, tmp_path) as target:
        assert await ask(replace(target, user=shown(authority))) == {"name": "somebody"}
    assert list((tmp_path / "temporary").iterdir()) == []


async def test_a_certificate_that_is_renewed_on_disk_is_read_again(
    authority: Authority, tmp_path: Path
) -> None:
    certificate, key = tmp_path / "client.crt", tmp_path / "client.key"

    def renew(name: str) -> None:
        pair = authority.client(name)
        certificate.write_bytes(pair.pem)
        key.write_bytes(pair.key_pem)

    async def refuses_first(request: web.Request) -> web.StreamResponse:
        # As an API server does with one that has expired.
        return await (refuses(401) if common_name(request) == "first" else who)(request)

    renew("first")
    async with Scripted.serving(refuses_first, tls=authority.context(tmp_path, "127.0.0.1")) as server:
        user = User(certificate=certificate, key=key)
        async with Api(replace(server.target, authority=authority.pair.pem, user=user)) as api:
            with pytest.raises(errors.Unauthorized):
                await api.version()
            renew("second")
            assert await api.version() == {"name": "second"}


async def test_keys_that_cannot_be_used_are_told_apart(authority: Authority, tmp_path: Path) -> None:
    pair, other = authority.client("a"), authority.client("b")
    damaged = pair.pem.replace(b"M", b"N", 3)
    cases = {
        "encrypted": User(certificate=pair.pem, key=pair.encrypted_key_pem),
        "do not belong together": User(certificate=pair.pem, key=other.key_pem),
        "are damaged": User(certificate=damaged, key=pair.key_pem),
    }
    async with serving(authority, tmp_path) as target:
        for complaint, user in cases.items():
            with pytest.raises(errors.ConfigInvalid, match=complaint) as caught:
                await ask(replace(target, user=user))
            assert "PRIVATE KEY" not in str(caught.value)
        with pytest.raises(errors.ConfigInvalid, match="certificate-authority is damaged"):
            await ask(replace(target, authority=damaged))


async def test_a_server_without_tls_is_told(tmp_path: Path) -> None:
    async with Scripted.serving(says({})) as server:
        target = replace(server.target, server=server.target.server.replace("http:", "https:"))
        with pytest.raises(errors.ApiUnreachable, match="TLS failed") as caught:
            await ask(target)
    assert (caught.value.cause, caught.value.sent) == ("tls", False)


def test_a_passphrase_is_never_asked_for_on_the_terminal(authority: Authority) -> None:
    pair = authority.client("a")
    target = Target(server="https://127.0.0.1", source="here")
    with pytest.raises(errors.ConfigInvalid, match="without a passphrase"):
        tls.tls_context(target, pair.pem + pair.encrypted_key_pem)


def test_clusters_authorities_need_not_be_strict(authority: Authority) -> None:
    target = Target(server="https://127.0.0.1", authority=authority.pair.pem)
    assert not tls.tls_context(target, None).verify_flags & ssl.VERIFY_X509_STRICT


async def test_nothing_stays_open_of_what_is_given_up_in_the_middle(
    authority: Authority, tmp_path: Path
) -> None:
    """A TLS connection says goodbye on its own, and a loop that ends meanwhile would leave its socket open."""
    context = authority.context(tmp_path, "127.0.0.1")
    async with Scripted.serving(is_silent, is_silent, tls=context) as server:
        api = Api(replace(server.target, authority=authority.pair.pem))
        asking = asyncio.create_task(api.get(PODS, "a", "b"))
        await server.until_asked(1)
        before = sockets()
        asking.cancel()
        await asyncio.wait({asking})
        await api.close()
        assert sockets() < before


def sockets() -> int:
    """How many sockets this process has open."""
    found = 0
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # The listing itself had one.
            found += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
    return found
