"""Writing one method of a synchronous class."""

import ast
import copy

from sync_generator import annotations
from sync_generator.annotations import HOMES, Imports
from sync_generator.docs import adapt, quoted
from sync_generator.source import Class, Method, Unknown
from sync_generator.tables import CONSTRUCTED, ENDING, FAREWELLS, HOLDING, NAMES, OPENINGS

INDENT = "        "
ITERATION = {"__aiter__", "__anext__"}
ENTERING = {"__aenter__", "__aexit__", "__enter__", "__exit__"}


def write_method(owner: Class, method: Method, imports: Imports) -> str:
    """Write a method that calls the asynchronous one."""
    for decorator in method.node.decorator_list:
        if ast.unparse(decorator) not in ("property", "classmethod"):
            raise Unknown(f"{owner.name}.{method.name}: there is no rule for @{ast.unparse(decorator)} yet")
    if method.name in ENTERING:
        return _write_entering(owner, method)
    written = [
        _header(owner, overload, method, imports) + "\n" + INDENT + "..." for overload in method.nodes[:-1]
    ]
    doc = ast.get_docstring(method.node)
    lines = [_header(owner, method.node, method, imports)]
    if doc is not None:
        lines.append(quoted(adapt(doc, f"{owner.name}.{method.name}"), INDENT))
    body = _iteration(method) if method.name in ITERATION else _body(owner, method, imports)
    return "\n\n".join([*written, "\n".join([*lines, *(INDENT + line for line in body)])])


def write_init(owner: Class, imports: Imports) -> str:
    """Write the constructor of a class that users construct."""
    method = owner.init
    call = _arguments(method, imports)
    close = CONSTRUCTED[owner.name]
    farewell = "" if close is None else f"self._inner.{close}"
    return "\n".join(
        [
            _header(owner, method.node, method, imports),
            f"{INDENT}self._inner = {imports.asynchronous(owner.name)}({call})",
            f"{INDENT}self._share = Share({farewell})",
        ]
    )


def write_attribute(owner: Class, name: str, said: str, annotation: ast.expr, imports: Imports) -> str:
    """Write a property for an attribute."""
    imports.add(annotation, owner.init.source)
    kind = ast.unparse(annotation)
    decorator = "property"
    if kind in HOMES:
        decorator = "cached_property"
        imports.statements.add("from functools import cached_property")
    value = "\n".join(INDENT + line for line in _give(f"self._inner.{name}", annotation, "self", imports))
    return f'    @{decorator}\n    def {name}(self) -> {kind}:\n{INDENT}"""{said}"""\n{value}'


def _header(
    owner: Class, node: ast.FunctionDef | ast.AsyncFunctionDef, method: Method, imports: Imports
) -> str:
    given = copy.deepcopy(node)
    for argument in annotations.parameters(given):
        annotations.convert(argument, method)
        if argument.annotation is not None:
            imports.add(argument.annotation, method.source)
    for default in [*given.args.defaults, *given.args.kw_defaults]:
        if default is not None:
            imports.add(default, method.source)
    if method.name == "__init__":
        returns: ast.expr = ast.Constant(None)
    else:
        returns = annotations.opened(given.returns, method)
        item = annotations.iterated(returns)
        if item is not None:
            returns = ast.Subscript(ast.Name("Generator"), item)
        annotations.check_plain(returns, f"{owner.name}.{method.name}")
    imports.add(returns, method.source)
    result = ast.unparse(returns)
    if owner.name in annotations.names(returns):
        result = '"' + result + '"'
    decorators = "".join(f"    @{ast.unparse(one)}\n" for one in given.decorator_list)
    for one in given.decorator_list:
        imports.add(one, method.source)
    name = NAMES.get(method.name, method.name)
    return f"{decorators}    def {name}({ast.unparse(given.args)}) -> {result}:"


def _arguments(method: Method, imports: Imports) -> str:
    given = copy.deepcopy(method.node).args
    converters = {one.arg: annotations.convert(one, method) for one in annotations.parameters(method.node)}

    def value(argument: ast.arg) -> str:
        converter = converters[argument.arg]
        return argument.arg if converter is None else f"{imports.helper(converter)}({argument.arg})"

    parts = [value(one) for one in [*given.posonlyargs, *given.args][1:]]
    parts += [f"{one.arg}={value(one)}" for one in given.kwonlyargs]
    parts += [f"*{given.vararg.arg}"] if given.vararg else []
    parts += [f"**{given.kwarg.arg}"] if given.kwarg else []
    return ", ".join(parts)


def _body(owner: Class, method: Method, imports: Imports) -> list[str]:
    returns = annotations.opened(copy.deepcopy(method.node.returns), method)
    if method.is_a("property"):
        return _give(f"self._inner.{method.name}", returns, "self", imports)
    if method.is_a("classmethod"):
        return _making(owner, method, returns, imports)
    call = f"self._inner.{method.name}({_arguments(method, imports)})"
    item = annotations.iterated(returns)
    if item is not None:
        if any(name in HOMES for name in annotations.names(item)):
            raise Unknown(f"{owner.name}.{method.name}: there is no rule for {ast.unparse(returns)} yet")
        return [f"return self._share.iterate({call})"]
    if annotations.is_opening(method.node.returns):
        call = f"self._share.open({call})"
    elif isinstance(method.node, ast.AsyncFunctionDef):
        call = f"self._share.call({call})"
    lines = _give(call, returns, "self", imports)
    key = f"{owner.name}.{method.name}"
    state = "hold" if key in HOLDING else "ending" if key in ENDING else None
    return lines if state is None else [f"with self._share.{state}():", *("    " + line for line in lines)]


def _making(owner: Class, method: Method, returns: ast.expr, imports: Imports) -> list[str]:
    call = f"{imports.asynchronous(owner.name)}.{method.name}({_arguments(method, imports)})"
    makes_itself = ast.unparse(returns) in (owner.name, "Self")
    opens = annotations.is_opening(method.node.returns)
    does = "open" if opens else "call"
    if makes_itself:
        return [
            "share = Share()",
            "with share.hold():",
            f"    inner = share.{does}({call})",
            f"    share.farewell = inner.{FAREWELLS[owner.name]}",
            "return cls._of(share, inner)",
        ]
    if annotations.iterated(returns) is not None:
        return [f"return Share().iterate({call})"]
    return _give(f"Share().{does}({call})", returns, "cls", imports)


def _iteration(method: Method) -> list[str]:
    if method.name == "__anext__":
        return ["return self._share.next(self._inner)"]
    returns = annotations.opened(copy.deepcopy(method.node.returns), method)
    return ["return self" if ast.unparse(returns) == "Self" else "return self._share.iterate(self._inner)"]


def _write_entering(owner: Class, method: Method) -> str:
    name = NAMES.get(method.name, method.name)
    header = (
        "    def __exit__(self, *_: object) -> None:"
        if name == "__exit__"
        else "    def __enter__(self) -> Self:"
    )
    lines = [header]
    for statement in method.node.body:
        value = statement.value if isinstance(statement, (ast.Expr, ast.Return)) else None
        value = value.value if isinstance(value, ast.Await) else value
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and not value.args:
            called = value.func.attr
            lines.append(f"{INDENT}self.{NAMES.get(called, called)}()")
        elif isinstance(value, ast.Name) and value.id == "self":
            lines.append(f"{INDENT}return self")
        else:
            raise Unknown(
                f"{owner.name}.{method.name}: it does more than to call another method, which has no rule yet"
            )
    return "\n".join(lines)


def _give(value: str, annotation: ast.expr, whose: str, imports: Imports) -> list[str]:
    kind = ast.unparse(annotation)
    if kind == "None":
        return [value]
    if kind == "Self":
        return [value, "return self"]
    share = f"{whose}._share" if whose == "self" else "Share()"
    if kind in HOMES:
        return [f"return {kind}._of({share}, {value})"]
    if kind.startswith("list[") and kind[5:-1] in HOMES:
        return [f"return [{kind[5:-1]}._of({share}, one) for one in {value}]"]
    wrapped = [one for one in map(ast.unparse, annotations.members(annotation)) if one in HOMES]
    if not wrapped:
        if any(name in HOMES or name in OPENINGS for name in annotations.names(annotation)):
            raise Unknown(f"there is no rule for a result of type {kind} yet")
        return [f"return {value}"]
    lines = [f"given = {value}"]
    for one in wrapped:
        lines += [
            f"if isinstance(given, {imports.asynchronous(one)}):",
            f"    return {one}._of({share}, given)",
        ]
    return [*lines, "return given"]
