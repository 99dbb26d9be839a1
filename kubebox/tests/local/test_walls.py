"""What a workspace cannot see, reach or change."""

import socket
from pathlib import Path

import pytest

from kubebox import Kubebox

from .boxes import Box, command_of, descendants, opened, owner, supervisors

pytestmark = pytest.mark.anyio


async def test_the_users_home_is_not_there(box: Box) -> None:
    home = Path.home()
    assert home.is_dir()
    result = await box.run(f"ls -a {home} /root; ls /home; ls -A ~")
    assert result.stdout == "user\n"


@pytest.mark.parametrize(
    "path", ["/var/lib", "/run/user", "/opt", "/srv", "/mnt", "/sys", "/etc/shadow", "/etc/pip.conf"]
)
async def test_what_belongs_to_the_machine_is_not_there(box: Box, path: str) -> None:
    assert (await box.run(f"test -e {path}")).exit_code == 1


@pytest.mark.parametrize(
    "folder", ["/", "/usr", "/usr/bin", "/etc", "/dev", "/run", "/run/kubebox", "/home", "/var"]
)
async def test_the_system_is_read_only(box: Box, folder: str) -> None:
    result = await box.run(f"touch {folder}/new")
    assert "Read-only file system" in result.stderr


@pytest.mark.parametrize(
    "folder", ["/workspace", "/workspace/work", "/home/user", "/tmp", "/var/tmp", "/dev/shm"]
)
async def test_the_workspace_is_writable(box: Box, folder: str) -> None:
    assert (await box.run(f"touch {folder}/new && rm {folder}/new")).exit_code == 0


async def test_the_control_folder_cannot_be_changed(box: Box) -> None:
    result = await box.run(
        "cd /run/kubebox && ls && rm -f init line.sock; mv init other; touch line.sock; echo x >> init && echo done"
    )
    # The line's socket is there only while the server waits for init.
    assert set(result.stdout.split()) - {"line.sock"} == {"init"}
    assert result.stderr.count("Read-only file system") >= 3
    assert (await box.run("echo alive")).stdout == "alive\n"


async def test_a_second_line_is_closed(box: Box) -> None:
    connect = "import socket; s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.settimeout(5)"
    connect += "; s.connect('/run/kubebox/line.sock'); print(s.recv(100))"
    result = await box.run(f'python3 -c "{connect}"')
    assert result.stdout in ("b''\n", "")
    assert "timed out" not in result.stderr
    assert (await box.run("echo alive")).stdout == "alive\n"


async def test_no_network_is_reached(box: Box) -> None:
    socket.create_connection(("127.0.0.1", box.port), timeout=5).close()  # the control: it does listen
    assert (await box.run(f"echo > /dev/tcp/127.0.0.1/{box.port}")).exit_code != 0
    assert "unreachable" in (await box.run("echo > /dev/tcp/192.0.2.1/80")).stderr
    assert (await box.run("cat /proc/net/dev | grep -c :")).stdout == "1\n"
    assert (await box.run("getent hosts example.com", timeout=5)).exit_code != 0


async def test_the_environment_is_the_sandboxs_own(kubebox: Kubebox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_THE_HOST", "secret")
    async with opened(kubebox, "environment", env={"OF_THE_POD": "ä\nb"}) as box:
        result = await box.run("env -0")
        names = {variable.partition("=")[0] for variable in result.stdout.split("\0") if variable}
        assert names - {"SHLVL", "_", "PWD", "OLDPWD"} == {
            "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TERM", "OF_THE_POD",
        }  # fmt: skip
        assert (await box.run('printf %s "$OF_THE_POD"')).stdout == "ä\nb"
        assert (await box.run("cat /proc/1/environ")).exit_code != 0


async def test_there_is_no_privilege_to_gain(box: Box) -> None:
    status = (await box.run("cat /proc/self/status")).stdout
    fields = dict(line.split(":\t", 1) for line in status.splitlines())
    assert fields["NoNewPrivs"] == "1"
    assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == int(fields["CapInh"], 16) == 0
    assert fields["Uid"].split() == ["10001"] * 4
    assert (await box.run("id -un; echo $USER")).stdout == "user\nuser\n"


@pytest.mark.parametrize(
    "attempt",
    [
        "unshare -U true",
        "unshare -Ur true",
        "unshare -m true",
        "mount -t tmpfs none /tmp",
        "chroot / true",
        "echo 1 > /proc/sys/kernel/panic",
        "echo 1000 > /proc/sys/user/max_user_namespaces",
        "echo x > /proc/sysrq-trigger",
        "mknod /tmp/null c 1 3",
        "nice -n -20 chrt -f 1 true",
        ": <> /dev/tty",
        "nsenter -t 1 -m true",
        "cat /proc/1/maps /proc/1/mem",
        "grep . /proc/keys",
        "grep . /proc/key-users",
        "ls /proc/1/fd/",
        "head -c 1 /dev/mem",
    ],
)
async def test_ways_out_are_closed(box: Box, attempt: str) -> None:
    assert (await box.run(attempt)).exit_code != 0


async def test_other_processes_are_not_seen(box: Box) -> None:
    result = await box.run("ls -d /proc/[0-9]*; cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert "kubebox_sandbox" not in result.stdout
    assert "pytest" not in result.stdout
    assert len([line for line in result.stdout.splitlines() if line.startswith("/proc/")]) < 10
    for process in supervisors():
        assert (await box.run(f"kill -0 {process}")).exit_code != 0


async def test_commands_cannot_end_the_workspace(box: Box) -> None:
    result = await box.run("kill -KILL 1; kill -STOP 1; kill -QUIT 1; kill -TERM $$")
    assert result.exit_code == -15
    assert (await box.run("echo alive")).stdout == "alive\n"


async def test_commands_have_three_descriptors(box: Box) -> None:
    result = await box.run("ls /proc/$$/fd; true")
    assert result.stdout.split() == ["0", "1", "2"]


async def test_the_workspace_is_not_root_outside(box: Box) -> None:
    inside = [process for one in supervisors() for process in descendants(one) if _is_enclosed(process)]
    assert len(inside) > 1
    for process in inside:
        assert owner(process) != 0


def _is_enclosed(process: int) -> bool:
    program = command_of(process).split(b"\0")[0]
    return program.endswith((b"/bwrap", b"/init"))
