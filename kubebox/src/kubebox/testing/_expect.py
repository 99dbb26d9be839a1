"""The few assertions that the contract needs; `assert` would be gone under `python -O`."""

from collections.abc import Awaitable
from typing import Any, TypeVar

from kubebox.errors import KubeboxError

Error = TypeVar("Error", bound=KubeboxError)


class ContractBroken(AssertionError):
    """A backend does not keep a promise."""


def equal(actual: object, expected: object, what: str = "value") -> None:
    """Require two values to be the same."""
    if actual != expected:
        raise ContractBroken(f"{what}: expected {_short(expected)}, got {_short(actual)}")


def true(condition: object, what: str) -> None:
    """Require a condition, told in words."""
    if not condition:
        raise ContractBroken(what)


async def refused(awaitable: Awaitable[Any], error: type[Error], code: str | None = None) -> Error:
    """Require a typed error, and give it back."""
    try:
        result = await awaitable
    except error as caught:
        if code is not None:
            equal(caught.code, code, "error code")
        true(str(caught).strip(), f"{type(caught).__name__} has no message")
        return caught
    raise ContractBroken(f"expected {error.__name__}, got the result {_short(result)}")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 400 else f"{text[:200]} … {text[-200:]} ({len(text)} characters)"
