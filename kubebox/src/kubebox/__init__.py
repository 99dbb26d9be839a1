"""Computers that LLM agents may break.

`Sandbox` is one, made for you and gone afterwards. `Kubebox` makes more, `SandboxClient` talks to one.
"""

import logging
from typing import TYPE_CHECKING

__version__ = "0.1.0"

# Names are imported at first use: `import kubebox` must be quick, and work where no sandbox can run.
if TYPE_CHECKING:
    from kubebox import errors
    from kubebox._pods import KubeboxPod
    from kubebox._results import BackgroundProcess, CommandOutput, CommandResult, CommandStream
    from kubebox._services import KubeboxService
    from kubebox._shell import Shell
    from kubebox._terminal import Terminal
    from kubebox.client import SandboxClient
    from kubebox.errors import KubeboxError
    from kubebox.local.resources import Resources
    from kubebox.manager import Kubebox
    from kubebox.sandbox import Sandbox
    from kubebox_protocol.executions import CommandMode, Execution
    from kubebox_protocol.files import FileInfo, FileList
    from kubebox_protocol.verdicts import Verdict

__all__ = [
    "BackgroundProcess",
    "CommandMode",
    "CommandOutput",
    "CommandResult",
    "CommandStream",
    "Execution",
    "FileInfo",
    "FileList",
    "Kubebox",
    "KubeboxError",
    "KubeboxPod",
    "KubeboxService",
    "Resources",
    "Sandbox",
    "SandboxClient",
    "Shell",
    "Terminal",
    "Verdict",
    "errors",
]

_HOMES = {
    "BackgroundProcess": "kubebox._results",
    "CommandMode": "kubebox_protocol.executions",
    "CommandOutput": "kubebox._results",
    "CommandResult": "kubebox._results",
    "CommandStream": "kubebox._results",
    "Execution": "kubebox_protocol.executions",
    "FileInfo": "kubebox_protocol.files",
    "FileList": "kubebox_protocol.files",
    "Kubebox": "kubebox.manager",
    "KubeboxError": "kubebox.errors",
    "KubeboxPod": "kubebox._pods",
    "KubeboxService": "kubebox._services",
    "Resources": "kubebox.local.resources",
    "Sandbox": "kubebox.sandbox",
    "SandboxClient": "kubebox.client",
    "Shell": "kubebox._shell",
    "Terminal": "kubebox._terminal",
    "Verdict": "kubebox_protocol.verdicts",
}

# Without a handler of its own, a library's warnings go to the program's standard error.
logging.getLogger("kubebox").addHandler(logging.NullHandler())

if not TYPE_CHECKING:  # to a type checker, a module with __getattr__ has every name

    def __getattr__(name):
        from importlib import import_module

        if name == "errors":
            return import_module("kubebox.errors")
        if name not in _HOMES:
            raise AttributeError(f"module 'kubebox' has no attribute {name!r}")
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value

    def __dir__():
        return sorted({*globals(), *__all__})
