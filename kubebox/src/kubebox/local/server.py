"""Starting a sandbox's server: with nothing of the user's environment, and the socket that was opened for it."""

import resource
import socket

from kubebox.local.config import Config
from kubebox.local.folders import Base
from kubebox.local.processes import Start, start


def start_server(
    config: Config, base: Base, listener: socket.socket, lifeline: int, output: int, workspace_uid: int
) -> int:
    """Start a sandbox's server.

    Args:
        config: The sandbox.
        base: Its folders.
        listener: Where the server shall listen; bound from the beginning, so nobody else can ever have its port.
        lifeline: A descriptor at whose end the server ends.
        output: A descriptor for what it says.
        workspace_uid: The account of the workspace, as the host sees it.

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
