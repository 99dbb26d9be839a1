"""What a supervisor is told, and what it says: one JSON object a line."""

import json
import os
from dataclasses import dataclass, field, fields
from typing import Any, Final

from kubebox.errors import KubeboxError
from kubebox.local.resources import Resources

LOG_BYTES: Final = 256 * 1024
"""Bytes of the server's and init's words that are kept; the newest."""

MAX_LINE_BYTES: Final = 4 * 1024 * 1024
"""Bytes of the config: environments may have half a mebibyte."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """A local sandbox, as its supervisor gets it on standard input: secrets are never in an argv or a file.

    Attributes:
        sandbox_id: Its id.
        sandbox_uid: This body's unique id.
        public_keys: Who may call, PEM.
        server: The argv that starts its server.
        init: The path of init.
        search: Where bubblewrap is sought, as in PATH.
        folder: Where its base folder is made.
        hidden: Paths that the workspace must not see, such as the user's home.
        owner: The process id of the user's program.
        network: `none` or `internet`.
        lifetime: Seconds.
        resources: What it may use.
        environment: Of every command.
        secrets: Likewise, and never shown.
    """

    sandbox_id: str
    sandbox_uid: str
    public_keys: str
    server: list[str]
    init: str
    search: str
    folder: str
    hidden: list[str]
    owner: int
    network: str = "none"
    lifetime: float = 3600.0
    resources: Resources = field(default_factory=Resources)
    environment: dict[str, str] = field(default_factory=dict[str, str], repr=False)
    secrets: dict[str, str] = field(default_factory=dict[str, str], repr=False)

    def line(self) -> bytes:
        """The config as it is sent."""
        values: dict[str, Any] = {name.name: getattr(self, name.name) for name in fields(self)}
        values["resources"] = vars(self.resources)
        return json.dumps(values).encode() + b"\n"

    @classmethod
    def parse(cls, line: bytes) -> "Config":
        """Read what `line` wrote."""
        values: dict[str, Any] = json.loads(line)
        values["resources"] = Resources(**values["resources"])
        return cls(**values)


class Log:
    """The newest of what processes say."""

    def __init__(self) -> None:
        self._kept = bytearray()

    def add(self, data: bytes) -> None:
        """Take some more."""
        self._kept += data
        del self._kept[:-LOG_BYTES]

    def text(self) -> str:
        """All that is kept."""
        return self._kept.decode(errors="replace")


def emit(event: str, **values: Any) -> None:
    """Tell the user's program something. It may be gone; then there is nobody to tell."""
    left = json.dumps({"event": event, **values}).encode() + b"\n"
    try:
        while left:  # A pipe may take less than the whole.
            left = left[os.write(1, left) :]
    except OSError:
        return


def emit_refusal(error: KubeboxError) -> None:
    """Tell that there will be no sandbox, and why."""
    emit("refused", code=error.code, message=error.message, data=error.data)


def read_line(descriptor: int) -> bytes:
    """Read one line and nothing after it, which the loop shall see."""
    with open(descriptor, "rb", buffering=0, closefd=False) as stream:
        return stream.readline(MAX_LINE_BYTES)
