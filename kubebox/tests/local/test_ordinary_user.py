"""The same as an ordinary user: everything in this folder, once more, in a process of another account."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ORDINARY_USER = 61234
"""A uid that no account has: an ordinary user in every respect."""


@pytest.mark.timeout(400)
@pytest.mark.skipif(os.getuid() != 0, reason="already an ordinary user; becoming another one needs root")
def test_an_ordinary_user_gets_the_same() -> None:
    # Not below pytest's own folder, which an ordinary user cannot enter.
    home = Path("/tmp") / f"kubebox-user-{os.getpid()}"
    home.mkdir(mode=0o700)
    os.chown(home, ORDINARY_USER, ORDINARY_USER)
    user = ["setpriv", f"--reuid={ORDINARY_USER}", f"--regid={ORDINARY_USER}", "--clear-groups"]
    tests = ["-m", "pytest", "-q", "-p", "no:cacheprovider", str(Path(__file__).parent)]
    try:
        run = subprocess.run(
            [*user, sys.executable, *tests],
            cwd=Path(__file__).parents[3],
            env={"HOME": str(home), "TMPDIR": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
            capture_output=True,
            text=True,
            timeout=390,
            check=False,
        )
        assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-4000:]
    finally:
        subprocess.run(["rm", "-rf", str(home)], check=True)
