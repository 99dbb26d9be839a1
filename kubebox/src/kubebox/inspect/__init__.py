"""Sandboxes for Inspect's evaluations: `Task(…, sandbox="kubebox")`. Needs `pip install "kubebox[inspect]"`.

Inspect finds this by its entry point; nothing else imports it.
"""

from kubebox.inspect.config import KubeboxConfig
from kubebox.inspect.environment import KubeboxSandboxEnvironment

__all__ = ["KubeboxConfig", "KubeboxSandboxEnvironment"]
