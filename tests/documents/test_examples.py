"""Pages show files of `docs_src` and nothing else; each of these runs as a process of its own, and says what its page says."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from kubebox.sync import Kubebox

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs_src"
PAGES = sorted((ROOT / "docs").rglob("*.md"))
SNIPPET = re.compile(r'--8<-- "(?P<path>[^":]+)(?P<from>:\d+:)?"')

OF_THE_README = {"quick_start.py", "quick_start_sync.py", "first_sandbox.py", "evaluate.py", "demo.py"}
"""Run by test_readme.py."""

NEEDS_A_CLUSTER = {"how_to/cluster_sandbox.py", "how_to/cluster_connect.py", "how_to/cluster_pods.py"}
"""Type-checked, and not run here: tests/cluster does what they do."""

NEEDS_A_SERVER = {"how_to/rest.sh"}
"""Are given the address of one."""

IMPORTED = {"tutorial/scripted_model.py"}
"""Run by the example that imports it."""

FIRST_LINES = {
    ".py": r'"""[^"\n]+"""\n\n(?=\S)',
    ".sh": r"#!/usr/bin/env bash\n# [^\n]+\nset -euo pipefail\n",
}
"""What pages leave out: each example says on its first lines what it is."""


def files(*suffixes: str) -> list[str]:
    found = [path for path in EXAMPLES.rglob("*") if path.suffix in suffixes and path.name != "__init__.py"]
    return sorted(str(path.relative_to(EXAMPLES)) for path in found)


def fences(page: Path) -> list[tuple[str, str]]:
    """The language and the content of each block of a page."""
    text = page.read_text(encoding="utf-8")
    return re.findall(r"^ *```(\w*)[^\n]*\n(.*?)^ *```$", text, flags=re.MULTILINE | re.DOTALL)


RUN_HERE = sorted({*files(".py", ".sh")} - OF_THE_README - NEEDS_A_CLUSTER - NEEDS_A_SERVER - IMPORTED)


def run(example: str, config: Path, **given: str) -> "subprocess.CompletedProcess[str]":
    """Run an example as somebody who has just begun: without a key, and without settings."""
    path = EXAMPLES / example
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KUBEBOX_")}
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [*([sys.executable] if path.suffix == ".py" else ["bash"]), str(path)],
        cwd=path.parent,
        env={**kept, "XDG_CONFIG_HOME": str(config), "PATH": programs, **given},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, "Future[subprocess.CompletedProcess[str]]"]]:
    """All that are asked for, as many at once as there are processors."""
    wanted = [
        item.callspec.params
        for item in request.session.items
        if isinstance(item, pytest.Function) and hasattr(item, "callspec")
    ]
    examples = [str(params["example"]) for params in wanted if "example" in params]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {one: pool.submit(run, one, tmp_path_factory.mktemp("config")) for one in examples}


@pytest.mark.parametrize("example", RUN_HERE)
def test_the_example_does_what_its_page_says(
    example: str, runs: dict[str, "Future[subprocess.CompletedProcess[str]]"]
) -> None:
    check(example, runs[example].result())


@pytest.mark.parametrize("example", sorted(NEEDS_A_SERVER))
def test_the_example_does_so_with_a_server(example: str, tmp_path: Path) -> None:
    with Kubebox("local") as kubebox:
        kubebox.create_pod("server")
        url = f"http://{kubebox.create_service('server').get_external_ip()}"
        key = {"KUBEBOX_URL": url, "KUBEBOX_PRIVATE_KEY": kubebox.private_key}
        check(example, run(example, tmp_path, **key))


def check(example: str, finished: "subprocess.CompletedProcess[str]") -> None:
    assert finished.returncode == 0, finished.stdout + finished.stderr
    expected = (EXAMPLES / example).with_suffix(".out").read_text(encoding="utf-8")
    assert finished.stdout == expected, finished.stderr


def test_pages_show_programs_from_files_alone() -> None:
    for page in PAGES:
        for language, content in fences(page):
            if language in {"python", "bash"}:
                assert SNIPPET.fullmatch(content.strip()), f"{page.name}: {content}"


def test_each_example_is_on_a_page_and_leaves_out_its_first_lines() -> None:
    shown: set[str] = set()
    for page in PAGES:
        for found in SNIPPET.finditer(page.read_text(encoding="utf-8")):
            content = (EXAMPLES / found["path"]).read_text(encoding="utf-8")
            begin = FIRST_LINES.get(Path(found["path"]).suffix)
            if begin is not None:
                head = re.match(begin, content)
                assert head is not None, found["path"]
                assert found["from"] == f":{head[0].count(chr(10)) + 1}:", found[0]
            shown.add(found["path"])
    assert {*files(".py", ".sh", ".out")} - shown <= OF_THE_README


def test_the_lists_name_what_is_there() -> None:
    assert {*files(".py", ".sh")} >= OF_THE_README | NEEDS_A_CLUSTER | NEEDS_A_SERVER | IMPORTED
