"""B1: `true`, from the call to its result; one client at a time, and eight."""

import asyncio
import statistics
from contextlib import AsyncExitStack

from benchmarks import raw
from benchmarks.measure import Batch, Contestant, Operation, at_once, once, timed
from benchmarks.row import Row, at_least, at_most, failed, multiple, success, time
from benchmarks.series import Measured, percentile, ratio_of
from benchmarks.stage import KERNEL_GATEWAY, KUBEBOX, RAW, SWE_REX, Stage
from kubebox import CommandMode, Sandbox, SandboxClient

CLIENTS = 8
EACH = 12
"""Commands of each client in one burst: long enough that all eight are under way at once."""

IN_A_ROW = 10
"""Commands in a turn, one after the other. A gateway's kernel, forty times slower, runs one."""

PAUSE_SECONDS = 0.02

MOST_OF_RAW = 2.0
LEAST_OF_SWE_REX = 2.0
LEAST_OF_KERNEL_GATEWAY = 40.0
MOST_OF_MEDIAN = 3.0
"""How far the 99th percentile may lie above the median while eight clients ask."""


async def run_true(stage: Stage) -> list[Row]:
    """Both, in a sandbox of their own."""
    async with Sandbox.create("local") as sandbox:
        to_raw, to_rex, to_gateway = await _alone(stage, sandbox)
        cold = await _after_pauses(stage, sandbox)
        eight = await _eight(stage, sandbox)
    return [
        at_most("B1 run `true` / raw asyncio subprocess", to_raw, KUBEBOX, RAW, MOST_OF_RAW),
        at_least("B1 run `true` / SWE-ReX `/execute`", to_rex, SWE_REX, KUBEBOX, LEAST_OF_SWE_REX),
        at_least(
            "B1 run `true` / Jupyter Kernel Gateway `!true`",
            to_gateway, KERNEL_GATEWAY, KUBEBOX, LEAST_OF_KERNEL_GATEWAY,
        ),
        at_most("B1 the same after 20 ms of silence / raw", cold, KUBEBOX, RAW),
        _spread(eight),
        at_most("B1 the same at 8 clients / raw, 8 at once", eight, KUBEBOX, RAW),
        at_least("B1 the same at 8 clients / SWE-ReX", eight, SWE_REX, KUBEBOX),
    ]  # fmt: skip


def runs_true(client: SandboxClient, session_id: str) -> Operation:
    """One `true`, timed."""

    async def operation() -> float:
        async def run() -> None:
            (await client.run_command(session_id, ["true"], CommandMode.WAIT)).check()

        return await timed(run())

    return operation


async def _alone(stage: Stage, sandbox: Sandbox) -> list[Measured]:
    """We and each of the others by ourselves.

    Who takes turns with several finds the processor's caches full of theirs, and pays the more for it the more processes share
    its work: that would measure the company, not the two that are compared.
    """
    rex, gateway = stage.rex, stage.gateway
    others: dict[str, Batch | None] = {
        RAW: at_once([_raw_true], IN_A_ROW),
        SWE_REX: None if rex is None else at_once([lambda: rex.execute(["true"])], IN_A_ROW),
        KERNEL_GATEWAY: None if gateway is None else once(lambda: timed(gateway.run("!true"))),
    }
    ours = Contestant(KUBEBOX, at_once([runs_true(sandbox.client, sandbox.session_id)], IN_A_ROW))
    turns = max(1, stage.effort.repeats // 5)
    return [
        await stage.interleave(
            f"B1 {name}",
            [ours] if other is None else [ours, Contestant(name, other)],
            baseline=KUBEBOX if other is None else name,
            repeats=turns,
        )
        for name, other in others.items()
    ]


async def _after_pauses(stage: Stage, sandbox: Sandbox) -> Measured:
    """As an agent does it, who thinks in between: everything has gone cold."""

    async def paused(operation: Operation) -> float:
        await asyncio.sleep(PAUSE_SECONDS)
        return await operation()

    ours = runs_true(sandbox.client, sandbox.session_id)
    contestants = [
        Contestant(KUBEBOX, once(lambda: paused(ours))),
        Contestant(RAW, once(lambda: paused(_raw_true))),
    ]
    return await stage.interleave("B1 after pauses", contestants, repeats=max(1, stage.effort.repeats // 2))


async def _eight(stage: Stage, sandbox: Sandbox) -> Measured:
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(SandboxClient(url=sandbox.client.url)) for _ in range(CLIENTS)
        ]
        ours = [runs_true(client, sandbox.session_id) for client in clients]
        contestants = [
            Contestant(KUBEBOX, at_once(ours, EACH)),
            Contestant(RAW, at_once([_raw_true] * CLIENTS, EACH)),
        ]
        if (rex := stage.rex) is not None:
            theirs: list[Operation] = [lambda: rex.execute(["true"])] * CLIENTS
            contestants.append(Contestant(SWE_REX, at_once(theirs, EACH)))
        bursts = max(1, stage.effort.repeats // 20)
        return await stage.interleave("B1 at 8 clients", contestants, repeats=bursts)


async def _raw_true() -> float:
    return await timed(raw.run("true"))


def _spread(eight: Measured) -> Row:
    name = "B1 p99 at 8 clients / their p50"
    gate = f"at most {MOST_OF_MEDIAN:g} x"
    series = eight.series[KUBEBOX]
    missing = eight.why_missing(KUBEBOX)
    if missing is not None:
        return failed(name, missing, gate)
    ratio = ratio_of([percentile(costs, 0.99) / statistics.median(costs) for costs in series.rounds if costs])
    figure = (
        f"{multiple(ratio)}: {time(series.percentile(0.99))} against {time(series.median)}; {success(series)}"
    )
    return Row(name, figure, gate, ratio.value / series.success <= MOST_OF_MEDIAN)
