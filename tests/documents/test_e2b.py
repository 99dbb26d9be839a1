"""The page for people who come from E2B names what is there, with the parameters that it has."""

import importlib
import inspect
import re
import typing
from pathlib import Path
from typing import Any

import pytest

import kubebox
from kubebox import errors

PAGE = (Path(__file__).parents[2] / "docs" / "e2b.md").read_text(encoding="utf-8")

INSTANCES = {
    "sandbox": kubebox.Sandbox,
    "client": kubebox.SandboxClient,
    "process": kubebox.BackgroundProcess,
    "stream": kubebox.CommandStream,
    "terminal": kubebox.Terminal,
    "shell": kubebox.Shell,
    "result": kubebox.CommandResult,
}
"""What the page calls an object of each class."""

ATTRIBUTES = {
    (kubebox.Sandbox, "files"): "kubebox._sandbox_files.SandboxFiles",
    (kubebox.Sandbox, "ports"): "kubebox._ports.SandboxPorts",
    (kubebox.Sandbox, "client"): "kubebox.client.SandboxClient",
}
"""Classes of what objects have from their construction on: no class shows those by itself."""

NAME = re.compile(r"(?P<path>[A-Za-z_][\w.]*)(?:\((?P<parameters>[^()]*)\))?")
MODULES = {"kubebox": kubebox, "errors": errors}


def first_cells() -> list[str]:
    rows = re.findall(r"^\| (?!---|E2B)(.*?) \| (.*?) \|", PAGE, flags=re.MULTILINE)
    return [kubebox_cell for _, kubebox_cell in rows if kubebox_cell != "Kubebox"]


def in_differences() -> list[str]:
    section = PAGE.partition("## The deliberate differences")[2]
    names = re.findall(r"`([^`]+)`", section)
    return [one for one in names if one.partition(".")[0] in {*INSTANCES, *MODULES} and "." in one]


NAMES = [name for cell in first_cells() for name in re.findall(r"`([^`]+)`", cell)] + in_differences()


def imported(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def attribute(owner: Any, name: str) -> Any:
    known = ATTRIBUTES.get((owner, name)) if isinstance(owner, type) else None
    if known is not None:
        return imported(known)
    if owner is kubebox and name == "sync":
        return importlib.import_module("kubebox.sync")
    kind: Any = owner
    if isinstance(owner, type) and not hasattr(kind, name):
        fields = set(getattr(kind, "__dataclass_fields__", ()))
        documented = re.findall(r"^\s+(\w+): ", inspect.getdoc(kind) or "", flags=re.MULTILINE)
        assert name in {*fields, *documented}, f"{kind} has no {name}"
        return None
    return getattr(owner, name)


def resolve(path: str) -> Any:
    first, *rest = path.split(".")
    found = MODULES.get(first) or INSTANCES.get(first) or getattr(kubebox, first)
    for name in rest:
        found = attribute(found, name)
    return found


def parameters_of(function: Any) -> set[str]:
    names: set[str] = set()
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:  # options that are a TypedDict's
            (options,) = typing.get_args(parameter.annotation)
            names |= set(options.__optional_keys__) | set(options.__required_keys__)
        else:
            names.add(name)
    return names


def test_the_page_has_its_tables() -> None:
    assert len(NAMES) > 60


@pytest.mark.parametrize("text", sorted(set(NAMES)))
def test_each_name_is_there_with_its_parameters(text: str) -> None:
    name = NAME.fullmatch(text)
    assert name is not None, f"`{text}` is no name"
    found = resolve(name["path"])
    if name["parameters"] is not None:
        given = {one.strip().partition("=")[0] for one in name["parameters"].split(",") if one.strip()}
        assert given <= parameters_of(found), f"{text} has {sorted(parameters_of(found))}"
