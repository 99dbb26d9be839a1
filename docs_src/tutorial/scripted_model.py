"""A model that says what a script says: it looks at the newest result, and has one idea about each."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Call:
    tool: str
    arguments: dict[str, str] = field(default_factory=dict[str, str])


async def ask_model(history: list[str]) -> Call | str:
    newest = history[-1]
    if len(history) == 1 or newest.startswith("edited"):
        return Call("run", {"command": "python3 -B -m unittest -q 2>&1"})
    if "FAILED" in newest:
        return Call("read", {"path": "prices.py"})
    if "def total" in newest:  # From memory, and wrong: models do that.
        return Call("edit", {"path": "prices.py", "old": "1+discount", "new": "1 - discount"})
    if "edit-mismatch" in newest:
        return Call("edit", {"path": "prices.py", "old": "1 + discount", "new": "1 - discount"})
    return "A discount was added instead of taken off. It is fixed, and the tests pass."
