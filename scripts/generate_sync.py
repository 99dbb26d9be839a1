"""Write `kubebox.sync` from the asynchronous classes; with `--check`, say what is not up to date instead."""

import ast
import subprocess
import sys
from pathlib import Path

from sync_generator import docs, methods
from sync_generator.annotations import HOMES, Imports, unquoted
from sync_generator.source import Class, Unknown, attributes, read_class
from sync_generator.tables import ATTRIBUTE_TYPES, CONSTRUCTED, LEFT_OUT, MODULES

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "kubebox/src/kubebox/sync"
FIRST_PARTY = ["--config", "lint.isort.known-first-party=['kubebox', 'kubebox_protocol']"]
"""Said, since ruff looks for the modules that are imported, and the first time there are none yet."""

HEADER = '''\
"""`kubebox.{module}` without `await`.

Made from it by scripts/generate_sync.py; what is changed here is lost.
"""

'''


def main() -> None:
    """Write all modules, or compare them."""
    stale: list[str] = []
    try:
        written = {module: write_module(module) for module in MODULES}
        docs.check_all_used()
    except Unknown as error:
        raise SystemExit(f"generate_sync: {error}") from None
    for module, text in zip(written, format_all(list(written.values())), strict=True):
        path = TARGET / f"{module}.py"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(path.name)
            if "--check" not in sys.argv:
                path.write_text(text, encoding="utf-8")
    if stale and "--check" in sys.argv:
        raise SystemExit(f"kubebox.sync is stale ({', '.join(stale)}): run scripts/generate_sync.py")


def write_module(module: str) -> str:
    """A module of `kubebox.sync`, not formatted yet."""
    imports = Imports()
    read = [read_class(f"kubebox.{module}", name) for name in MODULES[module]]
    classes = [write_class(one, imports) for one in read]
    imports.statements.add("from kubebox.sync._wrapper import Wrapper")
    if any("Share(" in text for text in classes):
        imports.statements.add("from kubebox.sync._share import Share")
    if any("-> Self:" in text for text in classes):
        imports.statements.add("from typing import Self")
    own = {f"from kubebox.sync.{module} import {one.name}" for one in read}
    return HEADER.format(module=module) + "\n".join(
        [*sorted(imports.statements - own), "", "", "\n\n\n".join(classes), ""]
    )


def write_class(read: Class, imports: Imports) -> str:
    """A class."""
    doc = docs.adapt(docs.of_class(read), read.name)
    parts = [methods.write_init(read, imports)] if read.name in CONSTRUCTED else []
    for name, said in attributes(read).items():
        if f"{read.name}.{name}" not in LEFT_OUT and name not in read.methods:
            annotation = attribute_type(read, name)
            parts.append(methods.write_attribute(read, name, said, annotation, imports))
    for name, method in read.methods.items():
        if is_made(read, name):
            parts.append(methods.write_method(read, method, imports))
    inner = imports.asynchronous(read.name)
    return "\n\n".join([f"class {read.name}(Wrapper[{inner}]):\n{docs.quoted(doc, '    ')}", *parts])


def is_made(read: Class, name: str) -> bool:
    """Whether a method has a synchronous form."""
    if f"{read.name}.{name}" in LEFT_OUT:
        return False
    if name.startswith("__a"):
        # Where there are both forms already, the synchronous one is taken.
        return name.replace("__a", "__", 1) not in read.methods
    return not name.startswith("_") or name in ("__enter__", "__exit__")


def attribute_type(read: Class, name: str) -> ast.expr:
    """The type of an attribute, as `__init__` shows it, or as we are told."""
    told = ATTRIBUTE_TYPES.get(f"{read.name}.{name}")
    if told is not None:
        return ast.parse(told, mode="eval").body
    for base in read.bases:
        found = _assigned(base, name)
        if found is not None:
            return found
    raise Unknown(f"{read.name}.{name}: its type is not seen; tables.ATTRIBUTE_TYPES has to tell it")


def _assigned(kind: ast.ClassDef, name: str) -> ast.expr | None:
    for init in kind.body:
        if not isinstance(init, ast.FunctionDef) or init.name != "__init__":
            continue
        given = {one.arg: one.annotation for one in [*init.args.args, *init.args.kwonlyargs]}
        for statement in ast.walk(init):
            if isinstance(statement, ast.AnnAssign) and ast.unparse(statement.target) == f"self.{name}":
                return unquoted(statement.annotation)
            if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == f"self.{name}":
                found = _type_of(statement.value, given)
                if found is not None:
                    return found
    return None


def _type_of(value: ast.expr, given: dict[str, ast.expr | None]) -> ast.expr | None:
    if isinstance(value, ast.Name):
        annotation = given.get(value.id)
        return None if annotation is None else unquoted(annotation)
    if isinstance(value, ast.Constant):
        return ast.Name(type(value.value).__name__)
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in HOMES:
        return value.func
    return None


def format_all(texts: list[str]) -> list[str]:
    """Sort imports and format, as all of the project is."""
    ruff = str(Path(sys.executable).parent / "ruff")
    formatted: list[str] = []
    for text in texts:
        sorted_imports = _piped(
            [ruff, "check", "--quiet", "--fix-only", "--select", "I", *FIRST_PARTY, "-"], text
        )
        formatted.append(_piped([ruff, "format", "--quiet", "-"], sorted_imports))
    return formatted


def _piped(command: list[str], text: str) -> str:
    done = subprocess.run(
        [*command[:-1], "--stdin-filename", str(TARGET / "generated.py"), "-"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    if done.returncode != 0:
        raise SystemExit(f"generate_sync: {command[0]}: {done.stderr}\n{text}")
    return done.stdout


if __name__ == "__main__":
    main()
