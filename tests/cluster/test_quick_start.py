"""The README's quick start, unchanged, in a cluster: with a load balancer, and without one."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster.places import manager

ROOT = Path(__file__).parents[2]
EXPECTED = ["Hello", "World", "content", "True"]
Kubectl = Callable[..., str]


def quick_start(kubeconfig: Path, home: Path) -> list[str]:
    finished = subprocess.run(
        [sys.executable, str(ROOT / "docs_src/quick_start.py")],
        env={**os.environ, "KUBEBOX_CONFIG": str(kubeconfig), "XDG_CONFIG_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout.split()


def test_the_quick_start_runs_to_the_letter(kubeconfig: Path, images: object, tmp_path: Path) -> None:
    assert quick_start(kubeconfig, tmp_path) == EXPECTED


def test_the_quick_start_leaves_only_a_record(
    kubeconfig: Path, images: object, tmp_path: Path, kubectl: Kubectl
) -> None:
    assert quick_start(kubeconfig, tmp_path) == EXPECTED
    left = kubectl("get", "pods,services,secrets", "--selector=kubebox.dev/sandbox=test-pod", "--output=name")
    assert left.split() == []


@pytest.mark.usefixtures("without_load_balancer")
def test_the_quick_start_runs_where_no_load_balancer_is(
    kubeconfig: Path, images: object, tmp_path: Path
) -> None:
    assert quick_start(kubeconfig, tmp_path) == EXPECTED


async def test_the_address_without_a_load_balancer_is_a_tunnels(
    without_load_balancer: None, kubeconfig: Path, namespace: str
) -> None:
    async with manager(kubeconfig, namespace) as kubebox:
        pod = kubebox.create_pod("tunnelled")
        address = await kubebox.create_service("tunnelled").get_external_ip(60)
        assert address.startswith("127.0.0.1:")
        await pod.destroy()
