"""A tool: what a model may ask for, what it is told, and the work between."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar, get_type_hints

from mcp import types
from pydantic import BaseModel, ConfigDict, ValidationError

from kubebox.errors import InvalidArgument
from kubebox.mcp.sandboxes import Held, Sandboxes

Report = Callable[[float, str], Awaitable[None]]
"""Tells a client that waits how far its call has come: seconds, and a few words."""


class Asked(BaseModel):
    """The arguments of a tool. One that it does not have is refused: it was meant, and would not hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Told(BaseModel):
    """What a tool answers."""

    model_config = ConfigDict(frozen=True)


A = TypeVar("A", bound=Asked)


@dataclass(frozen=True)
class Call:
    """One call of a tool.

    Attributes:
        sandboxes: Those of the client that calls.
        report: Tells it how far the call has come; nothing happens where it has not asked for that.
    """

    sandboxes: Sandboxes
    report: Report

    def find(self, sandbox_id: str) -> Held:
        """A sandbox of the client.

        Raises:
            SandboxNotFound: It has none of this id.
        """
        return self.sandboxes.find(sandbox_id)


@dataclass(frozen=True)
class Tool(Generic[A]):
    """A tool.

    Attributes:
        definition: What clients are told of it.
        asked: What its arguments are.
        work: What it does.
    """

    definition: types.Tool
    asked: type[A]
    work: Callable[[A, Call], Awaitable[Told]]

    async def __call__(self, arguments: dict[str, Any], call: Call) -> types.CallToolResult:
        """Do it.

        Raises:
            InvalidArgument: These are not its arguments.
            KubeboxError: It came to nothing.
        """
        told = await self.work(_read(self.asked, arguments), call)
        # Text for clients that know of nothing else; it must be the same.
        return types.CallToolResult(
            content=[types.TextContent(text=told.model_dump_json())],
            structured_content=told.model_dump(mode="json"),
        )


READS: Final = types.ToolAnnotations(read_only_hint=True, open_world_hint=False)
ADDS: Final = types.ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False)
CHANGES: Final = types.ToolAnnotations(read_only_hint=False, destructive_hint=True, open_world_hint=False)
"""Hints for whoever asks a person before it calls. Nothing here reaches further than a sandbox."""


def tool(annotations: types.ToolAnnotations) -> Callable[[Callable[[A, Call], Awaitable[Told]]], Tool[A]]:
    """Make a tool of a function: its name, its docstring and the types of its argument and its answer say the rest.

    Args:
        annotations: What it does to the world.
    """

    def make(work: Callable[[A, Call], Awaitable[Told]]) -> Tool[A]:
        hints = get_type_hints(work)
        asked, told = hints["asked"], hints["return"]
        definition = types.Tool(
            name=work.__name__,
            description=inspect.getdoc(work),
            input_schema=asked.model_json_schema(),
            output_schema=told.model_json_schema(mode="serialization"),
            annotations=annotations,
        )
        return Tool(definition, asked, work)

    return make


def _read(asked: type[A], arguments: dict[str, Any]) -> A:
    try:
        return asked.model_validate(arguments)
    except ValidationError as error:
        wrong = (
            f"{'.'.join(map(str, detail['loc'])) or 'arguments'}: {detail['msg']}"
            for detail in error.errors(include_input=False, include_url=False, include_context=False)
        )
        raise InvalidArgument("; ".join(wrong)) from None
