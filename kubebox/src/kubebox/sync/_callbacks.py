"""What a caller gives for the loop to use: it is called, or read, in the caller's own thread."""

import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeAlias, TypeVar, cast, overload

from kubebox import _files
from kubebox.errors import InvalidArgument
from kubebox.sync._call import current_call

T = TypeVar("T")
Given = ParamSpec("Given")

OnOutput: TypeAlias = Callable[[str], object]
"""Is given text as it comes, in the thread that made the call, before the call returns."""

FileContent: TypeAlias = "str | bytes | bytearray | memoryview | Path | Iterable[bytes]"
"""What can be written: text (as UTF-8), bytes, a file of this machine, or pieces as they come."""

END: Final = object()
"""What `next` gives at an iterator's end: an exception would be taken for one of the caller's."""


@overload
def in_caller(callback: None) -> None: ...
@overload
def in_caller(callback: Callable[Given, T]) -> Callable[Given, Coroutine[Any, Any, T]]: ...
def in_caller(callback: Callable[Given, T] | None) -> Callable[Given, Coroutine[Any, Any, T]] | None:
    """A coroutine function that calls this one in the thread which waits, and waits until it has returned.

    Raises:
        InvalidArgument: It is a coroutine function, which nobody would await.
    """
    if callback is None:
        return None
    called = _checked(callback)

    async def ask(*args: Given.args, **kwargs: Given.kwargs) -> T:
        return await current_call().ask(lambda: called(*args, **kwargs))

    return ask


@overload
def told_caller(callback: None) -> None: ...
@overload
def told_caller(callback: Callable[Given, object]) -> Callable[Given, None]: ...
def told_caller(callback: Callable[Given, object] | None) -> Callable[Given, None] | None:
    """A function that has this one called in the thread which waits, and does not wait itself.

    Raises:
        InvalidArgument: It is a coroutine function, which nobody would await.
    """
    if callback is None:
        return None
    called = _checked(callback)

    def tell(*args: Given.args, **kwargs: Given.kwargs) -> None:
        current_call().tell(lambda: called(*args, **kwargs))

    return tell


def from_caller(content: FileContent) -> _files.FileContent:
    """The same content, whose pieces are taken in the thread that waits.

    Raises:
        InvalidArgument: It is nothing that can be written.
    """
    if isinstance(content, (str, bytes, bytearray, memoryview, Path)):
        return cast("_files.FileContent", content)
    if not isinstance(content, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance] - untyped callers
        raise InvalidArgument("content: must be text, bytes, a pathlib.Path, or an iterable of bytes")
    return _pieces(iter(content))


async def _pieces(content: Iterator[T]) -> AsyncGenerator[T]:
    while (piece := await current_call().ask(lambda: next(content, END))) is not END:
        yield cast("T", piece)


def _checked(callback: Callable[Given, T]) -> Callable[Given, T]:
    if inspect.iscoroutinefunction(callback):
        raise InvalidArgument(
            "a callback of kubebox.sync must be a plain function: nobody would await a coroutine"
        )
    return callback
