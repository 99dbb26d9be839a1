"""Starting a sandbox's server: with nothing of the user's environment, and the socket that was opened for it."""

import resource
import socket
from pathlib import Path

from kubebox.local.config import Config
from kubebox.local.folders import Base
from kubebox.local.processes import Start, start


def start_server(
    config: Config,
    base: Base,
    listener: socket.socket,
    workspace_uid: int,
    memory_cgroup: Path | None,
    lifeline: int,
    output: int,
) -> int:
    """Start a sandbox's server. Each gets the same: a later one takes over from one that died.

    Args:
        config: The sandbox.
        base: Its folders.
        listener: Where the server shall listen; bound from the beginning, so nobody else can ever have its port.
        workspace_uid: The account of the workspace, as the host sees it.
        memory_cgroup: Where the kernel counts what it kills there for want of memory.
        lifeline: A descriptor at whose end the server ends.
        output: A descriptor for what it says.

    Returns:
        Its process id.
    """
    environment = {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "KUBEBOX_SANDBOX_ID": config.sandbox_id,
        "KUBEBOX_SANDBOX_UID": config.sandbox_uid,
        "KUBEBOX_PUBLIC_KEYS": config.public_keys,
        "KUBEBOX_CONTROL": str(base.control),
        "KUBEBOX_STATE": str(base.state),
        "KUBEBOX_LISTEN_FD": str(listener.fileno()),
        "KUBEBOX_LIFELINE_FD": str(lifeline),
        "KUBEBOX_ROOTS": "/workspace",
        "KUBEBOX_PROFILE": "restricted",
        # A page in the user's browser can reach 127.0.0.1 under any name it likes.
        "KUBEBOX_ALLOWED_HOSTS": "127.0.0.1,localhost",
        "KUBEBOX_WORKSPACE_UID": str(workspace_uid),
    }
    if memory_cgroup is not None:
        environment["KUBEBOX_MEMORY_CGROUP"] = str(memory_cgroup)
    open_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return start(
        Start(
            arguments=config.server,
            environment=environment,
            descriptors=[listener.fileno(), lifeline],
            output=output,
            limits={resource.RLIMIT_NOFILE: open_files, resource.RLIMIT_CORE: 0},
        )
    )
