"""The seam between what the client means and how it travels."""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias, TypeVar
from uuid import UUID

from kubebox._transport.outage import Outage
from kubebox.errors import ConnectionLost, KubeboxError
from kubebox_protocol.base import Answer, Request
from kubebox_protocol.info import Info
from kubebox_protocol.limits import TOKEN_LIFETIME_SECONDS
from kubebox_protocol.output import ExecutionEnded, OutputChunk, OutputGap

AnswerModel = TypeVar("AnswerModel", bound=Answer)

Happening: TypeAlias = OutputChunk | OutputGap | ExecutionEnded | KubeboxError
"""What a reader of an execution is told; an error ends it."""

Listener: TypeAlias = Callable[[Happening], None]


class Explain(Protocol):
    """Knows more of why the way to a server fails."""

    async def __call__(self, error: KubeboxError, seconds: float | None = None) -> KubeboxError:
        """Give the error to raise: the same, or one that knows the cause.

        Args:
            error: What it looks like.
            seconds: To wait for a cause that is just coming; `None` for as long as one takes to come.
        """
        ...


Query: TypeAlias = Mapping[str, str | int | float | bool]
Content: TypeAlias = bytes | AsyncIterable[bytes]

CONNECT_SECONDS: Final = 10.0
"""Seconds until an address that swallows packets is given up, and a server that does not say who it is."""

ANSWER_SECONDS: Final = 30.0
"""Seconds until an answer is given up. Longer than anything the server does by itself before it answers."""


class Channel(Protocol):
    """A WebSocket to the server, for one connection of a port. It must be closed."""

    async def send(self, message: bytes | str) -> None:
        """Send a message. `OSError` where the channel has ended."""
        ...

    async def next(self) -> bytes | str | None:
        """The next message; `None` when there are no more."""
        ...

    async def close(self, code: int) -> None:
        """Say goodbye, where that does not take long."""
        ...


@dataclass(frozen=True)
class Body:
    """An answer's raw bytes, as they come.

    Attributes:
        headers: The answer's; to look a name up, any case will do.
        pieces: The bytes.
    """

    headers: Mapping[str, str]
    pieces: AsyncIterator[bytes]


class Transport(Protocol):
    """A way to one sandbox's server. Each method raises a `KubeboxError` and nothing else.

    A lost connection is made anew for whoever needs one, for `reconnect` seconds after the loss, unless the sandbox is
    known to have ended. What was not sent yet is sent then. What was sent, and may have been carried out, is sent
    again only where the caller says that this changes nothing (`repeat`):

    | repeated | since |
    | --- | --- |
    | a start | the server runs an execution id at most once, and gives the same record again |
    | an attachment | it only reads, and takes the place of the one before |
    | a kill | what has been killed stays killed, and the record says so |
    | input | each piece says how many bytes came before it, and what is there already is left out |
    | a shell's command | the server runs each number at most once, and gives the same result again |
    | a terminal's size | it is the same then |
    | a session's initialisation, making folders | what is there is found |
    | a connection to a port | nothing was said on it yet |
    | questions: records, sessions, files' content, what is there | they change nothing |
    | the beginning of an upload | the client names it, and the server finds it again; what is there already is left out |

    Not repeated: writing a file (what waits for it may have taken it already, and would find it twice), deleting (the
    second one would find nothing, or what came after), signals (two are not the same as one), killing all (it would end
    what was started in between, and count wrong).
    """

    @property
    def info(self) -> Info:
        """What the server said of itself at the last introduction."""
        ...

    @property
    def reconnect(self) -> float:
        """Seconds that a lost connection may take to come back."""
        ...

    @property
    def connected(self) -> bool:
        """Whether there is a connection, as far as anybody knows."""
        ...

    @property
    def wanted(self) -> bool:
        """Whether there shall be a connection: from `connect` to `disconnect`."""
        ...

    def check_loop(self) -> None:
        """Refuse another event loop than the one connected on."""
        ...

    async def explain(self, error: KubeboxError) -> KubeboxError:
        """The error to raise for one that a listener was told."""
        ...

    async def connect(self, patience: float) -> None:
        """Reach the server, make sure who it is, and open the connection for events."""
        ...

    async def disconnect(self) -> None:
        """Close everything; whoever still waits is told."""
        ...

    async def ask(
        self,
        event: str,
        request: Request | None,
        answer: type[AnswerModel],
        *,
        timeout: float = ANSWER_SECONDS,
        repeat: bool = False,
        before: Callable[[], None] | None = None,
        lost: ConnectionLost | None = None,
    ) -> AnswerModel:
        """Send an event and wait for its answer.

        Args:
            event: Its name.
            request: What it asks.
            answer: What it is answered with.
            timeout: Seconds to wait for the answer.
            repeat: Whether it may be sent again after a lost connection.
            before: Called each time, immediately before it is sent: what listeners were told until then came from
                connections that are no more.
            lost: The loss on account of which it is sent.

        Raises:
            SandboxUnreachable: There was no connection, and nothing was sent.
            ConnectionLost: The connection was lost after it had been sent, or before (`lost`), and did not come back.
        """
        ...

    async def tell(self, event: str, request: Request, before: Callable[[], None] | None = None) -> None:
        """Send an event that is not answered; where there is no connection, nothing: listeners are told of that.

        Args:
            event: Its name.
            request: What it says.
            before: Called immediately before it is sent.
        """
        ...

    def listen(self, execution_id: UUID, listener: Listener) -> Listener | None:
        """Have an execution's events passed on; gives the listener that this one replaces.

        It is told of each loss, and stays: a new connection sends nothing that it was not asked for.
        """
        ...

    def leave(self, execution_id: UUID, listener: Listener) -> bool:
        """Stop passing on; false where another listener, or none, is in place."""
        ...

    async def request(
        self,
        method: str,
        path: str,
        answer: type[AnswerModel],
        *,
        query: Query | None = None,
        body: Request | None = None,
        content: Content | None = None,
        length: int | None = None,
        timeout: float = ANSWER_SECONDS,
        repeat: bool = False,
    ) -> AnswerModel:
        """Make a request, with a JSON body or a raw one, that is answered by JSON; see `ask`.

        Args:
            method: Of the request.
            path: What is asked for.
            answer: What it is answered with.
            query: How.
            body: JSON to send.
            content: Raw bytes to send instead.
            length: How many those are, where they come in pieces and it is known.
            timeout: Seconds to wait for the answer.
            repeat: Whether it may be sent again after a lost connection.
        """
        ...

    async def delete(self, path: str, *, query: Query | None = None) -> None:
        """Make a DELETE request; its answer says nothing."""
        ...

    async def download(self, path: str, *, query: Query) -> bytes:
        """Make a GET request that is answered by raw bytes; it is repeated."""
        ...

    def stream(
        self, path: str, *, query: Query, headers: Mapping[str, str] | None = None
    ) -> AbstractAsyncContextManager[Body]:
        """Make a GET request that is answered by raw bytes, which are read as they come. It is not repeated."""
        ...

    async def open_channel(self, target: str) -> Channel:
        """Open a WebSocket; it is repeated."""
        ...

    async def token(self, method: str, target: str, lifetime: int = TOKEN_LIFETIME_SECONDS) -> str:
        """Sign a token for one request that somebody else makes, good for so many seconds."""
        ...

    def outage(self) -> Outage:
        """The time in which a transfer that has been cut off may find its server again, from now on."""
        ...

    async def reach_again(self, failure: KubeboxError, outage: Outage) -> None:
        """Wait until a server answers again, so that what was cut off can go on.

        Args:
            failure: How it was cut off.
            outage: Since when. It begins anew with each connection that brought something.

        Raises:
            KubeboxError: The failure, where it is none that time mends or none answered in time; or why it will not.
        """
        ...
