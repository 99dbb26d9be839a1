"""Where local sandboxes cannot run, or a wall has a hole, that is said with the cause and the way out."""

import importlib.util
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubebox import Kubebox
from kubebox.errors import LocalUnavailable
from kubebox.local import diagnose

from .boxes import PATIENCE

pytestmark = pytest.mark.anyio

BUBBLEWRAP = shutil.which("bwrap") or "/usr/bin/bwrap"


async def refused(kubebox: Kubebox) -> LocalUnavailable:
    """Why a sandbox cannot be created."""
    pod = kubebox.create_pod("refused")
    with pytest.raises(LocalUnavailable) as caught:
        await pod.wait_until_ready(PATIENCE)
    await pod.destroy()
    return caught.value


def put_in_path(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have another bubblewrap found first, which the workspace's account can run as well."""
    folder.mkdir(mode=0o755, exist_ok=True)
    (folder / "bwrap").write_text(script)
    (folder / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def failing(complaint: str) -> str:
    """A bubblewrap that cannot do it."""
    return f'#!/bin/sh\necho "bwrap: {complaint}" >&2\nexit 1\n'


@pytest.fixture
def tools(place: Path) -> Iterator[Path]:
    yield place / "tools"
    shutil.rmtree(place / "tools", ignore_errors=True)


async def test_without_bubblewrap(kubebox: Kubebox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    error = await refused(kubebox)
    assert error.data["cause"] == "bubblewrap-missing"
    assert "apt install bubblewrap" in error.message


async def test_on_another_system(kubebox: Kubebox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(LocalUnavailable) as caught:
        diagnose.find_bubblewrap("/usr/bin")
    assert caught.value.data["cause"] == "not-linux"
    assert "kind" in caught.value.message
    assert "docker run" in caught.value.message


async def test_without_the_server(kubebox: Kubebox, monkeypatch: pytest.MonkeyPatch) -> None:

    def find_nothing(name: str) -> None: ...

    monkeypatch.setattr(importlib.util, "find_spec", find_nothing)
    error = await refused(kubebox)
    assert error.data["cause"] == "server-missing"
    assert 'pip install "kubebox[local]"' in error.message


async def test_where_user_namespaces_are_refused(
    kubebox: Kubebox, tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_in_path(tools, failing("setting up uid map: Permission denied"), monkeypatch)
    error = await refused(kubebox)
    assert error.data["cause"] in ("userns-refused", "apparmor")
    assert "setting up uid map: Permission denied" in error.message


async def test_where_bubblewrap_is_too_old(
    kubebox: Kubebox, tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_in_path(tools, failing("Unknown option --disable-userns"), monkeypatch)
    assert (await refused(kubebox)).data["cause"] == "bubblewrap-too-old"


@pytest.mark.parametrize(
    ("complaint", "settings", "cause", "way_out"),
    [
        (
            "uid map",
            {"kernel/apparmor_restrict_unprivileged_userns": "1"},
            "apparmor",
            "/etc/apparmor.d/bwrap",
        ),
        (
            "no",
            {"kernel/unprivileged_userns_clone": "0"},
            "userns-switched-off",
            "kernel.unprivileged_userns_clone=1",
        ),
        ("no", {"user/max_user_namespaces": "0"}, "userns-limit", "user.max_user_namespaces=15000"),
        (
            "Can't mount proc on /newroot/proc: Operation not permitted",
            {},
            "proc-masked",
            "systempaths=unconfined",
        ),
        ("No permissions to create new namespace", {}, "userns-refused", "seccomp=unconfined"),
        ("something else", {}, "bubblewrap-failed", "something else"),
    ],
)
async def test_each_cause_has_its_way_out(
    complaint: str, settings: dict[str, str], cause: str, way_out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    error = diagnose.explain(complaint, settings)
    assert error.data["cause"] == cause
    assert way_out in error.message


@pytest.mark.parametrize(
    ("weakening", "hole"),
    [
        (
            '[ "$word" = --unshare-all ] && set -- "$@" --unshare-pid --unshare-uts && continue',
            "interfaces",
        ),
        ('[ "$word" = --clearenv ] && continue', "variables"),
        ('[ "$word" = --as-pid-1 ] && continue', "process"),
        ('[ "$word" = --remount-ro ] && word=--chdir', "root folder"),
        ('[ "$word" = --chdir ] && set -- "$@" --ro-bind "$SHOWN" "$HOME"', "it sees"),
    ],
)
async def test_a_wall_with_a_hole_is_refused(
    kubebox: Kubebox, tools: Path, monkeypatch: pytest.MonkeyPatch, weakening: str, hole: str
) -> None:
    # A wrapper that drops or adds something, as a well-meant alias or a patched package might.
    script = f"""#!/bin/sh
n=$#
while [ $n -gt 0 ]; do
    word=$1; shift; n=$((n - 1))
    {weakening}
    set -- "$@" "$word"
done
exec {BUBBLEWRAP} "$@"
"""
    # Something that the workspace's account can read, in the place of a home below its own /tmp, where it can be mounted last.
    home = tools / "home"
    home.mkdir(parents=True)
    script = script.replace("$SHOWN", str(Path(__file__).parent)).replace("$HOME", str(home))
    put_in_path(tools, script, monkeypatch)
    monkeypatch.setenv("HOME", str(home))
    error = await refused(kubebox)
    assert hole in error.message


async def test_a_hole_that_is_found_late_is_refused_all_the_same(
    kubebox: Kubebox, tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The workspace answers long before the probe has ended.
    script = f"""#!/bin/sh
n=$#
for word in "$@"; do [ "$word" = probe ] && sleep 1.5; done
while [ $n -gt 0 ]; do
    word=$1; shift; n=$((n - 1))
    [ "$word" = --clearenv ] && continue
    set -- "$@" "$word"
done
exec {BUBBLEWRAP} "$@"
"""
    put_in_path(tools, script, monkeypatch)
    assert "variables" in (await refused(kubebox)).message
