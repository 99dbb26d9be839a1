"""`kubebox-pod`: the server's container of a pod, or with `--with-workspace` a whole sandbox in one container.

In a pod the workspace is another container, which starts init from the control folder. In one container server and workspace
share one user, so that code in the workspace can harm the server: the container alone is the wall.
"""

import os
import resource
import socket
import sys
from typing import Final

from kubebox_sandbox.listen import listen
from kubebox_sandbox.pod.bring import bring_init
from kubebox_sandbox.pod.keep import EXIT_SETTINGS, Keeper, Program, say

EXIT_FAILED: Final = 1
WITH_WORKSPACE: Final = "--with-workspace"

DEFAULTS: Final = {
    "KUBEBOX_CONTROL": "/run/kubebox",
    "KUBEBOX_STATE": "/var/lib/kubebox",
    "KUBEBOX_HOST": "",
    "KUBEBOX_PORT": "8080",
    "KUBEBOX_RETURN_SECONDS": "8",
}
"""How things are in a pod, unless its environment says otherwise. No host means all addresses.

There the server cannot see init's process end. An init that lives and finds a server is back within a second, or a few where the
workspace has too little of a processor; one whose container has ended comes back as another, perhaps after minutes of Kubernetes'
back-off. So what ran is given up after eight seconds: its verdict is promised within ten.
"""

PASSED: Final = ("KUBEBOX_", "KUBERNETES_SERVICE_")
"""Beginnings of what the server gets of the environment."""

_ACCOUNT: Final = {
    "HOME": "/home/user",
    "USER": "user",
    "LOGNAME": "user",
    # A volume may belong to somebody else; git asks because it cannot know whose it is.
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "safe.directory",
    "GIT_CONFIG_VALUE_0": "*",
}
"""What commands in the one container know of who they are. In a pod the workspace's container has it from its manifest."""

MOST_OPEN_FILES: Final = 65536
"""Descriptors of one command beside the server: more than any program of good will opens."""


def main() -> None:
    """Run until told to end."""
    if sys.argv[1:] not in ([], [WITH_WORKSPACE]):
        say(f"usage: kubebox-pod [{WITH_WORKSPACE}]")
        sys.exit(EXIT_SETTINGS)
    sys.exit(start(sys.argv[1:] == [WITH_WORKSPACE]))


def start(with_workspace: bool) -> int:
    """Hold the port, bring init, and keep the server running. Returns what to exit with."""
    settings = {**DEFAULTS, **os.environ}
    if with_workspace:
        settings = {**_alone(), **settings}
    port = settings["KUBEBOX_PORT"]
    if not port.isdecimal() or int(port) > 65535:
        say(f"KUBEBOX_PORT: not a port: {port!r}")
        return EXIT_SETTINGS
    try:
        listening = listen(settings["KUBEBOX_HOST"], int(port))
        init = bring_init(settings["KUBEBOX_CONTROL"])
    except OSError as error:
        say(f"cannot start: {error}")
        return EXIT_FAILED
    programs = [_server(settings, listening)]
    if with_workspace:
        programs.append(_workspace(settings, init))
    return Keeper(programs).run()


def _server(settings: dict[str, str], listening: socket.socket) -> Program:
    # Nobody writes to the lifeline: it closes when this process ends, however that happens, and the server ends with it.
    lifeline, _ = os.pipe()
    passed = {name: value for name, value in settings.items() if name.startswith(PASSED)}
    return Program(
        name="the server",
        arguments=[sys.executable, "-I", "-m", "kubebox_sandbox"],
        environment={
            **passed,
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "TMPDIR": settings["KUBEBOX_STATE"],  # The root file system is read-only.
            "KUBEBOX_LISTEN_FD": str(listening.fileno()),
            "KUBEBOX_REFUSED_PORTS": str(listening.getsockname()[1]),  # The workspace has the same network.
            "KUBEBOX_LIFELINE_FD": str(lifeline),
        },
        descriptors=[listening.fileno(), lifeline],
    )


def _workspace(settings: dict[str, str], init: str) -> Program:
    # Half of the server's, since descriptors that commands open travel to it.
    open_files = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1] // 2 - 1, MOST_OPEN_FILES)
    line = os.path.join(settings["KUBEBOX_CONTROL"], "line.sock")
    return Program(
        name="the workspace",
        arguments=[init, "--socket", line, "--nofile", str(open_files)],
        # The image's own variables hold; init keeps those of Kubebox and Kubernetes to itself.
        environment={**os.environ, **_ACCOUNT},
    )


def _alone() -> dict[str, str]:
    return {
        "KUBEBOX_SANDBOX_ID": "container",
        "KUBEBOX_SANDBOX_UID": os.uname().nodename,  # Each container has a name of its own.
        "KUBEBOX_WORKSPACE_UID": str(os.getuid()),
    }
