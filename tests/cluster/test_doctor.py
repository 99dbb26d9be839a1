"""`kubebox doctor`: what this cluster gives and lacks."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Kubectl = Callable[..., str]


def doctor(kubeconfig: Path, namespace: str) -> tuple[int, dict[str, dict[str, str]]]:
    program = str(Path(sys.executable).with_name("kubebox"))
    options = ["--json", "--config", str(kubeconfig), "--namespace", namespace]
    finished = subprocess.run(
        [program, "doctor", *options], capture_output=True, text=True, timeout=140, check=False
    )
    findings = [json.loads(line) for line in finished.stdout.splitlines()]
    assert findings, finished.stderr
    return finished.returncode, {finding["name"]: finding for finding in findings}


def test_a_cluster_that_has_what_it_takes(kubeconfig: Path, restricted: str, images: object) -> None:
    code, found = doctor(kubeconfig, restricted)
    assert code == 0
    states = {name: finding["state"] for name, finding in found.items()}
    assert (
        states["version"] == states["rights"] == states["pod-security"] == states["network-policy"] == "good"
    )
    assert all(finding["consequence"] for finding in found.values() if finding["state"] != "good")


def test_it_leaves_nothing(kubeconfig: Path, restricted: str, images: object, kubectl: Kubectl) -> None:
    doctor(kubeconfig, restricted)
    left = kubectl("get", "pods,networkpolicies", f"--namespace={restricted}", "--output=name")
    assert "doctor" not in left


def test_a_quota_without_room_and_a_network_that_is_open(
    kubeconfig: Path, images: object, kubectl: Kubectl
) -> None:
    namespace = "kubebox-doctor-test"
    kubectl("create", "namespace", namespace)
    kubectl("create", "quota", "none", "--hard=limits.memory=1Gi", f"--namespace={namespace}")
    opened: dict[str, Any] = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "open"},
        "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{}]},
    }
    kubectl("apply", f"--namespace={namespace}", "--filename=-", given=json.dumps(opened))
    try:
        code, found = doctor(kubeconfig, namespace)
        assert code == 1
        assert found["quota"]["state"] == found["network-policy"]["state"] == "broken"
    finally:
        kubectl("delete", "namespace", namespace, "--wait=false")
