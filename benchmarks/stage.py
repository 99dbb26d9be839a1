"""What every benchmark gets: how much to do, the peers that are here, and a place for its raw data."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

from benchmarks.measure import Contestant, interleave
from benchmarks.peers import kernel_gateway, swe_rex
from benchmarks.peers.install import LeftOut, Package, install
from benchmarks.peers.kubernetes import TITLE as KUBECTL
from benchmarks.peers.kubernetes import Kubernetes, open_kubernetes
from benchmarks.row import Row
from benchmarks.series import Measured

KUBEBOX: Final = "kubebox"
RAW: Final = "raw"
SWE_REX: Final = swe_rex.PACKAGE.title
KERNEL_GATEWAY: Final = kernel_gateway.PACKAGE.title


Peer = TypeVar("Peer")


@dataclass(frozen=True)
class Effort:
    """How much to do.

    Attributes:
        rounds: Of everything that is compared.
        repeats: Turns in a round, of what takes milliseconds.
        creations: Sandboxes made in a round.
        stream_bytes: Of a long output.
        line_bytes: Of one long line.
        stall_seconds: In which a reader does not read, in a round.
        file_bytes: Of a file that is transferred.
        files: In a folder that is transferred.
        kills: Trees that are killed in a round.
        cuts: Connections that are cut.
    """

    rounds: int
    repeats: int
    creations: int
    stream_bytes: int
    line_bytes: int
    stall_seconds: float
    file_bytes: int
    files: int
    kills: int
    cuts: int


FULL: Final = Effort(7, 100, 3, 200 * 1024**2, 50_000_000, 6.0, 1024**3, 5000, 15, 1000)
"""A figure that may be published: seven rounds, two of which the machine may spoil; some ten minutes in all."""

QUICK: Final = Effort(3, 5, 1, 20 * 1024**2, 5_000_000, 1.0, 64 * 1024**2, 500, 2, 20)
"""Enough to see that it works; no figures."""


@dataclass
class Stage:
    """What the benchmarks of one run share.

    Attributes:
        effort: How much to do.
        rex: SWE-ReX, if it is here.
        gateway: Jupyter Kernel Gateway, if it is here.
        kubernetes: A cluster, if it is here.
        left_out: Peers that are not here, and why.
        kept: Everything that was measured.
    """

    effort: Effort
    rex: swe_rex.SweRex | None = None
    gateway: kernel_gateway.KernelGateway | None = None
    kubernetes: Kubernetes | None = None
    left_out: dict[str, str] = field(default_factory=dict[str, str])
    kept: dict[str, Measured] = field(default_factory=dict[str, Measured])

    async def interleave(
        self, key: str, contestants: Sequence[Contestant], *, baseline: str = RAW, repeats: int
    ) -> Measured:
        """Measure, and keep what was measured.

        Args:
            key: What to keep it as.
            contestants: Who takes part.
            baseline: The one whose drift tells of the machine.
            repeats: Turns in a round.
        """
        rounds = self.effort.rounds
        measured = await interleave(
            contestants, baseline=baseline, rounds=rounds, repeats=repeats, left_out=self.left_out
        )
        self.kept[key] = measured
        return measured


Benchmark: TypeAlias = Callable[[Stage], Awaitable[list[Row]]]
"""Measures one thing and says what it found."""


@asynccontextmanager
async def set_up(effort: Effort, wanted: Collection[str]) -> AsyncGenerator[Stage]:
    """Start the peers that are wanted; one that does not start is left out, and said to be.

    Args:
        effort: How much to do.
        wanted: Their names.
    """
    stage = Stage(effort)
    async with AsyncExitStack() as stack:
        if SWE_REX in wanted:
            stage.rex = await _start(stage, stack, swe_rex.PACKAGE, swe_rex.open_swe_rex)
        if KERNEL_GATEWAY in wanted:
            open_gateway = kernel_gateway.open_kernel_gateway
            stage.gateway = await _start(stage, stack, kernel_gateway.PACKAGE, open_gateway)
        yield stage


@asynccontextmanager
async def set_up_cluster(stage: Stage) -> AsyncGenerator[None]:
    """Bring a cluster up, when everything else has been measured: a control plane is no quiet neighbour."""
    async with AsyncExitStack() as stack:
        try:
            stage.kubernetes = await stack.enter_async_context(open_kubernetes())
        except LeftOut as reason:
            stage.left_out[KUBECTL] = str(reason)
        yield


async def _start(
    stage: Stage,
    stack: AsyncExitStack,
    package: Package,
    open_peer: Callable[[Path], AbstractAsyncContextManager[Peer]],
) -> Peer | None:
    try:
        programs = await asyncio.to_thread(install, package)
        return await stack.enter_async_context(open_peer(programs))
    except LeftOut as reason:
        stage.left_out[package.title] = str(reason)
        return None
