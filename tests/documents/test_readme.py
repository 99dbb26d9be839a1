"""The README's examples are the files of `docs_src`, and those run."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DEMO_SECONDS = 20.0
"""What `make demo` may take once everything is installed."""


def run(script: str) -> str:
    finished = subprocess.run(
        [sys.executable, str(ROOT / "docs_src" / script)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


def body_of(script: str) -> str:
    """A script without its docstrings: what the README prints."""
    text = (ROOT / "docs_src" / script).read_text(encoding="utf-8")
    return re.sub(r'^ *"""[^"]*"""\n\n?', "", text, flags=re.MULTILINE).strip()


@pytest.mark.parametrize("script", ["quick_start.py", "first_sandbox.py", "evaluate.py"])
def test_the_readme_prints_the_tested_file(script: str) -> None:
    blocks = [block.strip() for block in re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)]
    assert body_of(script) in blocks


def test_the_quick_start_runs_to_the_letter() -> None:
    assert run("quick_start.py").split() == ["Hello", "World", "content", "True"]


def test_the_quick_start_is_the_same_without_await() -> None:
    lines = re.sub(r"\b(async|await) ", "", body_of("quick_start.py")).replace(
        "asyncio.run(main())", "main()"
    )
    expected = lines.replace("import asyncio\n", "").replace(
        "from kubebox import", "from kubebox.sync import"
    )
    assert body_of("quick_start_sync.py") == expected
    assert run("quick_start_sync.py").split() == ["Hello", "World", "content", "True"]


def test_the_first_example_runs() -> None:
    assert run("first_sandbox.py").split()[:4] == ["Hello", "from", "a", "sandbox"]


def test_the_evaluation_runs() -> None:
    assert sorted(run("evaluate.py").splitlines()) == ["print(1 / 0) False", "print(6 * 7) True"]


def test_the_demo_does_its_job_in_time() -> None:
    started = time.monotonic()
    output = run("demo.py")
    assert "Hello World" in output
    assert time.monotonic() - started < DEMO_SECONDS
