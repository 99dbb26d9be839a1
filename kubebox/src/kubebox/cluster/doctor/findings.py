"""What the doctor finds."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How it stands with one thing."""

    GOOD = "good"
    LACKING = "lacking"
    """Kubebox works, and something is less than it could be."""
    BROKEN = "broken"
    """Kubebox, or a wall of it, does not work here."""
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: A stable name, for programs.
        state: How it stands.
        found: What there is.
        consequence: What that means, and what to do; empty where all is well.
    """

    name: str
    state: State
    found: str
    consequence: str = ""
