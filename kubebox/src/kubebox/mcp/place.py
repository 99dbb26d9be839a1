"""Where an MCP server makes sandboxes, and what its owner lets them be."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kubebox.mcp.limits import SANDBOXES

if TYPE_CHECKING:
    from kubebox._creation import PodOptions


def _no_options() -> "PodOptions":
    return {}


@dataclass(frozen=True, kw_only=True)
class Place:
    """What the owner of a server has said. Models choose within it.

    Attributes:
        where: As of `Sandbox.create`.
        options: What each sandbox shall be: its network, its resources, its longest life.
        env: Variables that each command gets.
        most: Sandboxes that one client may have at a time.
        timeout: Seconds until a new sandbox is given up.
    """

    where: str
    options: "PodOptions" = field(default_factory=_no_options)
    env: dict[str, str] = field(default_factory=dict[str, str])
    most: int = SANDBOXES
    timeout: float = 60.0
