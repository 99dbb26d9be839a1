"""WebSocket as ASGI speaks of it: messages from frames and back, and how one ends."""

import asyncio
import contextlib
from typing import Any, Final

from starlette.types import Message, Send

NORMAL: Final = 1000
POLICY_VIOLATION: Final = 1008
TOO_LARGE: Final = 1009

CLOSE_SECONDS: Final = 1.0
"""Seconds for a goodbye."""


def message_of(frame: str | bytes) -> dict[str, Any]:
    """What ASGI is given to send a frame."""
    return {"type": "websocket.send", "text" if isinstance(frame, str) else "bytes": frame}


def frame_of(message: Message) -> str | bytes | None:
    """The frame of what ASGI has received; `None` where no more come."""
    if message["type"] != "websocket.receive":
        return None
    text: str | None = message.get("text")
    return text if text is not None else message.get("bytes") or b""


async def say_goodbye(send: Send, code: int) -> None:
    """End a WebSocket."""
    # Whoever reads nothing reads no goodbye.
    with contextlib.suppress(TimeoutError, OSError, RuntimeError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await send({"type": "websocket.close", "code": code})
