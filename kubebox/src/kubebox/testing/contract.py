"""The contract that every backend must keep: what it is made of and how it is run."""

import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TypeAlias
from uuid import uuid4

from kubebox.client import SandboxClient
from kubebox.testing import (
    _changes,
    _commands,
    _endings,
    _files,
    _folders,
    _input,
    _ports,
    _sessions,
    _steering,
    _transfers,
    _watch,
)
from kubebox.testing._box import Box

Check: TypeAlias = Callable[[Box], Awaitable[None]]
OpenClient: TypeAlias = Callable[[], AbstractAsyncContextManager[SandboxClient]]

__all__ = ["Box", "Check", "OpenClient", "Outcome", "all_checks", "run_contract"]


@dataclass(frozen=True)
class Outcome:
    """How one check went.

    Attributes:
        name: The check, `module.function`.
        promise: What it checks, one sentence.
        seconds: How long it took.
        failure: Why it failed, with the trace; `None` when it passed.
    """

    name: str
    promise: str
    seconds: float
    failure: str | None


def all_checks() -> dict[str, Check]:
    """Each check by its name, in order."""
    checks: dict[str, Check] = {}
    for module in (
        _sessions,
        _commands,
        _endings,
        _steering,
        _files,
        _changes,
        _folders,
        _transfers,
        _watch,
        _input,
        _ports,
    ):
        area = module.__name__.rpartition("._")[2]
        checks.update({f"{area}.{check.__name__}": check for check in module.CHECKS})
    return checks


async def run_contract(open_client: OpenClient, only: str = "") -> AsyncIterator[Outcome]:
    """Run the checks against one sandbox, each in a session of its own.

    Args:
        open_client: Gives a connected client and closes it afterwards.
        only: Run the checks whose names contain this.

    Yields:
        The outcome of each check, as it comes.
    """
    async with open_client() as client:
        for name, check in all_checks().items():
            if only in name:
                yield await _run(name, check, client)


async def _run(name: str, check: Check, client: SandboxClient) -> Outcome:
    session_id = f"contract-{uuid4()}"
    await client.initialize_session(session_id, session_id)
    started = time.monotonic()
    failure = None
    try:
        await check(Box(client, session_id))
    except (
        Exception
    ):  # the boundary of a check: whatever it raised is its outcome, and the next one still runs
        failure = traceback.format_exc()
    finally:
        await client.kill_all_processes(session_id)
    promise = (check.__doc__ or name).strip().splitlines()[0]
    return Outcome(name, promise, time.monotonic() - started, failure)
