"""A cluster to measure in, and `kubectl exec` to be measured against: the one of the tests, brought up where it is not."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.peers.install import LeftOut
from testcluster import cluster, compile
from testcluster.errors import TestClusterError
from testcluster.images import build_images
from testcluster.load import load_images
from testcluster.place import here
from testcluster.recipes import SANDBOX_IMAGE
from testcluster.requirements import check

TITLE: Final = "kubectl exec"


@dataclass(frozen=True)
class Kubernetes:
    """The cluster.

    Attributes:
        kubeconfig: How to reach it.
        kubectl: The program.
    """

    kubeconfig: Path
    kubectl: str

    async def exec(self, pod: str, *command: str) -> bytes:
        """Run a command in a pod's workspace by `kubectl exec`, and give what it printed.

        Raises:
            RuntimeError: It failed.
        """
        process = await asyncio.create_subprocess_exec(
            self.kubectl, f"--kubeconfig={self.kubeconfig}", "exec", pod, "--container=workspace", "--", *command,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, limit=2**20,
        )  # fmt: skip
        output, complaints = await process.communicate()
        if process.returncode:
            raise RuntimeError(complaints.decode(errors="replace")[-500:])
        return output


@asynccontextmanager
async def open_kubernetes() -> AsyncGenerator[Kubernetes]:
    """Bring the cluster up, unless it is, and leave it as it was.

    Raises:
        LeftOut: This machine cannot run it.
    """
    place = here()
    was_up = cluster.is_up(place)
    try:
        check(images=True)
        await asyncio.to_thread(cluster.up, place)
        await asyncio.to_thread(lambda: load_images(place, build_images([SANDBOX_IMAGE])))
    except TestClusterError as error:
        raise LeftOut(str(error)) from None
    os.environ["KUBEBOX_IMAGE"] = SANDBOX_IMAGE
    try:
        yield Kubernetes(place.kubeconfig, str(compile.kubectl()))
    finally:
        if not was_up:
            await asyncio.to_thread(cluster.down, place)
