"""Computers that LLM agents may break.

`Sandbox` is one, made for you and gone afterwards. `Kubebox` makes more, `SandboxClient` talks to one.
"""

import logging
from typing import TYPE_CHECKING

__version__ = "0.1.0"

# Names are imported at first use: `import kubebox` must be quick, and work where no sandbox can run.
if TYPE_CHECKING:
    from kubebox import errors, progress
    from kubebox._forward import PortForward
    from kubebox._listing import SandboxInfo
    from kubebox._mapping import SandboxMap
    from kubebox._outcomes import MapProgress, Outcome
    from kubebox._pods import KubeboxPod
    from kubebox._results import BackgroundProcess, CommandOutput, CommandResult, CommandStream
    from kubebox._services import KubeboxService
    from kubebox._shell import Shell
    from kubebox._terminal import Terminal
    from kubebox._transferred import Transferred
    from kubebox._watch import FileWatch
    from kubebox.client import SandboxClient
    from kubebox.errors import KubeboxError
    from kubebox.local.resources import Resources
    from kubebox.manager import Kubebox
    from kubebox.sandbox import Sandbox
    from kubebox_protocol.executions import CommandMode, Execution
    from kubebox_protocol.files import FileInfo, FileList
    from kubebox_protocol.verdicts import Verdict
    from kubebox_protocol.watches import FileChange

__all__ = [
    "BackgroundProcess",
    "CommandMode",
    "CommandOutput",
    "CommandResult",
    "CommandStream",
    "Execution",
    "FileChange",
    "FileInfo",
    "FileList",
    "FileWatch",
    "Kubebox",
    "KubeboxError",
    "KubeboxPod",
    "KubeboxService",
    "MapProgress",
    "Outcome",
    "PortForward",
    "Resources",
    "Sandbox",
    "SandboxClient",
    "SandboxInfo",
    "SandboxMap",
    "Shell",
    "Terminal",
    "Transferred",
    "Verdict",
    "errors",
    "progress",
]

_HOMES = {
    "BackgroundProcess": "kubebox._results",
    "CommandMode": "kubebox_protocol.executions",
    "CommandOutput": "kubebox._results",
    "CommandResult": "kubebox._results",
    "CommandStream": "kubebox._results",
    "Execution": "kubebox_protocol.executions",
    "FileChange": "kubebox_protocol.watches",
    "FileInfo": "kubebox_protocol.files",
    "FileList": "kubebox_protocol.files",
    "FileWatch": "kubebox._watch",
    "Kubebox": "kubebox.manager",
    "KubeboxError": "kubebox.errors",
    "KubeboxPod": "kubebox._pods",
    "KubeboxService": "kubebox._services",
    "MapProgress": "kubebox._outcomes",
    "Outcome": "kubebox._outcomes",
    "PortForward": "kubebox._forward",
    "Resources": "kubebox.local.resources",
    "Sandbox": "kubebox.sandbox",
    "SandboxClient": "kubebox.client",
    "SandboxInfo": "kubebox._listing",
    "SandboxMap": "kubebox._mapping",
    "Shell": "kubebox._shell",
    "Terminal": "kubebox._terminal",
    "Transferred": "kubebox._transferred",
    "Verdict": "kubebox_protocol.verdicts",
}

# Without a handler of its own, a library's warnings go to the program's standard error.
logging.getLogger("kubebox").addHandler(logging.NullHandler())

if not TYPE_CHECKING:  # to a type checker, a module with __getattr__ has every name

    def __getattr__(name):
        from importlib import import_module

        if name in {"errors", "progress"}:
            return import_module(f"kubebox.{name}")
        if name not in _HOMES:
            raise AttributeError(f"module 'kubebox' has no attribute {name!r}")
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value

    def __dir__():
        return sorted({*globals(), *__all__})
