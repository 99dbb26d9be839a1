"""Docstrings without `await`."""

import re

from sync_generator.source import Class, Unknown, attributes
from sync_generator.tables import CONSTRUCTED, LEFT_OUT, PHRASES, UNSPEAKABLE

_used: set[str] = set()


def adapt(doc: str, where: str) -> str:
    """Say the same of the synchronous form.

    Args:
        doc: The docstring, without its indentation.
        where: Whose it is, for complaints.

    Raises:
        Unknown: It says what is not true any more, and no phrase tells how to say it.
    """
    for phrase, instead in PHRASES.items():
        if phrase in doc:
            _used.add(phrase)
            doc = doc.replace(phrase, instead)
    found = re.search(UNSPEAKABLE, doc)
    if found is not None:
        raise Unknown(f"{where}: its docstring says {found[0]!r}; tables.PHRASES has to say it otherwise")
    return doc


def check_all_used() -> None:
    """Refuse phrases that no docstring has any more.

    Raises:
        Unknown: There are some.
    """
    unused = PHRASES.keys() - _used
    if unused:
        raise Unknown(f"no docstring has {', '.join(map(repr, sorted(unused)))} any more; see tables.PHRASES")


def of_class(read: Class) -> str:
    """A class's docstring, without what has no synchronous form, and how it is constructed where users do not do that."""
    doc = read.doc
    for name, said in attributes(read).items():
        if f"{read.name}.{name}" in LEFT_OUT:
            doc = doc.replace(f"\n    {name}: {said}", "")
    if read.name not in CONSTRUCTED:
        doc = re.sub(r"\n\n(Args|Raises):\n(    .*\n?)+", "\n", doc)
    return doc.rstrip()


def quoted(doc: str, indent: str) -> str:
    """A docstring as it is written."""
    lines = doc.replace("\\", "\\\\").splitlines()
    text = "\n".join([lines[0], *(indent + line if line else "" for line in lines[1:])])
    return f'{indent}"""{text}\n{indent}"""' if len(lines) > 1 else f'{indent}"""{text}"""'
