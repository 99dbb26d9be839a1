"""One local sandbox as the user's program sees it: its supervisor, spoken to over its streams."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from kubebox._backend import Ready
from kubebox._listing import SandboxInfo
from kubebox.errors import (
    InvalidArgument,
    KubeboxError,
    LocalUnavailable,
    NotSupported,
    PodFailed,
    SandboxLost,
)
from kubebox.local import living
from kubebox.local.config import Config
from kubebox_protocol.verdicts import Verdict

DESTROY_SECONDS: Final = 10.0
"""How long a supervisor may take to remove everything before it is killed, which ends its processes too."""

_REFUSALS: Final[Mapping[str, type[KubeboxError]]] = {
    error.code: error for error in (InvalidArgument, LocalUnavailable, NotSupported, PodFailed)
}


class LocalBody:
    """A sandbox's supervisor.

    Args:
        process: The supervisor.
        config: What it is told.
        metadata: What the sandbox is known by.
    """

    def __init__(
        self, process: asyncio.subprocess.Process, config: Config, metadata: Mapping[str, str]
    ) -> None:
        self._process = process
        self._id, self._uid, self._metadata = config.sandbox_id, config.sandbox_uid, metadata
        self._created = datetime.now(UTC)
        self._expires = self._created + timedelta(seconds=config.lifetime)
        self._ready: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
        self._ready.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._asked: dict[int, asyncio.Future[str]] = {}
        self._numbers = itertools.count()
        self._last_log = ""
        self._verdict: Verdict | None = None
        self._send(config.line())
        living.begin(self._uid, self._info)
        self._following = asyncio.create_task(self._follow())

    async def ready(self) -> Ready:
        """See `Body`."""
        return await asyncio.shield(self._ready)

    async def destroy(self) -> None:
        """See `Body`."""
        self._request("destroy")
        done, _ = await asyncio.wait({self._following}, timeout=DESTROY_SECONDS)
        if not done:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await asyncio.wait({self._following})

    async def abandon(self) -> None:
        """See `Body`."""
        await self.destroy()

    async def logs(self) -> str:
        """See `Body`."""
        said = await self._ask("logs")
        return self._last_log if said is None else said

    async def set_timeout(self, seconds: float) -> None:
        """See `Body`."""
        if await self._ask("lifetime", seconds=seconds) is None:
            verdict = self._verdict
            how = f": {verdict.message}" if verdict else ""
            raise SandboxLost(f"the sandbox has ended{how}", verdict=verdict)
        self._expires = datetime.now(UTC) + timedelta(seconds=seconds)

    async def ended(self) -> None:
        """See `Body`."""
        await asyncio.wait({self._following})

    def verdict(self) -> Verdict | None:
        """See `Body`."""
        return self._verdict

    def progress(self) -> str:
        """See `Body`; a start takes a second at most, so there is nothing to tell."""
        return ""

    def _info(self) -> SandboxInfo:
        return SandboxInfo(
            id=self._id,
            state="running" if self._ready.done() else "starting",
            metadata=self._metadata,
            created=self._created,
            expires=self._expires,
        )

    async def _ask(self, operation: str, **values: float) -> str | None:
        """What the supervisor answers; nothing where it has ended."""
        if self._following.done():
            return None
        number = next(self._numbers)
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            self._request(operation, number=number, **values)
            await asyncio.wait({answer, self._following}, return_when=asyncio.FIRST_COMPLETED)
            return answer.result() if answer.done() else None
        finally:
            del self._asked[number]  # Whoever asks next shall not be given this answer.

    def _request(self, operation: str, **values: float) -> None:
        self._send(json.dumps({"op": operation, **values}).encode() + b"\n")

    def _send(self, line: bytes) -> None:
        stdin = self._process.stdin
        if stdin is not None and not stdin.is_closing():
            stdin.write(line)

    async def _follow(self) -> None:
        said = ""
        try:
            said = await self._hear()
        finally:  # However that ended: nobody may wait for a supervisor that is followed no longer.
            self._settle(said)

    async def _hear(self) -> str:
        """Take what the supervisor tells, to its end, and give what it complained of."""
        process = self._process
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None  # noqa: S101, PT018
        complaints = asyncio.create_task(process.stderr.read())
        async for line in process.stdout:
            with contextlib.suppress(json.JSONDecodeError):  # It was killed in the middle of it.
                self._take(json.loads(line))
        await process.wait()
        said = (await complaints).decode(errors="replace").strip()
        process.stdin.close()
        with contextlib.suppress(ConnectionError):
            await process.stdin.wait_closed()
        return said

    def _settle(self, said: str) -> None:
        if self._verdict is None:
            self._verdict = Verdict(kind="unknown", message="its supervisor was killed, and it with it")
        living.end(self._uid)
        if not self._ready.done():
            why = f": {said[-2000:]}" if said else ""
            self._ready.set_exception(
                PodFailed(f"the sandbox's supervisor ended early{why}", verdict=self._verdict)
            )

    def _take(self, event: dict[str, Any]) -> None:
        match event.pop("event"):
            case "ready":
                if not self._ready.done():
                    address = f"127.0.0.1:{event['port']}"
                    ready = Ready(
                        address=address,
                        identity=event["identity"],
                        limits=event["limits"],
                        phases=event["phases"],
                    )
                    self._ready.set_result(ready)
            case "refused":
                if not self._ready.done():
                    kind = _REFUSALS.get(event["code"], PodFailed)
                    self._ready.set_exception(kind(event["message"], **event["data"]))
            case "answer":
                answer = self._asked.get(event["number"])
                if answer is not None and not answer.done():
                    answer.set_result(event["text"])
            case "ended":
                self._verdict = Verdict(kind=event["kind"], message=event["message"])
                self._last_log = event["log"]
            case _:
                pass  # of a newer supervisor
