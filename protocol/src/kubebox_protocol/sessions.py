"""Sessions: a name for a folder and an environment."""

from typing import Annotated

from pydantic import Field, StringConstraints

from kubebox_protocol.base import Answer, Request, Text
from kubebox_protocol.limits import MAX_PATH_BYTES, MAX_SESSION_ID_LENGTH

SessionId = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=MAX_SESSION_ID_LENGTH, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$"
    ),
]
"""A session's name: letters, digits, `.`, `_`, `:` and `-`, so that it can stand in a URL and in a log line as it is."""


class InitializeSession(Request):
    """Make a session, or find the one that has this name and folder.

    Attributes:
        session_id: The session's name, chosen by the client.
        path: Its folder: relative to `/workspace`, or absolute beneath one of the sandbox's roots. Made where missing.
        env: Variables that each of its commands gets.
    """

    session_id: SessionId
    path: str = Field(max_length=MAX_PATH_BYTES)
    env: dict[Text, Text] = Field(default_factory=dict[str, str])


class SessionRecord(Answer):
    """A session as the server knows it.

    Attributes:
        session_id: Its name.
        folder: Its folder's absolute path in the workspace.
    """

    session_id: str
    folder: str


class SessionList(Answer):
    """All sessions of a sandbox, oldest first."""

    sessions: list[SessionRecord]
