"""Credentials: tokens, files that change, and plugins, which are real programs here."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from kubebox_cluster import credentials, errors, plugin
from kubebox_cluster.api import Api
from kubebox_cluster.kinds import NAMESPACES
from kubebox_cluster.target import Plugin, User

from .certificates import Authority
from .scripted import Answer, Scripted, says

VERSION = "client.authentication.k8s.io/v1"
SECRET = "hush-token"

Make = Callable[..., Plugin]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes plugins from Python, which run in a folder of their own."""

    def made(body: str, *arguments: str) -> Plugin:
        path = tmp_path / "plugin"
        path.write_text(
            f"#!{sys.executable}\nimport json, os, sys, time\nos.chdir({str(tmp_path)!r})\n{body}\n"
        )
        path.chmod(0o700)
        return Plugin(api_version=VERSION, command=str(path), arguments=arguments, place="here")

    return made


def giving(**status: Any) -> str:
    """A plugin's body that gives this."""
    said = {"kind": "ExecCredential", "apiVersion": VERSION, "status": status}
    return f"print(json.dumps({said!r}))"


def accepts(*tokens: str) -> Answer:
    """Answers whoever shows one of these tokens."""

    async def answer(request: web.Request) -> web.StreamResponse:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return web.json_response({"token": token}, status=200 if token in tokens else 401)

    return answer


@asynccontextmanager
async def asking(user: User, *answers: Answer) -> AsyncGenerator[tuple[Api, Scripted]]:
    """A way to a server that answers so."""
    async with Scripted.serving(*answers) as server, Api(replace(server.target, user=user)) as api:
        yield api, server


async def asked_as(user: User) -> dict[str, str]:
    """The headers that a server sees."""
    async with asking(user, says({})) as (api, server):
        await api.version()
    return dict(server.asked[0].headers)


async def test_each_way_to_show_who_one_is(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("from-file\n")
    assert (await asked_as(User(token="t")))["Authorization"] == "Bearer t"
    assert (await asked_as(User(token="t", token_file=file)))["Authorization"] == "Bearer from-file"
    assert (await asked_as(User(username="u", password="pä")))["Authorization"] == "Basic dTpww6Q="
    assert "Authorization" not in await asked_as(User())
    impersonating = User(token="t", impersonate=(("Impersonate-User", "x"), ("Impersonate-Group", "g")))
    headers = await asked_as(impersonating)
    assert (headers["Impersonate-User"], headers["Impersonate-Group"]) == ("x", "g")


async def test_a_token_in_a_file_is_read_again_when_it_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old")
    async with asking(User(token_file=file), accepts("old"), accepts("new")) as (api, server):
        assert await api.version() == {"token": "old"}
        file.write_text("new")
        assert await api.version() == {"token": "new"}
        file.write_text("wrong")
        assert await api.version() == {"token": "new"}
    assert len(server.asked) == 4


async def test_a_token_in_a_file_is_read_again_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "FILE_SECONDS", 0)
    file = tmp_path / "token"
    file.write_text("old")
    async with asking(User(token_file=file), accepts("old", "new")) as (api, _):
        assert await api.version() == {"token": "old"}
        file.write_text("new")
        assert await api.version() == {"token": "new"}
        file.unlink()
        with pytest.raises(errors.CredentialsUnavailable, match=f"{file} cannot be read any more"):
            await api.version()
        file.write_text(" \n")
        with pytest.raises(errors.CredentialsUnavailable, match="is empty"):
            await api.version()


async def test_a_change_that_was_refused_for_an_old_token_is_made_with_the_new_one(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old")
    async with asking(User(token_file=file), accepts("old"), accepts("new")) as (api, _):
        await api.version()
        file.write_text("new")
        assert await api.create(NAMESPACES, {}) == {"token": "new"}


async def test_a_refusal_that_nothing_mends_is_told(make: Make) -> None:
    for user in (User(token="wrong"), User(plugin=make(giving(token="wrong")))):
        async with (
            Scripted.serving(accepts("right")) as server,
            Api(replace(server.target, user=user)) as api,
        ):
            with pytest.raises(errors.Unauthorized):
                await api.version()


# Plugins.


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha1"])
async def test_a_plugin_is_told_what_it_may_know(make: Make, tmp_path: Path, version: str) -> None:
    body = "json.dump([sys.argv[1:], dict(os.environ), sys.stdin.read(), os.isatty(0)], open('seen', 'w'))\n"
    full = f"client.authentication.k8s.io/{version}"
    made = replace(
        make(body + giving(token="t").replace(VERSION, full), "get", "a b"),
        api_version=full,
        environment={"PROFILE": "mine", "PATH": "/nowhere"},
        cluster={"server": "https://x", "config": {"audience": "y"}},
    )
    given = await plugin.ask_plugin(made)
    assert (given.token, given.until) == ("t", None)
    arguments, environment, stdin, terminal = json.loads((tmp_path / "seen").read_text())
    assert (arguments, stdin, terminal) == (["get", "a b"], "", False)
    assert (environment["PROFILE"], environment["PATH"]) == ("mine", "/nowhere")
    assert environment["HOME"] == os.environ["HOME"]
    assert json.loads(environment["KUBERNETES_EXEC_INFO"]) == {
        "apiVersion": full,
        "kind": "ExecCredential",
        "spec": {"interactive": False, "cluster": {"server": "https://x", "config": {"audience": "y"}}},
    }


async def test_a_plugin_has_no_terminal(make: Make) -> None:
    made = make("open('/dev/tty')")
    with pytest.raises(errors.CredentialsUnavailable, match="No such device"):
        await plugin.ask_plugin(made)


async def test_a_plugin_is_asked_once_for_many_requests(make: Make, tmp_path: Path) -> None:
    made = make("open('runs', 'a').write('x')\n" + giving(token="t"))
    async with asking(User(plugin=made), accepts("t")) as (api, _):
        await asyncio.gather(*(api.version() for _ in range(10)))
    assert (tmp_path / "runs").read_text() == "x"


async def test_a_plugin_is_asked_again_when_its_token_expires_or_is_refused(
    make: Make, tmp_path: Path
) -> None:
    body = (
        "runs = open('runs', 'a+'); runs.write('x'); runs.flush(); runs.seek(0); n = len(runs.read())\n"
        f"json.dump({{'kind': 'ExecCredential', 'apiVersion': {VERSION!r}, 'status': {{'token': f't{{n}}', "
        "'expirationTimestamp': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(time.time() + 3600))}}, sys.stdout)"
    )
    made = make(body)
    keeper = credentials.Credentials(User(plugin=made))
    first = await keeper.current()
    assert await keeper.current() is first
    assert first.headers == (("Authorization", "Bearer t1"),)
    assert await keeper.renew(first)
    # Whoever was refused with the old one gets the one that is new already.
    assert await keeper.renew(first)
    assert (await keeper.current()).headers == (("Authorization", "Bearer t2"),)
    assert "t2" not in repr(await keeper.current())


@pytest.mark.parametrize(("seconds", "kept"), [(3600, True), (-3600, False)])
async def test_a_token_is_replaced_when_its_time_is_over(
    make: Make, monkeypatch: pytest.MonkeyPatch, seconds: float, kept: bool
) -> None:
    monkeypatch.setattr(credentials, "EARLY_SECONDS", 0)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))
    keeper = credentials.Credentials(User(plugin=make(giving(token="t", expirationTimestamp=stamp))))
    first = await keeper.current()
    assert (await keeper.current() is first) is kept


async def test_a_plugins_certificate_is_shown(make: Make, authority: Authority, tmp_path: Path) -> None:
    pair = authority.client("plugin")
    body = giving(clientCertificateData=pair.pem.decode(), clientKeyData=pair.key_pem.decode())

    async def who(request: web.Request) -> web.StreamResponse:
        subject: Any = request.get_extra_info("peercert")["subject"]
        return web.json_response({"name": subject[0][0][1]})

    async with Scripted.serving(who, tls=authority.context(tmp_path, "127.0.0.1")) as server:
        target = replace(server.target, authority=authority.pair.pem, user=User(plugin=make(body)))
        async with Api(target) as api:
            assert await api.version() == {"name": "plugin"}


FAILURES = {
    "print('hush-token')": "printed no JSON",
    "print('{}')": "something else than an ExecCredential",
    "print(json.dumps({'kind': 'ExecCredential', 'apiVersion': 'v2', 'status': {}}))": "does not answer in the form",
    f"print(json.dumps({{'kind': 'ExecCredential', 'apiVersion': {VERSION!r}}}))": "gave no credentials",
    giving(): "neither a token nor a certificate",
    giving(token=5): "gave a status.token that is not text",
    giving(token=SECRET, clientCertificateData="x"): "only one of clientCertificateData and clientKeyData",
    giving(token=SECRET, expirationTimestamp="soon"): "gave a status.expirationTimestamp that is no time",
    "print('hush-token'); sys.exit('log in first: cloud login')": r"failed \(exit code 1\): log in first: cloud login",
    "os.kill(os.getpid(), 9)": r"failed \(exit code -9\)",
    "print('x' * 2_000_000)": "printed more than 1048576 bytes",
}


@pytest.mark.parametrize(("body", "complaint"), FAILURES.items(), ids=FAILURES.values())
async def test_what_is_wrong_with_a_plugin_is_told_without_what_it_printed(
    make: Make, body: str, complaint: str
) -> None:
    with pytest.raises(errors.CredentialsUnavailable, match=f"here: the plugin .* {complaint}") as caught:
        await plugin.ask_plugin(make(body))
    assert SECRET not in str(caught.value)


async def test_a_plugin_that_is_missing_says_how_to_get_it() -> None:
    missing = Plugin(
        api_version=VERSION, command="kubebox-no-such", install_hint="Install it: brew …", place="here"
    )
    with pytest.raises(
        errors.CredentialsUnavailable, match=r"cannot be run \(No such file.*\)\. Install it: brew"
    ):
        await plugin.ask_plugin(missing)


async def test_a_plugin_that_never_ends_is_killed_with_all_that_it_has_started(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugin, "LIMIT_SECONDS", 3.0)
    # A shell has done that long before its seconds are over, on a busy machine too.
    made = make("")
    (tmp_path / "plugin").write_text(f"#!/bin/sh\nsleep 1000 &\necho $! > {tmp_path}/child\nwait\n")
    with pytest.raises(errors.CredentialsUnavailable, match="did not end within 3 s"):
        await plugin.ask_plugin(made)
    child = (tmp_path / "child").read_text().strip()
    async with asyncio.timeout(10):  # It has been killed, and ends when it has its turn.
        while state(child) not in {"gone", "Z"}:  # noqa: ASYNC110 - the kernel does it in its own time
            await asyncio.sleep(0.01)


def state(pid: str) -> str:
    """What the kernel says of a process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "gone"
