"""What the source does not say of itself: which classes are made synchronous, and what is particular about them."""

from typing import Final

MODULES: Final = {
    "_results": ("CommandStream", "BackgroundProcess"),
    "_shell": ("Shell",),
    "_terminal": ("Terminal",),
    "_sandbox_files": ("SandboxFiles",),
    "_watch": ("FileWatch",),
    "_forward": ("PortForward",),
    "_ports": ("SandboxPorts",),
    "_pods": ("KubeboxPod",),
    "_services": ("KubeboxService",),
    "_kept": ("KubeboxSecret", "KubeboxNetworkPolicy"),
    "client": ("SandboxClient",),
    "manager": ("Kubebox",),
    "sandbox": ("Sandbox",),
}
"""The modules of `kubebox`, and their classes; each module becomes one of the same name in `kubebox.sync`."""

CONSTRUCTED: Final = {"SandboxClient": "disconnect", "Kubebox": None}
"""The classes that users construct, and what closes one that was thrown away. Kubebox looks after its own thread."""

FAREWELLS: Final = {"Sandbox": "client.disconnect"}
"""The same for classes whose class methods make them. What runs in a local sandbox ends with it, by its Kubebox."""

HOLDING: Final = {"SandboxClient.connect"}
"""What opens a connection, which lives on the loop."""

ENDING: Final = {"SandboxClient.disconnect", "Sandbox.kill", "Sandbox.disconnect", "Sandbox.close"}
"""What closes it."""

LEFT_OUT: Final = {
    "SandboxClient.executions": "it is no part of the public API",
    "KubeboxService.asks_for": "it is no part of the public API",
    "Kubebox.find_pod": "it is for Sandbox.connect, which gives what it finds",
    "Sandbox.map": "what it runs side by side is asynchronous; threads with a Sandbox each are the same without",
}
"""Public names that have no synchronous form, and why."""

ATTRIBUTE_TYPES: Final = {
    "SandboxClient.url": "str",
    "Sandbox.files": "SandboxFiles",
    "Sandbox.ports": "SandboxPorts",
    "PortForward.port": "int",
    "PortForward.local_port": "int",
    "PortForward.url": "str",
    "KubeboxPod.name": "str",
    "KubeboxPod.namespace": "str",
    "KubeboxService.name": "str",
    "KubeboxService.namespace": "str",
    "KubeboxSecret.name": "str",
    "KubeboxSecret.namespace": "str",
    "KubeboxNetworkPolicy.name": "str",
    "KubeboxNetworkPolicy.namespace": "str",
}
"""Types of attributes that `__init__` does not show; the type checker holds them against the truth."""

OPENINGS: Final = {"Opening": None, "SandboxCreation": "Sandbox"}
"""What is awaited, or entered with `async with`, and what that gives: its argument, or this. Here a call just gives it."""

CALLBACKS: Final = "kubebox.sync._callbacks"

GIVEN: Final = {"OnOutput": "in_caller", "FileContent": "from_caller"}
"""Types of arguments that the loop calls or reads, and what has the caller's thread do that. `CALLBACKS` has both names."""

NAMES: Final = {
    "aclose": "close",
    "__aiter__": "__iter__",
    "__anext__": "__next__",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
}
"""Names that are others without `async`."""

PHRASES: Final = {
    ": await it, or enter it with `async with`": "; enter it with `with`",
    "as sandbox`, or `await` it.": "as sandbox`.",
    "sandbox = await Sandbox.create()": "sandbox = Sandbox.create()",
    "as shell: await shell.run(": "as shell: shell.run(",
    "It starts at once, with or without a running loop; failures show when awaited.": (
        "It starts at once; failures show when it is waited for."
    ),
    "with another specification, awaiting it raises": "with another specification, waiting for it raises",
    "an async iterable of": "an iterable of",
    " One that has a pod can be killed from any event loop.": "",
    "\n    WrongEventLoop: It is connected on another event loop.": "",
    "on_stdout: Called with text as it comes.": "on_stdout: Called with text as it comes, in the thread that called this.",
    "`aclose()`": "`close()`",
    "async with": "with",
    "async for": "for",
}
"""What docstrings say otherwise without `await`, in this order. Each must be there: a phrase that went is taken out here too."""

UNSPEAKABLE: Final = r"\b(async\w*|await\w*|coroutines?|event loops?)\b"
"""What no docstring may say after that."""
