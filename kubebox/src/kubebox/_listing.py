"""What a list of sandboxes says of each, and the metadata by which they are told apart."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, TypeAlias

from kubebox.errors import InvalidArgument
from kubebox_protocol.verdicts import Verdict

MAX_ENTRIES: Final = 32
MAX_NAME_BYTES: Final = 128
MAX_VALUE_BYTES: Final = 1024
"""Of metadata, in UTF-8. With JSON's escapes it is 222 KiB at most: Kubernetes takes 256 KiB of annotations on one object,
and the record has others."""

SandboxState: TypeAlias = Literal["starting", "running", "ended"]


@dataclass(frozen=True, kw_only=True)
class SandboxInfo:
    """One sandbox, as it was when the list was made.

    Attributes:
        id: Its id, for `Sandbox.connect`.
        state: `starting` until it answers, `running`, or `ended`.
        metadata: What it was given at its creation.
        created: When.
        expires: When its lifetime is over.
        verdict: How it ended; `None` while it lives, or where nobody has said.
    """

    id: str
    state: SandboxState
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    created: datetime
    expires: datetime
    verdict: Verdict | None = None

    def has(self, metadata: Mapping[str, str]) -> bool:
        """Whether it was given all of these entries."""
        return metadata.items() <= self.metadata.items()


def check_metadata(metadata: Mapping[str, str] | None) -> dict[str, str]:
    """Check what a sandbox shall be known by.

    Raises:
        InvalidArgument: Something is no text, too long, or too many.
    """
    checked = dict(metadata or {})
    if len(checked) > MAX_ENTRIES:
        raise InvalidArgument(f"metadata: {len(checked)} entries; at most {MAX_ENTRIES}", limit=MAX_ENTRIES)
    for name, value in checked.items():
        if not name or _size("a name", name) > MAX_NAME_BYTES:
            raise InvalidArgument(
                f"metadata: {name[:40]!r} is no name: it has 1 to {MAX_NAME_BYTES} bytes of UTF-8",
                limit=MAX_NAME_BYTES,
            )
        size = _size(f"the value of {name!r}", value)
        if size > MAX_VALUE_BYTES:
            raise InvalidArgument(
                f"metadata: the value of {name!r} has {size} bytes; at most {MAX_VALUE_BYTES}",
                limit=MAX_VALUE_BYTES,
            )
    return checked


def _size(what: str, text: str) -> int:
    try:
        return len(text.encode())
    except (AttributeError, UnicodeEncodeError):
        raise InvalidArgument(f"metadata: {what} must be text, which UTF-8 can have") from None
