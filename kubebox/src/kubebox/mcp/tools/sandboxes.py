"""Making sandboxes, looking at them, ending them."""

import time
from typing import Literal

from pydantic import Field

from kubebox.errors import KubeboxError, NotSupported
from kubebox.mcp.sandboxes import Held
from kubebox.mcp.tool import ADDS, CHANGES, READS, Asked, Call, Told, tool


class CreateSandbox(Asked):
    """Arguments of `create_sandbox`."""

    image: str | None = Field(
        default=None, description="Container image to run, e.g. python:3.12. Only where sandboxes are pods."
    )
    env: dict[str, str] = Field(
        default_factory=dict[str, str], description="Environment variables of every command."
    )
    lifetime_seconds: float | None = Field(
        default=None, gt=0, description="Seconds until it ends by itself. Leave out for the longest allowed."
    )


class OneSandbox(Asked):
    """Arguments of what is done to a sandbox."""

    sandbox_id: str = Field(description="The sandbox, as create_sandbox named it.")


class NoArguments(Asked):
    """None."""


class SandboxTold(Told):
    """A sandbox."""

    sandbox_id: str = Field(description="What the other tools call it.")
    state: Literal["running", "ended", "unknown"]
    reason: str | None = Field(default=None, description="How it ended, or why its state is not known.")
    where: str = Field(description="Where it runs: `local`, or a cluster.")
    seconds_left: float | None = Field(
        default=None, description="Until it ends by itself; null where that is not known."
    )


class SandboxesTold(Told):
    """All of the client's sandboxes."""

    sandboxes: list[SandboxTold]


class Killed(Told):
    """A sandbox that is gone."""

    sandbox_id: str
    killed: bool = True


@tool(ADDS)
async def create_sandbox(asked: CreateSandbox, call: Call) -> SandboxTold:
    """Make a sandbox: a fresh, isolated Linux machine, where commands run and files are kept, and which nobody else sees.

    Give its sandbox_id to the other tools. It ends when you kill it, when its lifetime is over, or when this connection ends.
    By itself it reaches no network, unless whoever runs this server has allowed that.
    """
    held = await call.sandboxes.create(image=asked.image, env=asked.env, lifetime=asked.lifetime_seconds)
    return _told(held, "running")


@tool(READS)
async def list_sandboxes(asked: NoArguments, call: Call) -> SandboxesTold:
    """List your sandboxes: which are running, and how those ended that are not. One that has ended is of no more use."""
    return SandboxesTold(sandboxes=[await _look(held) for held in call.sandboxes.all()])


@tool(CHANGES)
async def kill_sandbox(asked: OneSandbox, call: Call) -> Killed:
    """End a sandbox, with everything that runs in it and all of its files. There is no way back."""
    await call.sandboxes.kill(asked.sandbox_id)
    return Killed(sandbox_id=asked.sandbox_id)


async def _look(held: Held) -> SandboxTold:
    try:
        verdict = await held.sandbox.verdict()
    except NotSupported:  # known by its address alone: whether it answers is all that can be known
        return await _ask(held)
    except KubeboxError as error:  # of the place, not of this sandbox: the others may be told of all the same
        return _told(held, "unknown", f"{error.code}: {error.message}")
    return _told(held, "running") if verdict is None else _told(held, "ended", verdict.message)


async def _ask(held: Held) -> SandboxTold:
    try:
        await held.sandbox.client.list_sessions()
    except KubeboxError as error:
        return _told(held, "unknown", f"{error.code}: {error.message}")
    return _told(held, "running")


def _told(
    held: Held, state: Literal["running", "ended", "unknown"], reason: str | None = None
) -> SandboxTold:
    left = None
    if held.expires is not None and state == "running":
        left = round(max(0.0, held.expires - time.monotonic()), 1)
    return SandboxTold(
        sandbox_id=held.id, state=state, reason=reason, where=held.sandbox.where, seconds_left=left
    )
