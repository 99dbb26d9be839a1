"""Files that come in parts: over one connection, and where that is cut, over the next ones."""

from uuid import UUID

from pydantic import Field

from kubebox_protocol.base import Answer, Request, Written
from kubebox_protocol.files import FileWritten
from kubebox_protocol.limits import MAX_FILE_BYTES, MAX_PATH_BYTES

MAX_TIME_NS = 2**63 - 1


class BeginUpload(Request):
    """Begin to upload a file, or ask how far an upload has come: the same request again finds the same upload.

    Attributes:
        upload_id: What the client calls it.
        path: Where the file shall be.
        size: Its bytes. With the last of them it takes its place.
        mode: Its permission bits; unless given, those of the file that it replaces.
        modified_ns: When it was changed, Unix time in nanoseconds; now unless given.
        make_dirs: Make missing folders.
    """

    upload_id: Written[UUID]
    path: str = Field(max_length=MAX_PATH_BYTES)
    size: int = Field(ge=0, le=MAX_FILE_BYTES)
    mode: int | None = Field(default=None, ge=0, le=0o777)
    modified_ns: int | None = Field(default=None, ge=-MAX_TIME_NS, le=MAX_TIME_NS)
    make_dirs: bool = False


class UploadStatus(Answer):
    """How far an upload has come.

    Attributes:
        offset: Bytes that the server has; the next ones begin there.
        written: The file, when it is in its place.
    """

    offset: int
    written: FileWritten | None = None
