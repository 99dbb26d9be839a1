"""A sandbox in a cluster: from nothing to the first command, in phases; and commands against `kubectl exec`."""

import asyncio
import hashlib
import statistics
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from benchmarks.measure import Contestant, Operation, at_once, once
from benchmarks.peers.kubernetes import TITLE, Kubernetes
from benchmarks.row import Row, at_least, not_here
from benchmarks.row import time as in_words
from benchmarks.run_true import IN_A_ROW, runs_true
from benchmarks.stage import KUBEBOX, Stage
from benchmarks.stream_output import MEBIBYTE
from kubebox import CommandMode, Kubebox, KubeboxPod, SandboxClient

LEAST_OF_EXEC: Final = 40.0
LEAST_OF_STREAM: Final = 2.0
STREAM_BYTES: Final = 64 * MEBIBYTE
TUNNEL: Final = "kubebox, tunnel"

PHASES: Final = {
    "created": "admission",
    "scheduled": "scheduling",
    "server": "server's container and start",
    "containers": "workspace's container",
    "up": "init's hello, canary",
    "ready": "who answers",
    "first": "connect, session, first byte",
}
"""Each step of a pod's start, by the name under which it is noted when it is over."""

QUICK_TURNS: Final = 10
"""Turns in a round: `kubectl exec` takes a tenth of a second."""

MEMORY_SECONDS: Final = 2.0
"""Seconds that a server is left alone before its memory is read."""


async def cold_pod(stage: Stage) -> list[Row]:
    """Pods one after the other, from `create_pod` to the first byte of their first command."""
    if stage.kubernetes is None:
        return [not_here("K1 cold pod to first command", stage.left_out.get(TITLE, "no cluster"))]
    starts: list[dict[str, float]] = []
    memory: list[int] = []
    async with Kubebox(stage.kubernetes.kubeconfig) as kubebox:
        for number in range(stage.effort.rounds):
            pod = kubebox.create_pod(f"bench-cold-{number}")
            began = time.perf_counter()
            await pod.wait_until_ready()
            async with _client(kubebox, await pod.address()) as client:
                stream = await client.run_command("a", ["echo"], CommandMode.STREAM)
                await anext(aiter(stream))
                starts.append({**pod.phases, "first": (time.perf_counter() - began) * 1000})
                await asyncio.sleep(MEMORY_SECONDS)
                memory.append(_memory(client.info.sandbox_uid))
            await pod.destroy()
    total = statistics.median(one["first"] for one in starts)
    return [
        Row(
            "K1 cold pod to first command",
            f"{total / 1000:.2f} s, median of {len(starts)}: {_phases(starts)}",
        ),
        Row(
            "K1 the server's container, idle",
            f"{statistics.median(memory) / MEBIBYTE:.0f} MiB (PSS), median of {len(memory)}",
        ),
    ]


async def exec_in_pod(stage: Stage) -> list[Row]:
    """`true` and a long output, by a client over the load balancer, over the tunnel, and by `kubectl exec`."""
    if (kubernetes := stage.kubernetes) is None:
        return [not_here("K2 run `true` / kubectl exec", stage.left_out.get(TITLE, "no cluster"))]
    async with _pod(kubernetes) as (kubebox, pod):
        service = kubebox.create_service(pod.name)
        balanced = await service.get_external_ip()
        async with (
            _client(kubebox, balanced) as direct,
            _client(kubebox, await pod.address()) as tunnelled,
        ):
            contestants = [
                Contestant(KUBEBOX, at_once([runs_true(direct, "a")], IN_A_ROW)),
                Contestant(TUNNEL, at_once([runs_true(tunnelled, "a")], IN_A_ROW)),
                Contestant(TITLE, once(_exec_true(kubernetes, pod))),
            ]
            short = await stage.interleave("K2", contestants, baseline=TITLE, repeats=QUICK_TURNS)
            contestants = [
                Contestant(KUBEBOX, once(_streams(direct))),
                Contestant(TUNNEL, once(_streams(tunnelled))),
                Contestant(TITLE, once(_exec_stream(kubernetes, pod))),
            ]
            long = await stage.interleave("K3", contestants, baseline=TITLE, repeats=1)
    return [
        at_least("K2 run `true` in a pod / kubectl exec", short, TITLE, KUBEBOX, LEAST_OF_EXEC),
        at_least("K2 the same through the tunnel", short, TITLE, TUNNEL),
        at_least(
            "K3 stream 64 MiB from a pod / kubectl exec", long, TITLE, KUBEBOX, LEAST_OF_STREAM, show=_rate
        ),
        at_least("K3 the same through the tunnel", long, TITLE, TUNNEL, show=_rate),
    ]


@asynccontextmanager
async def _pod(kubernetes: Kubernetes) -> AsyncGenerator[tuple[Kubebox, KubeboxPod]]:
    async with Kubebox(kubernetes.kubeconfig) as kubebox:
        pod = kubebox.create_pod("bench-exec")
        try:
            await pod.wait_until_ready()
            yield kubebox, pod
        finally:
            await pod.destroy()


@asynccontextmanager
async def _client(kubebox: Kubebox, address: str) -> AsyncGenerator[SandboxClient]:
    async with SandboxClient(kubebox.private_key, f"http://{address}") as client:
        await client.initialize_session("a", "a")
        yield client


def _exec_true(kubernetes: Kubernetes, pod: KubeboxPod) -> Operation:
    async def operation() -> float:
        started = time.perf_counter()
        await kubernetes.exec(pod.name, "true")
        return time.perf_counter() - started

    return operation


def _streams(client: SandboxClient) -> Operation:
    async def operation() -> float:
        started = time.perf_counter()
        stream = await client.run_command("a", _zeros(), CommandMode.STREAM)
        pieces = [output.data async for output in stream]
        seconds = time.perf_counter() - started
        return _checked(pieces, seconds)

    return operation


def _exec_stream(kubernetes: Kubernetes, pod: KubeboxPod) -> Operation:
    async def operation() -> float:
        started = time.perf_counter()
        output = await kubernetes.exec(pod.name, *_zeros())
        seconds = time.perf_counter() - started
        return _checked([output], seconds)

    return operation


def _zeros() -> list[str]:
    return ["head", "-c", str(STREAM_BYTES), "/dev/zero"]


def _checked(pieces: list[bytes], seconds: float) -> float:
    got = hashlib.sha256(b"".join(pieces)).digest()
    if got != hashlib.sha256(bytes(STREAM_BYTES)).digest():
        raise ValueError(f"not equal: {sum(map(len, pieces))} bytes of {STREAM_BYTES}")
    return seconds / (STREAM_BYTES / MEBIBYTE)


def _rate(seconds: float) -> str:
    return f"{1 / seconds:.0f} MiB/s"


def _phases(starts: list[dict[str, float]]) -> str:
    parts: list[str] = []
    for before, after in zip(["", *PHASES], PHASES, strict=False):
        spent = statistics.median(max(0.0, one.get(after, 0.0) - one.get(before, 0.0)) for one in starts)
        parts.append(f"{PHASES[after]} {in_words(spent / 1000)}")
    return ", ".join(parts)


def _memory(uid: str) -> int:
    """Bytes of a server's processes, what they share divided among those that share it."""
    wanted = f"KUBEBOX_SANDBOX_UID={uid}".encode()
    total = 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            mine = wanted in (entry / "environ").read_bytes().split(b"\0")
            text = (entry / "smaps_rollup").read_text() if mine else ""
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))
    return total
