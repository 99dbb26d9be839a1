"""Reading the asynchronous classes: their methods, where their names come from, what they say."""

import ast
import importlib
import inspect
from dataclasses import dataclass
from types import ModuleType
from typing import TypeAlias

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


class Unknown(Exception):
    """Something that has no rule yet. The message says what, and where rules are."""


@dataclass(frozen=True)
class Source:
    """A module as it is written.

    Attributes:
        module: The module.
        tree: Its syntax.
        imports: For each name that it imports, the statement that does.
    """

    module: ModuleType
    tree: ast.Module
    imports: dict[str, str]

    def origin(self, name: str) -> str:
        """The statement that imports a name which is used here."""
        if name in self.imports:
            return self.imports[name]
        if not hasattr(self.module, name):
            raise Unknown(f"{self.module.__name__}: where {name} comes from is not seen")
        return f"from {self.module.__name__} import {name}"

    def class_named(self, name: str) -> ast.ClassDef:
        """A class of the module."""
        return next(node for node in self.tree.body if isinstance(node, ast.ClassDef) and node.name == name)


@dataclass(frozen=True)
class Method:
    """A method, property or attribute, and the module whose names it uses.

    Attributes:
        name: Its name.
        nodes: Its definitions: overloads, and the last one.
        source: The module.
    """

    name: str
    nodes: list[Function]
    source: Source

    @property
    def node(self) -> Function:
        """The definition that does it."""
        return self.nodes[-1]

    def is_a(self, decorator: str) -> bool:
        """Whether it is decorated so."""
        return any(isinstance(one, ast.Name) and one.id == decorator for one in self.node.decorator_list)


@dataclass(frozen=True)
class Class:
    """A class with all that it inherits within `kubebox`.

    Attributes:
        name: Its name.
        doc: Its docstring.
        init: Its `__init__`.
        bases: Its definition, and those of its bases.
        methods: What it has, by name, those of its bases first.
    """

    name: str
    doc: str
    init: Method
    bases: list[ast.ClassDef]
    methods: dict[str, Method]


def read_module(name: str) -> Source:
    """Read a module."""
    module = importlib.import_module(name)
    tree = ast.parse(inspect.getsource(module))
    imports: dict[str, str] = {}
    for node in tree.body:
        guarded = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for statement in node.body if guarded and isinstance(node, ast.If) else [node]:
            if isinstance(statement, ast.ImportFrom):
                for alias in statement.names:
                    imports[alias.asname or alias.name] = (
                        f"from {statement.module} import {ast.unparse(alias)}"
                    )
            elif isinstance(statement, ast.Import):
                for alias in statement.names:
                    imports[alias.asname or alias.name] = f"import {ast.unparse(alias)}"
    return Source(module, tree, imports)


def read_class(module: str, name: str) -> Class:
    """Read a class, and its bases as if they were written in it."""
    kind = getattr(importlib.import_module(module), name)
    bases: list[ast.ClassDef] = []
    methods: dict[str, Method] = {}
    for base in reversed(inspect.getmro(kind)):
        if not base.__module__.startswith("kubebox."):
            continue
        source = read_module(base.__module__)
        own: dict[str, list[Function]] = {}
        bases.insert(0, source.class_named(base.__name__))
        for node in bases[0].body:
            if isinstance(node, Function):
                own.setdefault(node.name, []).append(node)
        for method, nodes in own.items():
            methods[method] = Method(method, nodes, source)
    return Class(name, inspect.cleandoc(kind.__doc__), methods.pop("__init__"), bases, methods)


def attributes(read: Class) -> dict[str, str]:
    """The attributes that a class's docstring names, and what it says of each."""
    lines = iter(read.doc.splitlines())
    if "Attributes:" not in lines:  # which takes the lines up to there
        return {}
    found: dict[str, str] = {}
    name = ""
    for line in lines:
        if line and not line.startswith("    "):
            break
        text = line.removeprefix("    ")
        if text and not text.startswith(" "):
            name, _, said = text.partition(": ")
            found[name] = said
        elif text:
            found[name] += " " + text.strip()
    return found
