"""Proxies: when one is on the way, by whose word, and that everything goes through it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from kubebox_cluster import errors, patience
from kubebox_cluster.api import Api
from kubebox_cluster.proxies import proxy_for

from .certificates import Authority
from .scripted import Scripted, says

PROXY = "http://proxy.example.com:3128"

CASES = {
    ("https://api.example.com:6443", ""): PROXY,
    ("https://api.example.com:6443", "example.com"): None,
    ("https://api.example.com:6443", ".example.com"): None,
    ("https://api.example.com:6443", "*.example.com"): None,
    ("https://api.example.com:6443", "ample.com, other.com"): PROXY,
    ("https://api.example.com:6443", "API.EXAMPLE.COM:6443"): None,
    ("https://api.example.com:6443", "api.example.com:443"): PROXY,
    ("https://api.example.com:6443", "*"): None,
    ("https://10.1.2.3", "10.0.0.0/8"): None,
    ("https://10.1.2.3", "10.1.2.3"): None,
    ("https://10.1.2.3", "11.0.0.0/8,example.com"): PROXY,
    ("https://[fd00::1]:6443", "fd00::/8"): None,
    ("https://[fd00::1]:6443", ""): PROXY,
    ("https://localhost:6443", ""): None,
    ("https://127.0.0.1:6443", ""): None,
    ("https://[::1]:6443", ""): None,
    ("http://api.example.com", ""): None,
}


@pytest.mark.parametrize(("said", "proxy"), CASES.items(), ids=lambda it: str(it))
def test_the_environment_says_when(
    said: tuple[str, str], proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, exceptions = said
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv("no_proxy", exceptions)
    assert proxy_for(server) == proxy


def test_a_proxy_needs_no_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "proxy:3128")
    assert proxy_for("https://api") == "http://proxy:3128"


class Proxy:
    """A proxy that connects through.

    Attributes:
        heads: What it was asked.
    """

    def __init__(self, answer: str) -> None:
        self.heads: list[str] = []
        self.url = ""
        self._answer = answer

    @classmethod
    @asynccontextmanager
    async def serving(cls, answer: str = "200 OK") -> AsyncGenerator["Proxy"]:
        proxy = cls(answer)
        server = await asyncio.start_server(proxy._serve, "127.0.0.1", 0)
        proxy.url = f"http://name:hush@127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            yield proxy

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        writer.write(f"HTTP/1.1 {self._answer}\r\n\r\n".encode())
        if self._answer.startswith("200"):
            host, _, port = head.split()[1].rpartition(":")
            far_reader, far_writer = await asyncio.open_connection(host, int(port))
            async with asyncio.TaskGroup() as group:
                group.create_task(_copy(reader, far_writer))
                group.create_task(_copy(far_reader, writer))
        writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    except ConnectionError:
        pass
    writer.close()


async def test_everything_goes_through_the_proxy(authority: Authority, tmp_path: Path) -> None:
    context = authority.context(tmp_path, "127.0.0.1")
    async with Proxy.serving() as proxy, Scripted.serving(says({"major": "1"}), tls=context) as server:
        target = replace(server.target, authority=authority.pair.pem, proxy=proxy.url)
        async with Api(target) as api:
            assert await api.version() == {"major": "1"}
    (head,) = proxy.heads
    assert head.startswith(f"CONNECT {server.target.server.removeprefix('https://')} ")
    assert "Proxy-Authorization: Basic bmFtZTpodXNo" in head
    assert "Proxy-Authorization" not in server.asked[0].headers


async def test_a_proxy_that_refuses_is_told_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_SECONDS", 0.1)
    async with (
        Proxy.serving("407 Proxy Authentication Required") as proxy,
        Scripted.serving(says({})) as server,
    ):
        url = server.target.server.replace("http:", "https:")
        async with Api(replace(server.target, server=url, proxy=proxy.url)) as api:
            with pytest.raises(errors.ApiUnreachable, match="the proxy refuses") as caught:
                await api.version()
    assert caught.value.cause == "proxy"
    assert "hush" not in str(caught.value)


async def test_a_proxy_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_SECONDS", 0.1)
    async with Scripted.serving(says({})) as server:
        url = server.target.server.replace("http:", "https:")
        async with Api(replace(server.target, server=url, proxy="http://127.0.0.1:1")) as api:
            with pytest.raises(errors.ApiUnreachable, match="the proxy does not answer"):
                await api.version()
