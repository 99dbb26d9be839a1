"""`make bench`: run the benchmarks, print the table, and fail where a gate is missed."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from benchmarks import machine, publish
from benchmarks.check_rig import check_rig
from benchmarks.create import create
from benchmarks.cut_connections import cut_connections
from benchmarks.echo_in_shell import echo_in_shell
from benchmarks.first_byte import first_byte
from benchmarks.in_cluster import cold_pod, exec_in_pod
from benchmarks.kill_tree import kill_tree
from benchmarks.many_at_once import many_at_once
from benchmarks.row import Row, failed
from benchmarks.run_true import run_true
from benchmarks.stage import (
    FULL,
    KERNEL_GATEWAY,
    QUICK,
    SWE_REX,
    Benchmark,
    Effort,
    Stage,
    set_up,
    set_up_cluster,
)
from benchmarks.stall_reader import stall_reader
from benchmarks.start_up import start_up
from benchmarks.stream_output import stream_output
from benchmarks.sync_overhead import sync_overhead
from benchmarks.transfer_file import transfer_file
from benchmarks.transfer_folder import transfer_folder


@dataclass(frozen=True)
class Entry:
    """A benchmark, and the peers that it takes."""

    measure: tuple[Benchmark, ...]
    peers: tuple[str, ...] = ()


BENCHMARKS: Final[Mapping[str, Entry]] = {
    "rig": Entry((check_rig,)),
    "B1": Entry((run_true,), (SWE_REX, KERNEL_GATEWAY)),
    "B3": Entry((echo_in_shell,), (SWE_REX, KERNEL_GATEWAY)),
    "B4": Entry((many_at_once,), (SWE_REX,)),
    "B5": Entry((first_byte,)),
    "B6": Entry((stream_output,), (KERNEL_GATEWAY,)),
    "B7": Entry((transfer_file,)),
    "B8": Entry((transfer_folder,)),
    "B9": Entry((create,)),
    "sync": Entry((sync_overhead,)),
    "start-up": Entry((start_up,)),
    "B12": Entry((stall_reader, kill_tree, cut_connections)),
}
"""In the order of the table."""

IN_CLUSTER: Final[Mapping[str, Entry]] = {"K1": Entry((cold_pod,)), "K2": Entry((exec_in_pod,))}
"""Those that need a cluster, which is brought up for them when the others are through."""

ALL: Final = (*BENCHMARKS, *IN_CLUSTER)


def main() -> int:
    """Run and print; the exit code says whether every gate held."""
    options = _options()
    # Both end with the peers stopped and the sandboxes gone; a shell has its background jobs ignore the first.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _interrupt)
    facts = machine.describe()
    rows, stage = asyncio.run(_run(options.only, QUICK if options.quick else FULL))
    text = publish.as_text(rows, facts, stage)
    sys.stdout.write(text)
    if options.write:
        publish.write_table(text)
        sys.stderr.write(f"raw data: {publish.write_data(rows, facts, stage)}\n")
    return 1 if any(row.held is False for row in rows) else 0


def _interrupt(*_: object) -> None:
    signal.raise_signal(signal.SIGINT)


async def _run(names: Collection[str], effort: Effort) -> tuple[list[Row], Stage]:
    rows: list[Row] = []
    wanted = {peer for name, entry in BENCHMARKS.items() if name in names for peer in entry.peers}
    async with set_up(effort, wanted) as stage:
        rows += await _measure_all(BENCHMARKS, names, stage)
        if set(names) & set(IN_CLUSTER):
            async with set_up_cluster(stage):
                rows += await _measure_all(IN_CLUSTER, names, stage)
    return rows, stage


async def _measure_all(entries: Mapping[str, Entry], names: Collection[str], stage: Stage) -> list[Row]:
    rows: list[Row] = []
    for name, entry in entries.items():
        if name in names:
            for measure in entry.measure:
                rows += await _measure(name, measure, stage)
    return rows


async def _measure(name: str, measure: Benchmark, stage: Stage) -> list[Row]:
    title = measure.__name__.replace("_", " ")
    sys.stderr.write(f"bench: {name}, {title}\n")
    try:
        return await measure(stage)
    except Exception as error:  # one that fails shall not take the others' figures along
        return [failed(f"{name} {title}", f"{type(error).__name__}: {error}", "runs to its end")]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", type=_names, default=ALL, metavar="B1,B6", help="only these")
    parser.add_argument(
        "--quick", action="store_true", help="little of each, to see that it works: no figures"
    )
    parser.add_argument(
        "--write", action="store_true", help="write the table into README.md, and keep the raw data"
    )
    options = parser.parse_args()
    if options.write and (options.quick or options.only != ALL):
        parser.error("only a whole run is written down: --write goes with neither --quick nor --only")
    return options


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    unknown = sorted(set(names) - set(ALL))
    if unknown:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: there are {', '.join(ALL)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
