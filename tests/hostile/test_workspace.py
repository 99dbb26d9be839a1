"""H08-H10, H30, H31: code in the workspace finds no credential, and neither reaches nor harms the server."""

import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from kubebox.testing import Box
from tests.soak.places import Place

pytestmark = pytest.mark.anyio


async def test_the_server_is_not_among_the_processes(box: Box) -> None:
    """H09: the workspace sees init and its own commands, nothing else."""
    result = await box.wait("for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done 2>/dev/null")
    lines = [line for line in result.stdout.splitlines() if line]
    assert lines
    assert not [
        line for line in lines if "python" in line or "kubebox_sandbox" in line or "supervisor" in line
    ]


async def test_init_gives_nothing_away(box: Box) -> None:
    """H09: init's environment, memory, descriptors and maps are closed to the commands it starts."""
    for name in ("environ", "mem", "maps", "fd", "root", "cwd", "exe", "auxv"):
        result = await box.wait(f"ls /proc/1/{name}/ 2>&1; cat /proc/1/{name} 2>&1 | head -c 100")
        assert "ermission denied" in result.stdout, (name, result.stdout)


async def test_no_key_is_found_by_scanning(box: Box, shared: Place) -> None:
    """H08, H09: neither the private key nor any PEM block is anywhere that the workspace can read."""
    scan = (
        "grep -rlsE 'BEGIN (PRIVATE|PUBLIC) KEY|PRIVATE_KEY' /proc/*/environ /proc/*/cmdline /run /tmp /workspace"
        " \"$HOME\" /etc/passwd /etc/hosts 2>/dev/null | grep -v \"/proc/$$/\"; find / -xdev -name '*.pem' -path '/run/*'"
    )
    result = await box.wait(["sh", "-c", scan])
    assert [line for line in result.stdout.splitlines() if "cmdline" not in line] == []
    secret = "".join(shared.kubebox.private_key.splitlines()[1:-1]).encode()
    assert [
        place for place, content in environments_and_arguments() if secret in content.replace(b"\n", b"")
    ] == []


def environments_and_arguments() -> Iterator[tuple[Path, bytes]]:
    """What this machine tells of each process that the test may look at."""
    for process in Path("/proc").glob("[0-9]*"):
        for name in ("environ", "cmdline"):
            with contextlib.suppress(OSError):
                yield process / name, (process / name).read_bytes()


async def test_the_control_folder_cannot_be_changed(box: Box) -> None:
    """H30: the workspace cannot replace init, nor put anything beside it."""
    result = await box.wait(
        "ls /run/kubebox; rm -f /run/kubebox/line.sock; cp /bin/true /run/kubebox/init; echo x > /run/kubebox/new;"
        "chmod 777 /run/kubebox; mv /run/kubebox /run/other; ls /run/kubebox"
    )
    assert result.stdout.split() == ["init", "init"]


async def test_a_second_line_is_not_listened_to(box: Box) -> None:
    """H30: besides init's there is no line, and nothing in the workspace that one could connect to."""
    impostor = (
        "import socket\n"
        "s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
        "print(s.connect_ex('/run/kubebox/line.sock'))\n"
    )
    result = await box.wait(["python3", "-c", impostor])
    assert result.stdout == f"{errno.ENOENT}\n", result.stderr
    assert (await box.wait("echo on")).stdout == "on\n"


async def test_signals_to_everything_end_only_the_workspaces_own(box: Box, shared: Place) -> None:
    """H30: killing, stopping and renicing everything in sight leaves the server and init alive."""
    await box.wait(
        "kill -9 1; kill -STOP 1; for s in $(seq 1 31); do kill -$s 1 2>/dev/null; done; renice -n 19 -p 1; true"
    )
    await box.wait("kill -9 -1")
    async with httpx2.AsyncClient() as http:
        assert (await http.get(f"{shared.url}/readyz")).status_code == 200
    assert (await box.wait("echo alive")).stdout == "alive\n"


async def test_replaced_tools_fool_the_workspace_alone(box: Box) -> None:
    """H30: planted shells, start-up files and modules change nothing for the server or for init."""
    await box.wait(
        "mkdir bin; printf '#!/bin/sh\\necho planted\\n' > bin/sh; cp bin/sh bin/bash; chmod +x bin/*;"
        'echo \'echo planted\' > "$HOME/.bashrc"; cp "$HOME/.bashrc" "$HOME/.profile";'
        "echo 'print(\"planted\")' > sitecustomize.py; cp sitecustomize.py python"
    )
    result = await box.wait("echo clean", env={"PATH": f"/workspace/{box.session_id}/bin:/usr/bin:/bin"})
    assert result.stdout == "clean\n"
    assert await box.client.get_file(box.session_id, "sitecustomize.py") == 'print("planted")\n'


async def test_the_system_cannot_be_changed(box: Box) -> None:
    """The system's folders are read-only, and no privilege can be had."""
    result = await box.wait(
        "touch /usr/x /etc/x /x /bin/x 2>&1; grep -E '^(CapEff|CapPrm|NoNewPrivs)' /proc/self/status; unshare -Ur true 2>&1;"
        " mount -t tmpfs none /mnt 2>&1"
    )
    assert "CapEff:\t0000000000000000" in result.stdout
    assert "CapPrm:\t0000000000000000" in result.stdout
    assert "NoNewPrivs:\t1" in result.stdout
    assert (await box.wait("ls /usr/x /etc/x /x /bin/x 2>/dev/null")).stdout == ""


async def test_commands_of_the_same_session_inherit_no_pipe_of_each_other(box: Box) -> None:
    """H31: with many commands running, each still has 0, 1 and 2 alone."""
    running = [await box.background("sleep 60") for _ in range(20)]
    result = await box.wait(
        "for p in /proc/[0-9]*; do [ $p = /proc/1 ] || ls $p/fd 2>/dev/null | tr '\\n' ' '; echo; done"
    )
    lines = {line.strip() for line in result.stdout.splitlines() if line.strip()}
    assert "0 1 2" in lines
    assert not [line for line in lines if not line.startswith("0 1 2")]
    for process in running:
        await process.kill()


@pytest.mark.on_this_machine
async def test_nothing_of_the_user_is_visible(box: Box) -> None:
    """The user's home, environment and network are not there."""
    os.environ["KUBEBOX_TEST_CANARY"] = "visible"
    result = await box.wait(
        f"env; ls -la {Path.home()} 2>&1; ls /home; cat /proc/net/dev | tail -n +3 | cut -d: -f1"
    )
    assert "KUBEBOX_TEST_CANARY" not in result.stdout
    assert "No such file" in result.stdout or "ermission denied" in result.stdout
    assert result.stdout.split()[-1] == "lo"


@pytest.mark.on_this_machine
async def test_loopback_of_the_machine_is_out_of_reach(box: Box, shared: Place) -> None:
    """The server's own port, and anything else on the machine's loopback, is refused."""
    port = shared.url.rpartition(":")[2]
    code = f"import socket; print(socket.socket().connect_ex(('127.0.0.1', {port})))"
    result = await box.wait(["python3", "-c", code])
    assert result.stdout.strip() == str(errno.ECONNREFUSED)  # its own loopback, on which nobody listens
    with socket.socket() as control:
        assert control.connect_ex(("127.0.0.1", int(port))) == 0
