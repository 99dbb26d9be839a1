"""`kubebox.sync` is what its generator makes of the asynchronous classes, and has all of their names."""

import subprocess
import sys
from pathlib import Path

import kubebox
import kubebox.sync

ROOT = Path(__file__).parents[2]


def test_the_generated_files_are_what_the_generator_writes() -> None:
    checked = subprocess.run(
        [sys.executable, str(ROOT / "scripts/generate_sync.py"), "--check"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


ASYNCHRONOUS = {"MapProgress", "Outcome", "SandboxMap", "progress"}
"""What belongs to `Sandbox.map`, which runs coroutines."""


def test_the_names_are_the_same() -> None:
    assert set(kubebox.sync.__all__) == set(kubebox.__all__) - ASYNCHRONOUS
    for name in kubebox.sync.__all__:
        assert getattr(kubebox.sync, name) is not None
    assert set(kubebox.sync.__all__) <= set(dir(kubebox.sync))
    assert not hasattr(kubebox.sync, "nonsense")
