"""The seam between what the client means and how it travels."""

from collections.abc import AsyncIterable, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeAlias, TypeVar
from uuid import UUID

from kubebox.errors import KubeboxError
from kubebox_protocol.base import Answer, Request
from kubebox_protocol.executions import ExecutionEnded, OutputChunk, OutputGap
from kubebox_protocol.info import Info

AnswerModel = TypeVar("AnswerModel", bound=Answer)

Happening: TypeAlias = OutputChunk | OutputGap | ExecutionEnded | KubeboxError
"""What a reader of an execution is told; an error ends it."""

Listener: TypeAlias = Callable[[Happening], None]
Explain: TypeAlias = Callable[[KubeboxError], Awaitable[KubeboxError]]
"""Gives the error to raise where the way to the server failed: the same, or one that knows the cause."""

Query: TypeAlias = Mapping[str, str | int | float | bool]
Content: TypeAlias = bytes | AsyncIterable[bytes]

ANSWER_SECONDS = 30.0
"""Seconds until an answer is given up. Longer than anything the server does by itself before it answers."""


class Transport(Protocol):
    """A way to one sandbox's server. Each method raises a `KubeboxError` and nothing else."""

    @property
    def info(self) -> Info:
        """What the server said of itself at the last introduction."""
        ...

    def check_loop(self) -> None:
        """Refuse another event loop than the one connected on."""
        ...

    async def ready(self) -> None:
        """Have a connection for what is about to be sent: a lost one is made anew, by one attempt."""
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
    ) -> AnswerModel:
        """Send an event and wait for its answer; see `ready`. What was sent is never sent again."""
        ...

    async def tell(self, event: str, request: Request) -> None:
        """Send an event that is not answered."""
        ...

    def listen(self, execution_id: UUID, listener: Listener) -> Listener | None:
        """Have an execution's events passed on; gives the listener that this one replaces."""
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
        timeout: float = ANSWER_SECONDS,
    ) -> AnswerModel:
        """Make a request, with a JSON body or a raw one, that is answered by JSON."""
        ...

    async def delete(self, path: str, *, query: Query | None = None) -> None:
        """Make a DELETE request; its answer says nothing."""
        ...

    def download(self, path: str, *, query: Query) -> AbstractAsyncContextManager[AsyncIterable[bytes]]:
        """Make a GET request that is answered by raw bytes."""
        ...

    async def token(self, method: str, target: str) -> str:
        """Sign a token for one request that somebody else makes."""
        ...
