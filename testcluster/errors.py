"""What can go wrong, said so that a person can do something about it."""

from collections.abc import Sequence
from pathlib import Path


class TestClusterError(Exception):
    """Whatever goes wrong here; the message is for people."""

    __test__ = False  # pytest would take it for a test by its name


class CannotRunHere(TestClusterError):
    """This machine lacks something.

    Args:
        reasons: What, each with the way out.
    """

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("the test cluster cannot run here: " + "; ".join(reasons))
        self.reasons = tuple(reasons)


class CommandFailed(TestClusterError):
    """Another program failed.

    Args:
        command: It and its arguments.
        code: Its exit code.
        said: What it complained of.
    """

    def __init__(self, command: Sequence[str | Path], code: int, said: str) -> None:
        super().__init__(f"{' '.join(map(str, command))} failed with code {code}: {said[-4000:]}")
        self.code = code


class NotReady(TestClusterError):
    """Something did not become ready in time."""
