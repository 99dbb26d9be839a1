"""A program inside the cluster: no kubeconfig, the rights of its ServiceAccount, the address by either way."""

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from pathlib import Path

import pytest

from testcluster.compile import kubectl as compiled_kubectl
from tests.packages.test_wheels import uv

Kubectl = Callable[..., str]
ROOT = Path(__file__).parents[2]
MANIFEST = ROOT / "deploy/rbac/client.yaml"
PROGRAM = Path(__file__).parent / "inside.py"
INSTALLED = "/tmp/installed"
NAME = "program"
"""Of the pod that the program runs in."""

PYTHON_OF_THE_IMAGE = "import sys; print('{}.{}'.format(*sys.version_info))"


@pytest.fixture(scope="module")
def pod_of_the_program(kubectl: Kubectl, restricted: str, images: Mapping[str, str]) -> Iterator[str]:
    """A pod as any team would write it, with the ServiceAccount of `deploy/rbac/client.yaml`; gives its namespace."""
    kubectl("apply", f"--namespace={restricted}", f"--filename={MANIFEST}")
    container = {
        "name": NAME,
        "image": images["sandbox"],
        "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", "infinity"],
        "env": [{"name": "HOME", "value": "/tmp"}, {"name": "PYTHONPATH", "value": INSTALLED}],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    spec = {
        "serviceAccountName": "kubebox-client",
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "terminationGracePeriodSeconds": 0,
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": NAME}, "spec": spec}
    kubectl("apply", f"--namespace={restricted}", "--filename=-", given=json.dumps(pod))
    kubectl("wait", f"--namespace={restricted}", "--for=condition=Ready", f"pod/{NAME}", "--timeout=90s")
    yield restricted
    kubectl("delete", f"--namespace={restricted}", f"pod/{NAME}", "--wait=false")


def packages(folder: Path, python: str) -> bytes:
    """The client and all that it stands on, for the image's Python, as a tar."""
    subprocess.run(
        [uv(), "pip", "install", "--quiet", "--no-sources", f"--target={folder}", f"--python-version={python}",
         f"--python={sys.executable}", ROOT / "protocol", ROOT / "cluster", ROOT / "kubebox"],
        cwd=ROOT, check=True, env={**os.environ, "UV_LINK_MODE": "hardlink"},
    )  # fmt: skip
    packed = BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(folder, "installed")
        tar.add(PROGRAM, PROGRAM.name)
    return packed.getvalue()


def test_a_program_in_a_pod_makes_sandboxes(
    pod_of_the_program: str, kubectl: Kubectl, kubeconfig: Path, tmp_path: Path, images: object
) -> None:
    inside = ("exec", f"--namespace={pod_of_the_program}", NAME, "--")
    python = kubectl(*inside, "python3", "-c", PYTHON_OF_THE_IMAGE).strip()
    subprocess.run(
        [compiled_kubectl(), f"--kubeconfig={kubeconfig}", "exec", "--stdin", *inside[1:],
         "tar", "--extract", "--directory=/tmp"],
        input=packages(tmp_path / "installed", python), check=True, timeout=120,
    )  # fmt: skip
    image = f"KUBEBOX_IMAGE={os.environ['KUBEBOX_IMAGE']}"
    said = kubectl(*inside, "env", image, "python3", f"/tmp/{PROGRAM.name}", "auto")
    assert said.split() == ["tunnel", "auto"]
