"""Ports of the workspace: connections to what listens on its own addresses, and waiting for something to."""

from kubebox_sandbox.ports.ports import Ports
from kubebox_sandbox.ports.stream import WorkspaceStream

__all__ = ["Ports", "WorkspaceStream"]
