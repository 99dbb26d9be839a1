"""What annotations become without `await`, and what that means for the values."""

import ast
import builtins
from collections.abc import Iterable, Iterator
from typing import Final

from sync_generator.source import Method, Source, Unknown
from sync_generator.tables import CALLBACKS, GIVEN, MODULES, OPENINGS

HOMES: Final = {name: module for module, names in MODULES.items() for name in names}
"""The module of each class that is made synchronous."""

ASYNCHRONOUS: Final = ("Async", "Await", "Corou")
"""How the names of types begin that only a loop can use."""

ITERATED: Final = ("AsyncGenerator", "AsyncIterator", "AsyncIterable")
"""Types of results that come one by one."""


class Imports:
    """The names that a generated module uses."""

    def __init__(self) -> None:
        self.statements: set[str] = set()

    def add(self, expression: ast.expr, source: Source) -> None:
        """Import what an expression of a source uses."""
        for name in names(expression):
            if name in HOMES:
                self.synchronous(name)
            elif name in GIVEN:
                self.statements.add(f"from {CALLBACKS} import {name}")
            elif name in ("Generator", "Iterable"):
                self.statements.add(f"from collections.abc import {name}")
            elif not hasattr(builtins, name):
                self.statements.add(source.origin(name))

    def synchronous(self, name: str) -> None:
        """Import a synchronous class."""
        self.statements.add(f"from kubebox.sync.{HOMES[name]} import {name}")

    def asynchronous(self, name: str) -> str:
        """Import an asynchronous class, and give the name it has here."""
        self.statements.add(f"from kubebox.{HOMES[name]} import {name} as Async{name}")
        return f"Async{name}"

    def helper(self, name: str) -> str:
        """Import a function for callbacks."""
        self.statements.add(f"from {CALLBACKS} import {name}")
        return name


def names(expression: ast.expr) -> Iterator[str]:
    """The names that an expression uses."""
    for node in ast.walk(expression):
        if isinstance(node, ast.Name):
            yield node.id


def opened(annotation: ast.expr | None, method: Method) -> ast.expr:
    """A result's annotation without quotes, and for what is opened that which it gives.

    Raises:
        Unknown: It has none.
    """
    if annotation is None:
        raise Unknown(f"{method.name}: it has no annotation for its result")
    plain = unquoted(annotation)
    if isinstance(plain, ast.Subscript) and isinstance(plain.value, ast.Name) and plain.value.id in OPENINGS:
        return plain.slice
    if isinstance(plain, ast.Name):
        gives = OPENINGS.get(plain.id)
        return plain if gives is None else ast.Name(gives)
    return plain


def is_opening(annotation: ast.expr | None) -> bool:
    """Whether a result is something to be opened."""
    return annotation is not None and any(name in OPENINGS for name in names(unquoted(annotation)))


def iterated(annotation: ast.expr) -> ast.expr | None:
    """What comes one by one, where a result does."""
    if not isinstance(annotation, ast.Subscript) or not isinstance(annotation.value, ast.Name):
        return None
    if annotation.value.id not in ITERATED:
        return None
    return annotation.slice.elts[0] if isinstance(annotation.slice, ast.Tuple) else annotation.slice


def members(annotation: ast.expr) -> list[ast.expr]:
    """The members of a union."""
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        return [*members(annotation.left), *members(annotation.right)]
    return [annotation]


def check_plain(annotation: ast.expr, where: str) -> None:
    """Refuse a type that only a loop can use.

    Raises:
        Unknown: It is one.
    """
    found = [name for name in names(annotation) if name.startswith(ASYNCHRONOUS) or name == "Callable"]
    if found:
        raise Unknown(f"{where}: there is no rule for {ast.unparse(annotation)} yet")


def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterable[ast.arg]:
    """All parameters but the first."""
    given = node.args
    extra = [one for one in (given.vararg, given.kwarg) if one is not None]
    return [*[*given.posonlyargs, *given.args][1:], *given.kwonlyargs, *extra]


def convert(argument: ast.arg, method: Method) -> str | None:
    """Make a parameter's annotation that of the synchronous form, and name what converts the argument, if anything has to."""
    where = f"{method.name}({argument.arg})"
    if argument.annotation is None:
        raise Unknown(f"{where}: it has no annotation")
    plain = argument.annotation = unquoted(argument.annotation)
    given = [name for name in names(plain) if name in GIVEN]
    if given:
        return GIVEN[given[0]]
    if any(_is_callback(member, method, where) for member in members(plain)):
        return "told_caller"
    for name in names(plain):
        _check_alias(name, method, where)
    check_plain(plain, where)
    return None


def _is_callback(annotation: ast.expr, method: Method, where: str) -> bool:
    """Whether it is a function that is called and not waited for, as it says or as an alias."""
    meant: ast.expr = annotation
    if isinstance(annotation, ast.Name):
        alias = str(getattr(method.source.module, annotation.id, "")).removeprefix("collections.abc.")
        if not alias.startswith("Callable["):
            return False
        meant = ast.parse(alias.replace("NoneType", "None"), mode="eval").body
    if not isinstance(meant, ast.Subscript) or ast.unparse(meant.value) != "Callable":
        return False
    if isinstance(meant.slice, ast.Tuple) and ast.unparse(meant.slice.elts[-1]) in ("None", "object"):
        return True
    raise Unknown(f"{where}: there is no rule for {ast.unparse(meant)} yet; tables.GIVEN may have one")


def _check_alias(name: str, method: Method, where: str) -> None:
    meant = str(getattr(method.source.module, name, ""))
    if not isinstance(getattr(method.source.module, name, None), type) and (
        "Callable[" in meant or any(f"abc.{begin}" in meant for begin in ASYNCHRONOUS)
    ):
        raise Unknown(f"{where}: {name} is {meant}; tables.GIVEN has to say what it is here")


class _Unquoted(ast.NodeTransformer):
    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        return node if ast.unparse(node.value) == "Literal" else self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.parse(node.value, mode="eval").body if isinstance(node.value, str) else node


def unquoted(annotation: ast.expr) -> ast.expr:
    """An annotation without quotes."""
    return _Unquoted().visit(annotation)
