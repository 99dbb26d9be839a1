"""What the operator decides, and a server that refuses to start where it must."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import anyio
import httpx2
import pytest

from kubebox_protocol.identity import identity_holds
from kubebox_protocol.keys import KeyInvalid, new_private_key, public_pem, read_private_key
from kubebox_sandbox.identity import FILE, load_identity

from .conftest import PATIENCE, Sandbox


def environment(folder: Path, **changes: str) -> dict[str, str]:
    given = {
        "SANDBOX_ID": "test",
        "SANDBOX_UID": "body-1",
        "PUBLIC_KEYS": public_pem(read_private_key(new_private_key())),
        "CONTROL": str(folder),
        "STATE": str(folder),
        "WORKSPACE_UID": "0",
        "PORT": "0",
        **changes,
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KUBEBOX_")}
    return {**kept, **{f"KUBEBOX_{name}": value for name, value in given.items() if value != "-"}}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"PUBLIC_KEYS": "-"}, ["no public key is configured"]),
        ({"PUBLIC_KEYS": " "}, ["no public key is configured"]),
        ({"PUBLIC_KEYS": "/no/such/file"}, ["KUBEBOX_PUBLIC_KEYS"]),
        ({"PUBLIC_KEYS": "-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----"}, ["KUBEBOX_PUBLIC_KEYS"]),
        ({"WORKSPACE_UID": "-"}, ["KUBEBOX_WORKSPACE_UID: Field required"]),
        ({"WORKSPACE_UID": "x", "PORT": "99999"}, ["KUBEBOX_WORKSPACE_UID: ", "KUBEBOX_PORT: "]),
        ({"ROOTS": "workspace"}, ["KUBEBOX_ROOTS: needs at least one folder"]),
        ({"PROFILE": "god"}, ["KUBEBOX_PROFILE: "]),
        ({"LISTEN_FD": "0"}, ["KUBEBOX_LISTEN_FD: not a listening socket"]),
        ({"HOST": "no.such.host.invalid"}, ["KUBEBOX_HOST"]),
    ],
)
def test_it_refuses_to_start(tmp_path: Path, changes: dict[str, str], expected: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kubebox_sandbox"],
        env=environment(tmp_path, **changes),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == len(expected)
    for line, text in zip(lines, expected, strict=True):
        assert text in line


async def test_it_serves_an_inherited_socket_until_its_lifeline_closes(tmp_path: Path) -> None:
    key = read_private_key(new_private_key())
    (tmp_path / "keys.pem").write_text(public_pem(read_private_key(new_private_key())) + public_pem(key))
    lifeline, lifeline_end = os.pipe()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        given = environment(
            tmp_path,
            PUBLIC_KEYS=str(tmp_path / "keys.pem"),
            LISTEN_FD=str(listening.fileno()),
            LIFELINE_FD=str(lifeline),
            ROOTS="/a/, /b",
        )
        process = await anyio.open_process(
            [sys.executable, "-m", "kubebox_sandbox"], env=given, pass_fds=[listening.fileno(), lifeline]
        )
    os.close(lifeline)
    async with process, httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as http:
        assert (await http.get("/healthz")).json() == {"status": "ok"}
        info = (await http.get("/v1/info?nonce=abc")).json()
        assert info["roots"] == ["/a", "/b"]
        known = (info["identity"], info["signature"], "abc", "test", "body-1", info["time"])
        assert identity_holds(*known)
        os.close(lifeline_end)
        with anyio.fail_after(PATIENCE):
            assert await process.wait() == 0
        assert process.stdout is not None
        with pytest.raises(anyio.EndOfStream):
            await process.stdout.receive()


def test_the_identity_is_made_once(tmp_path: Path) -> None:
    first = load_identity(tmp_path)
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    assert load_identity(tmp_path).private_bytes_raw() == first.private_bytes_raw()
    assert os.listdir(tmp_path) == [FILE]
    (tmp_path / FILE).write_text("damaged")
    with pytest.raises(KeyInvalid):
        load_identity(tmp_path)
    (tmp_path / FILE).unlink()
    (tmp_path / "elsewhere").write_text(new_private_key())
    (tmp_path / FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        load_identity(tmp_path)


async def test_keys_and_tokens_do_not_show(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sandbox = Sandbox(tmp_path)
    assert "BEGIN" not in repr(sandbox.settings()).replace("BEGIN PUBLIC", "")
    async with sandbox.open(), sandbox.serving():
        token = sandbox.token("GET", "/v1/sessions")
        await sandbox.http.get("/v1/sessions", headers={"authorization": f"Bearer {token}"})
        await sandbox.http.get("/v1/sessions", headers={"authorization": f"Bearer {token}"})
    assert token not in caplog.text
