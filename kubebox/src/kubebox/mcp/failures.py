"""Failures, as models are told of them: a code to rely on, and words that say what to do."""

import json
import logging
from typing import Any, Final

from mcp.types import CallToolResult, TextContent

from kubebox.errors import KubeboxError

ERROR_KEY: Final = "kubebox/error"
"""Where a failed call's result has its machine-readable half. Not among the structured content: some clients hold that to the
schema of results, failures too."""

_log = logging.getLogger(__name__)


def failed(error: KubeboxError) -> CallToolResult:
    """A call that came to nothing, and why."""
    return _failed(error.code, error.message, error.data)


def crashed(tool: str, error: Exception) -> CallToolResult:
    """A call that met a fault of our own. What it says may quote anything, so it goes to the server's log alone."""
    _log.error("%s failed unexpectedly", tool, exc_info=error)
    return _failed("internal-error", f"{tool} failed: a fault of kubebox itself; its log says more", {})


def _failed(code: str, message: str, data: dict[str, Any]) -> CallToolResult:
    told = {"code": code, "message": message, "data": json.loads(json.dumps(data, default=str))}
    return CallToolResult(
        content=[TextContent(text=f"{code}: {message}")],
        is_error=True,
        _meta={ERROR_KEY: told},
    )
