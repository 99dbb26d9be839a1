"""A caller's partial Pod: what it may add, and what it must not touch."""

from typing import Any

import pytest

from kubebox_cluster import names, profile
from kubebox_cluster.merge import Protected
from kubebox_cluster.specification import Specification

Manifest = dict[str, Any]
OWNER: Manifest = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "name": "a", "uid": "u"}


def pod(partial: Manifest | None = None, **options: Any) -> Manifest:
    specification = Specification(
        name="a",
        namespace="n",
        server_image="server",
        key_secret=("s", "e"),
        lifetime=60,
        pod=partial,
        **options,
    )
    return profile.pod(specification, OWNER)


def workspace(made: Manifest) -> Manifest:
    return made["spec"]["containers"][0]


def in_workspace(**fields: Any) -> Manifest:
    return {"spec": {"containers": [{"name": names.WORKSPACE, **fields}]}}


def _mounted(path: str) -> Manifest:
    return {
        "spec": {
            "containers": [
                {
                    "name": names.WORKSPACE,
                    "volumeMounts": [{"name": "mine", "mountPath": path, "subPath": "x"}],
                }
            ],
            "volumes": [{"name": "mine", "emptyDir": {}}],
        }
    }


def test_a_mount_may_be_written_before_its_volume() -> None:
    assert workspace(pod(_mounted("/data")))["volumeMounts"][-1]["mountPath"] == "/data"


def test_what_schedules_and_equips_is_the_callers() -> None:
    made = pod(
        {
            "metadata": {"labels": {"team": "a"}, "annotations": {"note": "b"}},
            "spec": {
                "tolerations": [{"key": "gpu"}],
                "nodeSelector": {"pool": "gpu"},
                "imagePullSecrets": [{"name": "registry"}],
                "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
                "containers": [
                    {
                        "name": names.WORKSPACE,
                        "resources": {"limits": {"nvidia.com/gpu": 1}},
                        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                    }
                ],
            },
        }
    )
    assert made["metadata"]["labels"]["team"] == "a"
    assert made["spec"]["nodeSelector"] == {"kubernetes.io/os": "linux", "pool": "gpu"}
    assert made["spec"]["tolerations"] == [{"key": "gpu"}]
    assert workspace(made)["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert workspace(made)["resources"]["limits"]["memory"] == str(2 * 1024**3)
    assert workspace(made)["volumeMounts"][-1] == {"name": "data", "mountPath": "/data"}


PROTECTED: list[Manifest] = [
    {"status": {}},
    {"metadata": {"name": "b"}},
    {"metadata": {"labels": {names.SANDBOX: "b"}}},
    {"metadata": {"labels": {f"{names.PREFIX}anything": "b"}}},
    {"metadata": {"ownerReferences": []}},
    {"metadata": {"finalizers": ["a/b"]}},
    {"spec": {"hostNetwork": True}},
    {"spec": {"hostPID": True}},
    {"spec": {"shareProcessNamespace": True}},
    {"spec": {"automountServiceAccountToken": True}},
    {"spec": {"serviceAccountName": "admin"}},
    {"spec": {"securityContext": {}}},
    {"spec": {"restartPolicy": "Never"}},
    {"spec": {"activeDeadlineSeconds": None}},
    {"spec": {"initContainers": [{"name": "server", "image": "mine"}]}},
    {"spec": {"ephemeralContainers": []}},
    {"spec": {"runtimeClassName": "runc"}},
    {"spec": {"nodeSelector": {"kubernetes.io/os": "windows"}}},
    {"spec": {"a-field-of-the-future": True}},
    {"spec": {"containers": [{"name": "another"}]}},
    {"spec": {"containers": "workspace"}},
    {"spec": {"volumes": [{"name": "state", "emptyDir": {}}]}},
    {"spec": {"volumes": [{"name": "node", "hostPath": {"path": "/"}}]}},
    {"spec": {"volumes": [{"name": "token", "projected": {"sources": []}}]}},
    {"metadata": {"annotations": {"container.apparmor.security.beta.kubernetes.io/workspace": "unconfined"}}},
    {"metadata": {"annotations": {"k8s.v1.cni.cncf.io/networks": "another"}}},
    {"metadata": {"annotations": {"io.kubernetes.cri-o.io/x": "y"}}},
    _mounted("/run/kubebox/init"),
    _mounted("/run/../run/kubebox"),
    _mounted("//run//kubebox/"),
    _mounted("/"),
    _mounted("relative"),
    in_workspace(image="mine"),
    in_workspace(command=["sh"]),
    in_workspace(args=["-c"]),
    in_workspace(securityContext={"privileged": True}),
    in_workspace(lifecycle={}),
    in_workspace(env=[{"name": "A"}]),
    in_workspace(volumeMounts=[{"name": "state", "mountPath": "/state"}]),
    in_workspace(volumeMounts=[{"name": "mine", "mountPath": "/run/kubebox"}]),
    in_workspace(volumeMounts=[{"name": "mine", "mountPath": "/run/"}]),
    in_workspace(resources={"requests": []}),
]


@pytest.mark.parametrize("partial", PROTECTED)
def test_what_holds_the_walls_is_not(partial: Manifest) -> None:
    with pytest.raises(Protected):
        pod(partial)


def test_a_variable_is_what_it_is() -> None:
    """Kubernetes would put other variables in the place of `$(NAME)`."""
    made = pod(env={"A": "$(KUBEBOX_PUBLIC_KEYS) $HOME"})
    assert {"name": "A", "value": "$$(KUBEBOX_PUBLIC_KEYS) $$HOME"} in workspace(made)["env"]


def test_another_image_is_seeded_and_the_default_one_is_not() -> None:
    assert [one["name"] for one in pod()["spec"]["initContainers"]] == [names.SERVER]
    made = pod(image="theirs")
    assert [one["name"] for one in made["spec"]["initContainers"]] == [names.SERVER, names.SEED]
    assert workspace(made)["image"] == "theirs"
