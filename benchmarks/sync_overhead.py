"""What it costs to wait for a call in `kubebox.sync`, against awaiting it: `true`, in the same sandbox."""

import statistics
from typing import Final

from benchmarks.measure import Contestant, at_once, timed
from benchmarks.row import Row, at_most, failed, time
from benchmarks.run_true import IN_A_ROW, runs_true
from benchmarks.series import Measured
from benchmarks.stage import KUBEBOX, Stage
from kubebox import Sandbox, sync

SYNC: Final = "kubebox.sync"
AIM_SECONDS: Final = 0.0003
"""What the way to another thread and back should cost. No gate: on a busy machine it is mostly others' turns."""


async def sync_overhead(stage: Stage) -> list[Row]:
    """Both ways in turn. A call that waits holds up the loop that measures it, which has nothing else to do."""
    with sync.Sandbox.create("local") as sandbox:

        async def waited_for() -> float:
            async def run() -> None:
                sandbox.run(["true"]).check()

            return await timed(run())

        async with Sandbox.create(sandbox.client.url) as awaited:
            contestants = [
                Contestant(KUBEBOX, at_once([runs_true(awaited.client, awaited.session_id)], IN_A_ROW)),
                Contestant(SYNC, at_once([waited_for], IN_A_ROW)),
            ]
            repeats = max(1, stage.effort.repeats // 5)
            measured = await stage.interleave("sync", contestants, baseline=KUBEBOX, repeats=repeats)
    return [at_most("sync: run `true` / awaited", measured, SYNC, KUBEBOX), _difference(measured)]


def _difference(measured: Measured) -> Row:
    name, gate = "sync: more than awaited", f"reported; aim {time(AIM_SECONDS)}"
    missing = measured.why_missing(SYNC) or measured.why_missing(KUBEBOX)
    if missing is not None:
        return failed(name, missing, gate)
    rounds = zip(measured.series[SYNC].rounds, measured.series[KUBEBOX].rounds, strict=True)
    more = [statistics.median(ours) - statistics.median(base) for ours, base in rounds if ours and base]
    value = statistics.median(more)
    return Row(name, f"{time(value)} ({time(min(more))} to {time(max(more))})", gate)
