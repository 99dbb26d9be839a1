"""The reference has every public name."""

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHOWN = "\n".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "reference").glob("*.md"))
NAMES = re.findall(r"^::: ([\w.]+)$", SHOWN, flags=re.MULTILINE)
CHOSEN = re.findall(r"^::: ([\w.]+)\n    options:\n      members: \[(.*?)\]", SHOWN, flags=re.MULTILINE)
"""Of these modules, only some names are shown."""

PUBLIC = ["kubebox", "kubebox.sync", "kubebox.testing", "kubebox.progress"]

ELSEWHERE = {
    "kubebox.KubeboxError",  # with kubebox.errors
    "kubebox.testing.Check",  # names for types, which signatures show
    "kubebox.testing.OpenClient",
}


def resolved(name: str) -> object:
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            found = getattr(found, part)
        return found
    raise ModuleNotFoundError(name)


def shown() -> set[str]:
    names = set(NAMES)
    for module, members in CHOSEN:
        names.remove(module)
        names |= {f"{module}.{member}" for member in members.split(", ")}
    return names


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_name_is_on_a_page(module: str) -> None:
    objects = [resolved(name) for name in shown() | ELSEWHERE]
    for name in importlib.import_module(module).__all__:
        full = f"{module}.{name}"
        found = resolved(full)
        # What kubebox.sync has from kubebox as it is, is there already.
        assert module in shown() or any(found is one for one in objects), full


def test_nothing_is_shown_that_is_not_there() -> None:
    for name in shown():
        resolved(name)
