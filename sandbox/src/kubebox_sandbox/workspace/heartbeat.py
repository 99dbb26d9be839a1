"""Asking the workspace now and then whether it is still there.

A frozen init closes nothing and answers nothing.
"""

import asyncio

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_sandbox.workspace.requests import Workspace

INTERVAL_SECONDS = 5.0
"""Seconds between two questions: so late a dead line is noticed where nothing else is asked."""

PATIENCE_SECONDS = 60.0
"""Seconds without an answer until the line is given up. A workspace under a fork bomb is slow, and worth
waiting for."""


async def keep_asking(workspace: Workspace) -> None:
    """Ask for as long as the server lives."""
    while True:
        await asyncio.sleep(INTERVAL_SECONDS)
        if not workspace.connected:
            continue
        try:
            await workspace.request("ping", {}, deadline=PATIENCE_SECONDS)
        except Refused as refused:
            # Any other refusal is no silence: the kernel may have been short of memory for a moment.
            if workspace.connected and refused.code is ErrorCode.WORKSPACE_UNAVAILABLE:
                workspace.break_line(f"it has not answered for {PATIENCE_SECONDS:.0f} s")
