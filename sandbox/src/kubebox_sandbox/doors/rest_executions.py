"""REST: executions and their output."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import FastAPI, Query, Request, Response

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_protocol.executions import Execution, ExecutionList, StartCommand
from kubebox_protocol.limits import MAX_PAGE
from kubebox_protocol.output import OutputType
from kubebox_protocol.steering import (
    Input,
    InputAnswer,
    Kill,
    KillAllAnswer,
    KillAnswer,
    Signal,
    SignalAnswer,
)
from kubebox_sandbox.doors.rest_requests import RANGE, InRooms, InSession, body_of
from kubebox_sandbox.doors.streams import StreamedBytes
from kubebox_sandbox.executions import Attachment, Gap, Record

MAX_WAIT_SECONDS = 60.0
"""Seconds that one request may wait for an end: below the timeouts of the proxies between."""

MAX_OFFSET = 2**63 - 1
BASE = "/v1/sessions/{session_id}"
EXECUTIONS = f"{BASE}/executions"
EXECUTION = EXECUTIONS + "/{execution_id}"


def add_executions(app: FastAPI) -> None:
    """Add the routes of executions."""

    @app.post(EXECUTIONS)
    async def start(rooms: InRooms, session: InSession, request: Request, response: Response) -> Execution:
        record, made = await rooms.executions.start(session, await body_of(request, StartCommand))
        response.status_code = 201 if made else 200
        return record.view()

    @app.get(EXECUTIONS)
    async def list_executions(
        rooms: InRooms,
        session: InSession,
        after: UUID | None = None,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = MAX_PAGE,
    ) -> ExecutionList:
        records, next = rooms.executions.page(session, after, limit)
        return ExecutionList(
            executions=[record.view() for record in records], next=None if next is None else str(next)
        )

    @app.get(EXECUTION)
    async def status(
        rooms: InRooms,
        session: InSession,
        execution_id: UUID,
        wait: Annotated[float, Query(ge=0, le=MAX_WAIT_SECONDS, allow_inf_nan=False)] = 0,
    ) -> Execution:
        record = rooms.executions.get(session, execution_id)
        await _wait_for_end(record, wait)
        return record.view()

    @app.get(f"{EXECUTION}/output")
    async def output(
        rooms: InRooms,
        session: InSession,
        execution_id: UUID,
        request: Request,
        offset: Annotated[int, Query(ge=0, le=MAX_OFFSET)] = 0,
        follow: bool = False,
        stream: OutputType | None = None,
    ) -> Response:
        record = rooms.executions.get(session, execution_id)
        wanted = RANGE.fullmatch(request.headers.get("range", ""))
        if wanted is not None and not (follow or offset or stream):
            return _part(record, int(wanted[1]), int(wanted[2]) + 1 if wanted[2] else record.journal.end)
        return _output(record, offset, follow, stream)

    @app.post(f"{EXECUTION}/kill")
    async def kill(rooms: InRooms, session: InSession, execution_id: UUID, request: Request) -> KillAnswer:
        asked = await body_of(request, Kill)
        return await rooms.executions.kill(rooms.executions.get(session, execution_id), asked)

    @app.post(f"{EXECUTION}/signal")
    async def signal(
        rooms: InRooms, session: InSession, execution_id: UUID, request: Request
    ) -> SignalAnswer:
        asked = await body_of(request, Signal)
        count = await rooms.executions.signal(rooms.executions.get(session, execution_id), asked)
        return SignalAnswer(signalled=count)

    @app.post(f"{EXECUTION}/input")
    async def give_input(
        rooms: InRooms, session: InSession, execution_id: UUID, request: Request
    ) -> InputAnswer:
        asked = await body_of(request, Input)
        record = rooms.executions.get(session, execution_id)
        # Whoever writes by single requests is nobody in particular: only offsets tell one writer from the next.
        return InputAnswer(offset=await rooms.executions.give(record, None, asked))

    @app.post(f"{BASE}/kill-all")
    async def kill_all(rooms: InRooms, session: InSession) -> KillAllAnswer:
        return await rooms.executions.kill_all(session)


async def _wait_for_end(record: Record, seconds: float) -> None:
    if seconds > 0:
        try:
            async with asyncio.timeout(seconds):
                await record.ended.wait()
        except TimeoutError:
            return  # The record says that it still runs.


def _part(record: Record, offset: int, end: int) -> Response:
    end = min(end, record.journal.end)
    if offset >= end:
        raise Refused(ErrorCode.OFFSET_BEYOND_END, "the range holds no output", end_offset=record.journal.end)
    attachment = record.attach(offset, None)
    size = "*" if record.ending is None else str(record.journal.end)
    headers = {
        "content-type": "application/octet-stream",
        "content-length": str(end - offset),
        "content-range": f"bytes {offset}-{end - 1}/{size}",
    }
    pieces = _pieces(attachment, end, None)
    return StreamedBytes(pieces, headers, on_close=lambda: record.detach(attachment), status=206)


def _output(record: Record, offset: int, follow: bool, stream: OutputType | None) -> Response:
    attachment = record.attach(offset, None)
    end = None if follow else record.journal.end
    headers = {"content-type": "application/octet-stream", "accept-ranges": "bytes"}
    if end is not None:
        headers["kubebox-next-offset"] = str(record.journal.held_until(offset))
    pieces = _pieces(attachment, end, stream)
    return StreamedBytes(pieces, headers, on_close=lambda: record.detach(attachment))


async def _pieces(attachment: Attachment, end: int | None, stream: OutputType | None) -> AsyncIterator[bytes]:
    while end is None or attachment.offset < end:
        item = await attachment.next()
        if item is None:
            return
        if isinstance(item, Gap):
            # A body has no way to say that something is missing. Without `follow` the header told where it
            # ends; with it, the connection is cut, and whoever asks for the rest is told where that begins.
            if end is None:
                raise ConnectionAbortedError("output was dropped before it was read")
            return
        if stream is None or item.stream == stream:
            yield item.data if end is None else item.data[: end - item.offset]
