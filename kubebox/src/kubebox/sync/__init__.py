"""The same without `await`, for programs, notebooks and threads that have no event loop, or must not use it.

```python
from kubebox.sync import Sandbox

with Sandbox.create() as sandbox:
    print(sandbox.run("uname -n").stdout)
```

Names, arguments, results and errors are those of `kubebox`. What is awaited there is waited for here, `with` and `for` take the
place of `async with` and `async for`, and `close()` that of `aclose()`. A sandbox, a terminal or a shell is there as soon as it
is called for, with or without `with`.

- *Threads.* Any number may use an object at once. All connections share one event loop in one thread, which is there while a
  connection is open or a call is under way. Whatever is closed, or thrown away, leaves nothing behind.
- *Notebooks.* A loop that runs in the calling thread does not matter; but like any call that waits, this one holds it up.
- *Callbacks* are plain functions. They are called in the thread that made the call, before it returns; what they raise ends the
  call, and comes out of it. They may call this package again.
- *Ctrl-C*, or anything else that is raised in a thread that waits, cancels the call, waits until that has cleaned up, and goes on
  its way: a command that was waited for is killed with all that it started. A second Ctrl-C does not wait.
- *Forks.* An object belongs to the process that made it. In a forked one its calls raise `WrongEventLoop`; new objects are fine.
"""

from typing import TYPE_CHECKING

# As in `kubebox`: names are imported at first use.
if TYPE_CHECKING:
    from kubebox import (
        CommandMode,
        CommandOutput,
        CommandResult,
        Execution,
        FileChange,
        FileInfo,
        FileList,
        Resources,
        SandboxInfo,
        Transferred,
        Verdict,
        errors,
    )
    from kubebox.errors import KubeboxError
    from kubebox.sync._forward import PortForward
    from kubebox.sync._pods import KubeboxPod
    from kubebox.sync._results import BackgroundProcess, CommandStream
    from kubebox.sync._services import KubeboxService
    from kubebox.sync._shell import Shell
    from kubebox.sync._terminal import Terminal
    from kubebox.sync._watch import FileWatch
    from kubebox.sync.client import SandboxClient
    from kubebox.sync.manager import Kubebox
    from kubebox.sync.sandbox import Sandbox

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
    "PortForward",
    "Resources",
    "Sandbox",
    "SandboxClient",
    "SandboxInfo",
    "Shell",
    "Terminal",
    "Transferred",
    "Verdict",
    "errors",
]

_HOMES = {
    "BackgroundProcess": "_results",
    "CommandStream": "_results",
    "FileWatch": "_watch",
    "Kubebox": "manager",
    "KubeboxPod": "_pods",
    "KubeboxService": "_services",
    "PortForward": "_forward",
    "Sandbox": "sandbox",
    "SandboxClient": "client",
    "Shell": "_shell",
    "Terminal": "_terminal",
}

if not TYPE_CHECKING:  # to a type checker, a module with __getattr__ has every name

    def __getattr__(name):
        from importlib import import_module

        if name not in __all__:
            raise AttributeError(f"module 'kubebox.sync' has no attribute {name!r}")
        home = f"kubebox.sync.{_HOMES[name]}" if name in _HOMES else "kubebox"
        value = getattr(import_module(home), name)
        globals()[name] = value
        return value

    def __dir__():
        return sorted({*globals(), *__all__})
