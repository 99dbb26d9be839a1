"""`kubebox demo`, and commands of clusters where there is none."""

from pathlib import Path

import pytest

from tests.command_line import Cli


def test_the_demo_shows_a_sandbox_and_leaves_nothing(alone: Cli, place: Path) -> None:
    done = alone.run("demo")
    assert done.returncode == 0, done.stderr
    shown = done.stdout.decode()
    assert "stdout: the total is 42\n" in shown
    assert "stderr: adding up was hard work\n" in shown
    assert shown.count("  ok: ") == 4
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("command", ["doctor", "gc"])
def test_a_command_of_clusters_asks_for_one_as_the_others_do(
    alone: Cli, tmp_path: Path, command: str
) -> None:
    done = alone.run(command)
    assert done.returncode == 255
    assert b"not-supported: " in done.stderr
    (tmp_path / "kubebox").mkdir()
    (tmp_path / "kubebox" / "config.toml").write_text('where = "/nowhere/kubeconfig"\n')
    done = alone.run(command)
    assert done.returncode == 255
    assert b"/nowhere/kubeconfig" in done.stderr
