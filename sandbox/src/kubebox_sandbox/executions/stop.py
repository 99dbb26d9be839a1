"""Ending executions: SIGTERM to the whole tree, a grace, SIGKILL to what is left."""

import signal

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_sandbox.executions.record import Record
from kubebox_sandbox.executions.verdict import Cause
from kubebox_sandbox.workspace import Failed, Workspace, said
from kubebox_sandbox.workspace.messages import Signalled

TIMEOUT_GRACE_SECONDS = 2.0
"""Seconds between the two signals when a timeout has passed."""

LEASE_GRACE_SECONDS = 2.0
"""The same when a lease has ended."""

KILL_PATIENCE_SECONDS = 5.0
"""Seconds that SIGKILL is repeated until the tree is empty."""

ANSWER_SECONDS = 10.0
"""Seconds for the answer, beyond what was asked to be waited for."""


async def stop(workspace: Workspace, record: Record, cause: Cause, grace: float) -> int:
    """End an execution's tree, leftovers of an ended one too, and wait until it is gone.

    Args:
        workspace: Where it runs.
        record: The execution. Where it has ended by itself already, its verdict stays what it was.
        cause: Who wants it.
        grace: Seconds between the two signals.

    Returns:
        Processes that could not be ended.

    Raises:
        Refused: The workspace cannot be asked.
    """
    await record.settled.wait()
    await workspace.arrives()
    if record.ending is None and record.cause is None:
        workspace.check_connected()  # Else it could be signalled with no cause for it.
        record.cause = cause
    try:
        survivors = await signal_tree(workspace, record, signal.SIGTERM, grace) if grace > 0 else 1
        if survivors:
            survivors = await signal_tree(workspace, record, signal.SIGKILL, KILL_PATIENCE_SECONDS)
    except Failed as failed:
        if failed.errno in ("ESRCH", "ENOENT"):  # init does not know it any more: nothing of it is left.
            return 0
        raise Refused(
            ErrorCode.INTERNAL_ERROR, f"the workspace could not signal: {failed.errno[:32]!a}"
        ) from None
    return survivors


async def signal_tree(
    workspace: Workspace, record: Record, number: signal.Signals, patience: float, *, scope: str = "tree"
) -> int:
    """Signal an execution's processes, and wait until they are gone.

    Args:
        workspace: Where it runs.
        record: The execution.
        number: The signal.
        patience: Seconds to wait.
        scope: `tree`, or `others` for all but its first process.

    Returns:
        Processes that are left.

    Raises:
        Failed: The workspace cannot do it.
        Refused: It cannot be asked.
    """
    answer = await workspace.request(
        "signal",
        {
            "execution": str(record.execution_id),
            "signal": int(number),
            "scope": scope,
            "patience_ms": round(patience * 1000),
        },
        deadline=patience + ANSWER_SECONDS,
    )
    return said(Signalled, answer.fields).survivors
