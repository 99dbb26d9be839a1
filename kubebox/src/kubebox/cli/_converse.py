"""A person and a terminal elsewhere, joined until one of them leaves."""

import asyncio
import signal
from enum import Enum
from typing import Final

from kubebox._aside import STDIN, STDOUT, Aside, read_some, write_all
from kubebox._terminal import Terminal
from kubebox.cli._attend import on_signals, with_beside
from kubebox.cli._escapes import Escapes, Wish
from kubebox.cli._raw import BACK_TO_PLAIN, raw, size
from kubebox.errors import ExecutionEnded, InputClosed, InputConflict

TYPED_PIECES: Final = 64
"""Pieces of what is typed that wait for a program that does not read. So much is looked through for escapes meanwhile."""

HELP: Final = (
    "\r\n~d  leave it; what runs goes on\r\n~.  end it\r\n~~  a tilde\r\n"
    "At the start of a line; all other keys go to the program.\r\n"
)
CANNOT_LEAVE: Final = "\r\nkubebox: this sandbox was made for this terminal and ends with it; ~. ends it\r\n"
WATCHING: Final = "\r\nkubebox: another client types here, and this one watches; --take takes over\r\n"


class Left(Enum):
    """Why a person and a terminal parted."""

    ENDED = "ended"
    DETACHED = "detached"


class Conversation:
    """A person at this process's terminal, and a terminal elsewhere.

    Args:
        terminal: The one elsewhere.
        lasting: Whether it can be left.
        take: Whether to take over from another client that types.
    """

    def __init__(self, terminal: Terminal, *, lasting: bool, take: bool) -> None:
        self._terminal = terminal
        self._lasting = lasting
        self._take = take
        self._typed: asyncio.Queue[bytes] = asyncio.Queue(TYPED_PIECES)
        self._resized = asyncio.Event()
        self._left = asyncio.Event()
        self._screen = Aside("screen")
        self._keys = Aside("keys")

    async def hold(self) -> Left:
        """Join them until what runs has ended, or the person leaves.

        Raises:
            KubeboxError: The terminal was lost.
        """
        numbers = [signal.SIGWINCH] if hasattr(signal, "SIGWINCH") else []
        try:
            with raw(), on_signals(lambda _: self._resized.set(), *numbers):
                return await with_beside(
                    self._until_left(), self._read_keys(), self._pass_keys(), self._pass_sizes()
                )
        finally:
            self._screen.close()
            self._keys.close()

    async def _until_left(self) -> Left:
        showing = asyncio.ensure_future(self._show())
        leaving = asyncio.ensure_future(self._left.wait())
        try:
            await asyncio.wait({showing, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if showing.done():
                await showing
                return Left.ENDED
        finally:
            for task in (showing, leaving):
                task.cancel()
            await asyncio.wait({showing, leaving})
        await self._terminal.detach()
        await self._say(BACK_TO_PLAIN)
        return Left.DETACHED

    async def _show(self) -> None:
        async for data in self._terminal:
            await self._screen.do(write_all, STDOUT, data)

    async def _read_keys(self) -> None:
        escapes = Escapes()
        while typed := await self._keys.do(read_some, STDIN):
            for found in escapes.read(typed):
                if isinstance(found, bytes):
                    await self._typed.put(found)
                else:
                    await self._grant(found)

    async def _grant(self, wish: Wish) -> None:
        if wish is Wish.END:
            await self._terminal.kill()
        elif wish is Wish.HELP:
            await self._say(HELP)
        elif self._lasting:
            self._left.set()
        else:
            await self._say(CANNOT_LEAVE)

    async def _pass_keys(self) -> None:
        while True:
            typed = await self._typed.get()
            try:
                await self._terminal.write(typed, take=self._take)
                self._take = False
            except (InputClosed, ExecutionEnded):
                return  # Its end is about to be shown.
            except InputConflict:
                await self._say(WATCHING)

    async def _pass_sizes(self) -> None:
        while True:
            await self._resized.wait()
            self._resized.clear()
            try:
                await self._terminal.resize(*size())
            except ExecutionEnded:
                return

    async def _say(self, text: str) -> None:
        await self._screen.do(write_all, STDOUT, text.encode())
