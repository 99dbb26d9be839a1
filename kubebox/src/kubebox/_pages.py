"""All of a session's commands, page by page."""

from typing import Final
from uuid import UUID

from kubebox._transport.base import Transport
from kubebox.errors import AnswerInvalid, ExecutionNotFound
from kubebox_protocol import events
from kubebox_protocol.executions import Execution, ExecutionList, ListRequest

MAX_BEGINNINGS: Final = 3
"""Times that a listing begins anew, when the record that a page ended with was swept before the next was asked for."""


async def list_executions(transport: Transport, session_id: str) -> list[Execution]:
    """The records of a session's commands, oldest first.

    Raises:
        SessionNotFound: The session was never initialised.
        ExecutionNotFound: Records are swept faster than they are listed.
    """
    for _ in range(MAX_BEGINNINGS - 1):
        try:
            return await _all(transport, session_id)
        except ExecutionNotFound:
            continue
    return await _all(transport, session_id)


async def _all(transport: Transport, session_id: str) -> list[Execution]:
    found: list[Execution] = []
    after: UUID | None = None
    while True:
        request = ListRequest(session_id=session_id, after=after)
        page = await transport.ask(events.LIST_EXECUTIONS, request, ExecutionList, repeat=True)
        found += page.executions
        if page.next is None:
            return found
        if not page.executions:
            raise AnswerInvalid("the server sent an empty page, and says that there are more")
        after = _next(page.next)


def _next(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise AnswerInvalid("what the server says to ask for the next page with is no process id") from None
