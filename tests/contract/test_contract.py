"""The contract, kept wherever sandboxes run; on this machine as whoever runs the tests, and as an ordinary user."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kubebox.testing import Box, all_checks

ORDINARY_USER = 61234
"""A uid that no account has: an ordinary user in every respect."""


@pytest.mark.anyio
@pytest.mark.parametrize("name", list(all_checks()))
async def test_the_contract_is_kept(name: str, box: Box) -> None:
    try:
        await all_checks()[name](box)
    finally:
        await box.client.kill_all_processes(box.session_id)


@pytest.mark.skipif(
    os.getuid() != 0, reason="already runs as an ordinary user; becoming another one needs root"
)
def test_an_ordinary_user_gets_the_same_contract(tmp_path_factory: pytest.TempPathFactory) -> None:
    # Not below pytest's own folder, which an ordinary user cannot enter.
    home = Path("/tmp") / f"kubebox-test-home-{os.getpid()}"
    home.mkdir(mode=0o700)
    os.chown(home, ORDINARY_USER, ORDINARY_USER)
    user = ["setpriv", f"--reuid={ORDINARY_USER}", f"--regid={ORDINARY_USER}", "--clear-groups"]
    try:
        run = subprocess.run(
            [*user, sys.executable, "-m", "kubebox.testing"],
            cwd="/",
            env={"HOME": str(home), "TMPDIR": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
        assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-4000:]
        assert list(home.glob("kubebox-*")) == []
    finally:
        subprocess.run(["rm", "-rf", str(home)], check=True)
