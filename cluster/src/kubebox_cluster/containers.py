"""The containers of a sandbox's pod: the server, the workspace, and what prepares it."""

from typing import Any, Final

from kubebox_cluster import names
from kubebox_cluster.specification import MEBIBYTE, Specification

Manifest = dict[str, Any]

SERVER_UID: Final = 10002
WORKSPACE_UID: Final = 10001
"""The two sides have users of their own: kernel limits count per user, across all pods of a node, and one sandbox could else
exhaust the descriptors in flight of every server."""

CONTROL: Final = "/run/kubebox"
STATE: Final = "/var/lib/kubebox"
HOME: Final = "/home/user"
SEED_WORK: Final = "/run/kubebox-seed/workspace"
SEED_ETC: Final = "/run/kubebox-seed/etc"

OPEN_FILES: Final = 65536
"""Descriptors of one command; the container runtime's own limit where that is less than twice this."""

STATE_BYTES: Final = 2560 * MEBIBYTE
"""Of the server's volume: all journals together are held below half of it."""

SERVER_MEMORY: Final = ("96Mi", "512Mi")
"""Promised, and at most. It idles at two thirds of the first; the second leaves room for a thousand readers."""

PROMISED_CPU: Final = 0.1
PROMISED_MEMORY: Final = 256 * MEBIBYTE
PROMISED_DISK: Final = 1024 * MEBIBYTE
"""What a workspace is promised, where it may not use less: agents wait for a model most of the time, and may use more when
they do not."""

PACKAGE_CAPABILITIES: Final = (
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SYS_CHROOT",
)
"""What package managers need of root, and no more (profile `root`)."""


def server(specification: Specification) -> Manifest:
    """The server: a native sidecar, which starts first and ends last.

    Args:
        specification: The sandbox.
    """
    secret, entry = specification.key_secret
    environment: list[Manifest] = [
        _variable("KUBEBOX_SANDBOX_ID", specification.name),
        {"name": "KUBEBOX_SANDBOX_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
        {
            "name": "KUBEBOX_PUBLIC_KEYS",
            "valueFrom": {"secretKeyRef": {"name": secret, "key": entry}},
        },
        _variable("KUBEBOX_ROOTS", ",".join(specification.roots)),
        _variable("KUBEBOX_PROFILE", specification.profile),
        _variable("KUBEBOX_WORKSPACE_UID", str(_uid(specification))),
        _variable("KUBEBOX_CANARY", "api,169.254.169.254:80" if specification.canary else ""),
    ]
    return {
        "name": names.SERVER,
        "image": specification.server_image,
        "imagePullPolicy": "IfNotPresent",
        "restartPolicy": "Always",
        "command": ["/opt/kubebox/bin/kubebox-pod"],
        "env": environment,
        "ports": [{"name": "kubebox", "containerPort": names.SERVER_PORT}],
        # HTTP, never exec: an exec needs a process, and the pod's processes may all be taken.
        "startupProbe": _probe(period=1, failures=120),
        "readinessProbe": _probe(period=5, failures=3),
        # A slow server is not a dead one: what is killed here for nothing is a running command's output.
        "livenessProbe": _probe(period=10, failures=6),
        "securityContext": {
            **_confined(SERVER_UID),
            "runAsNonRoot": True,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "resources": {
            "requests": {"cpu": "50m", "memory": SERVER_MEMORY[0], "ephemeral-storage": "256Mi"},
            "limits": {"memory": SERVER_MEMORY[1], "ephemeral-storage": str(STATE_BYTES)},
        },
        "volumeMounts": [
            {"name": "control", "mountPath": CONTROL},
            {"name": "state", "mountPath": STATE},
        ],
    }


def workspace(specification: Specification) -> Manifest:
    """The workspace: any image, with init as its first process.

    Args:
        specification: The sandbox.
    """
    home = "/root" if specification.profile == "root" else HOME
    user = "root" if specification.profile == "root" else "user"
    environment = {
        "HOME": home,
        "USER": user,
        "LOGNAME": user,
        # The folders belong to the account that works there; git asks because it cannot know that.
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
        **specification.env,
    }
    mounts: list[Manifest] = [
        {"name": "control", "mountPath": CONTROL, "readOnly": True},
        {"name": "work", "mountPath": "/workspace"},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the workspace's own
        # The containers of a pod share /dev/shm: the workspace would read what the server puts there.
        {"name": "shared", "mountPath": "/dev/shm"},  # noqa: S108 - as above
    ]
    if specification.profile == "restricted":
        mounts.append({"name": "home", "mountPath": HOME})
        if specification.image is not None:
            mounts += [
                {"name": "etc", "mountPath": f"/etc/{file}", "subPath": file, "readOnly": True}
                for file in ("passwd", "group")
            ]
    return {
        "name": names.WORKSPACE,
        "image": specification.image or specification.server_image,
        "imagePullPolicy": "IfNotPresent",
        "command": [f"{CONTROL}/init", "--socket", f"{CONTROL}/line.sock", "--nofile", str(OPEN_FILES)],
        "args": [],
        "env": [_variable(name, value) for name, value in environment.items()],
        "envFrom": [{"secretRef": {"name": secret}} for secret in specification.secrets],
        "ports": [{"containerPort": port} for port in specification.ports],
        "securityContext": _workspace_security(specification),
        "resources": _amounts(specification),
        "volumeMounts": mounts,
    }


def seed(specification: Specification) -> Manifest:
    """Copies what the image has in /workspace, which the volume would hide, and gives the account a name.

    Args:
        specification: The sandbox.
    """
    return {
        "name": names.SEED,
        "image": specification.image,
        "imagePullPolicy": "IfNotPresent",
        "command": [
            *(f"{CONTROL}/init", "seed", "--workspace", "/workspace", "--into", SEED_WORK, "--etc", SEED_ETC),
            *("--uid", str(_uid(specification)), "--gid", str(_uid(specification))),
            *("--name", "user", "--home", HOME),
        ],
        "args": [],
        "securityContext": _workspace_security(specification),
        "resources": _amounts(specification),
        "volumeMounts": [
            {"name": "control", "mountPath": CONTROL, "readOnly": True},
            {"name": "work", "mountPath": SEED_WORK},
            {"name": "etc", "mountPath": SEED_ETC},
        ],
    }


def _workspace_security(specification: Specification) -> Manifest:
    if specification.profile == "root":
        return {
            **_confined(0),
            "capabilities": {"drop": ["ALL"], "add": list(PACKAGE_CAPABILITIES)},
        }
    return {**_confined(WORKSPACE_UID), "runAsNonRoot": True, "capabilities": {"drop": ["ALL"]}}


def _confined(uid: int) -> Manifest:
    # Without a group of its own it would be 0, root's.
    return {"runAsUser": uid, "runAsGroup": uid, "allowPrivilegeEscalation": False}


def _uid(specification: Specification) -> int:
    return 0 if specification.profile == "root" else WORKSPACE_UID


def _amounts(specification: Specification) -> Manifest:
    amounts = specification.amounts
    limits = {"memory": str(amounts.memory), "ephemeral-storage": str(amounts.disk)}
    cpu = PROMISED_CPU
    if amounts.cpu is not None:
        limits["cpu"] = f"{round(amounts.cpu * 1000)}m"
        cpu = min(cpu, amounts.cpu)
    requests = {
        "cpu": f"{round(cpu * 1000)}m",
        "memory": str(min(PROMISED_MEMORY, amounts.memory)),
        "ephemeral-storage": str(min(PROMISED_DISK, amounts.disk)),
    }
    return {"requests": requests, "limits": limits}


def _probe(*, period: int, failures: int) -> Manifest:
    return {
        "httpGet": {"path": "/healthz", "port": names.SERVER_PORT},
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }


def _variable(name: str, value: str) -> Manifest:
    # Kubernetes would put another variable in the place of `$(X)`, and makes one dollar of two.
    return {"name": name, "value": value.replace("$", "$$")}
