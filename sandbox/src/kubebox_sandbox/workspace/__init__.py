"""The line to init, and nothing else.

Whoever answers there *is* the workspace, so nothing that it says is believed.
"""

from kubebox_sandbox.workspace.answers import Answer, bytes_field, look_at
from kubebox_sandbox.workspace.failures import Failed, Operation, refusal
from kubebox_sandbox.workspace.messages import Exited, said
from kubebox_sandbox.workspace.requests import Workspace

__all__ = [
    "Answer",
    "Exited",
    "Failed",
    "Operation",
    "Workspace",
    "bytes_field",
    "look_at",
    "refusal",
    "said",
]
