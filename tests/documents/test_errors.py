"""Every error code has exactly one entry in the documentation, and no entry is for a code that does not exist."""

import re
from collections.abc import Iterator
from pathlib import Path

from kubebox.errors import KubeboxError
from kubebox_cluster import verdict as cluster_verdict
from kubebox_protocol.errors import ErrorCode
from kubebox_protocol.verdicts import Verdict, VerdictKind

PAGE = (Path(__file__).parents[2] / "docs" / "errors.md").read_text(encoding="utf-8")
ENTRIES = re.findall(r"^### `([^`\n]+)`\n\n(.*?)(?=^##|\Z)", PAGE, flags=re.MULTILINE | re.DOTALL)


def classes(kind: type[KubeboxError] = KubeboxError) -> Iterator[type[KubeboxError]]:
    if not kind.__name__.startswith("_"):
        yield kind
    for narrower in kind.__subclasses__():
        yield from classes(narrower)


NAMES = {kind.code: kind.__name__ for kind in classes()}


def test_each_code_of_client_and_server_has_exactly_one_entry() -> None:
    assert sorted(code for code, _ in ENTRIES) == sorted({*NAMES, *map(str, ErrorCode)})


def test_each_entry_names_its_class_and_says_what_to_do() -> None:
    for code, text in ENTRIES:
        assert text.startswith(f"`{NAMES[code]}`"), code
        assert text.count("\n*Do:* ") == 1, code


def test_each_entry_names_the_built_in_error_that_it_is_too() -> None:
    for kind in set(classes()):
        text = dict(ENTRIES)[kind.code]
        of_its_own = [base.__name__ for base in kind.__bases__ if base.__module__ == "builtins"]
        for name in of_its_own:
            assert name == "Exception" or re.search(rf"also an? `{name}`", text), f"{kind.code}: {name}"


def test_each_end_of_commands_and_sandboxes_is_there() -> None:
    assert re.findall(r"^\| `([a-z-]+)` \|", PAGE, flags=re.MULTILINE) == list(map(str, VerdictKind))
    documented = str(Verdict.__doc__).partition("what ended a sandbox (")[2].partition(")")[0]
    tables = vars(cluster_verdict)["_DISRUPTIONS"], vars(cluster_verdict)["_REASONS"]
    of_clusters = {kind for table in tables for kind, _ in table.values()} | {"deleted"}
    section = PAGE.partition("## How things end")[2].partition("\n## ")[0]
    for kind in {*re.findall(r"`([a-z-]+)`", documented), *of_clusters}:
        assert f"`{kind}`" in section, kind
