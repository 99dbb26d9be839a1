"""B3: `echo` in a shell that stays, against the shells of others and a bash behind two pipes."""

import inspect
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Final, Protocol, cast
from uuid import uuid4

from benchmarks import raw
from benchmarks.measure import Contestant, Operation, at_once, once, timed
from benchmarks.row import Row, at_least, at_most, below, not_here
from benchmarks.stage import KERNEL_GATEWAY, KUBEBOX, RAW, SWE_REX, Stage
from kubebox import Sandbox

SHELL: Final = "shell"
ECHO: Final = "echo x"
IN_A_ROW: Final = 10
"""Commands in a turn: one after the other, as in a shell. The slower peers run one in every fifth turn."""

MOST_SECONDS: Final = 0.0012
LEAST_OF_SWE_REX: Final = 100.0

NAMES: Final = {
    SWE_REX: "B3 shell `echo` / SWE-ReX `run_in_session`",
    KERNEL_GATEWAY: "B3 shell `echo` / Jupyter Kernel Gateway `x=1`",
    RAW: "B3 shell `echo` / raw bash behind pipes",
}


class _Answer(Protocol):
    exit_code: int | None
    stdout: str


class _Shell(Protocol):
    async def run(self, command: str) -> _Answer: ...
    async def close(self) -> None: ...


async def echo_in_shell(stage: Stage) -> list[Row]:
    """All shells in turn, in one that each has opened before."""
    if not hasattr(Sandbox, SHELL):
        return [not_here(name, "not here yet: Sandbox has no shell()") for name in NAMES.values()]
    async with AsyncExitStack() as stack:
        contestants = [
            Contestant(KUBEBOX, at_once([await _ours(stack)], IN_A_ROW)),
            Contestant(RAW, at_once([await _raw(stack)], IN_A_ROW)),
        ]
        if stage.rex is not None:
            contestants.append(Contestant(SWE_REX, once(await _rex(stage, stack)), every=5))
        if (gateway := stage.gateway) is not None:
            contestants.append(Contestant(KERNEL_GATEWAY, once(lambda: timed(gateway.run("x=1"))), every=5))
        measured = await stage.interleave("B3", contestants, repeats=max(1, stage.effort.repeats // 2))
    return [
        below("B3 shell `echo`", measured.series[KUBEBOX], MOST_SECONDS),
        at_least(NAMES[SWE_REX], measured, SWE_REX, KUBEBOX, LEAST_OF_SWE_REX),
        at_least(NAMES[KERNEL_GATEWAY], measured, KERNEL_GATEWAY, KUBEBOX),
        at_most(NAMES[RAW], measured, KUBEBOX, RAW),
    ]


async def _ours(stack: AsyncExitStack) -> Operation:
    sandbox = await stack.enter_async_context(Sandbox.create("local"))
    # By its name, for as long as there are versions without it.
    opened = cast("Callable[[], _Shell | Awaitable[_Shell]]", getattr(sandbox, SHELL))()
    shell = await opened if inspect.isawaitable(opened) else opened
    stack.push_async_callback(shell.close)

    async def echo() -> None:
        answer = await shell.run(ECHO)
        if answer.exit_code != 0 or answer.stdout.strip() != "x":
            raise RuntimeError(f"exit code {answer.exit_code}, output {answer.stdout!r}")

    return lambda: timed(echo())


async def _raw(stack: AsyncExitStack) -> Operation:
    shell = await raw.Shell.open()
    stack.push_async_callback(shell.close)
    return lambda: timed(shell.run(ECHO))


async def _rex(stage: Stage, stack: AsyncExitStack) -> Operation:
    rex, name = stage.rex, uuid4().hex
    assert rex is not None
    await rex.create_session(name)
    stack.push_async_callback(rex.close_session, name)
    return lambda: rex.run_in_session(name, ECHO)
