"""Error codes: one closed list for both ends of the wire, each with its HTTP status."""

from enum import StrEnum
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field


class ErrorCode(StrEnum):
    """What went wrong. The values are stable: programs and documentation refer to them."""

    INVALID_REQUEST = "invalid-request"
    PAYLOAD_TOO_LARGE = "payload-too-large"
    ROUTE_NOT_FOUND = "route-not-found"
    METHOD_NOT_ALLOWED = "method-not-allowed"

    TOKEN_MISSING = "token-missing"  # noqa: S105 - a code, not a token
    TOKEN_INVALID = "token-invalid"  # noqa: S105
    TOKEN_EXPIRED = "token-expired"  # noqa: S105
    TOKEN_AUDIENCE = "token-audience"  # noqa: S105
    TOKEN_REPLAYED = "token-replayed"  # noqa: S105
    HOST_REFUSED = "host-refused"
    ORIGIN_REFUSED = "origin-refused"

    SESSION_NOT_FOUND = "session-not-found"
    SESSION_CONFLICT = "session-conflict"
    FOLDER_OUTSIDE_ROOTS = "folder-outside-roots"

    EXECUTION_NOT_FOUND = "execution-not-found"
    EXECUTION_CONFLICT = "execution-conflict"
    TOO_MANY_EXECUTIONS = "too-many-executions"
    EXECUTION_ENDED = "execution-ended"
    TOO_MANY_REQUESTS = "too-many-requests"
    JOURNAL_UNAVAILABLE = "journal-unavailable"
    INPUT_CLOSED = "input-closed"
    INPUT_CONFLICT = "input-conflict"
    INPUT_UNKNOWN = "input-unknown"
    NOT_A_TERMINAL = "not-a-terminal"
    NOT_A_SHELL = "not-a-shell"
    SHELL_BUSY = "shell-busy"
    COMMAND_EMPTY = "command-empty"
    COMMAND_TOO_LONG = "command-too-long"
    PROGRAM_NOT_FOUND = "program-not-found"
    PROGRAM_NOT_EXECUTABLE = "program-not-executable"
    USER_UNSUPPORTED = "user-unsupported"
    USER_UNKNOWN = "user-unknown"
    OFFSET_EXPIRED = "offset-expired"
    OFFSET_BEYOND_END = "offset-beyond-end"

    PATH_INVALID = "path-invalid"
    PATH_OUTSIDE = "path-outside"
    FILE_NOT_FOUND = "file-not-found"
    FILE_EXISTS = "file-exists"
    FILE_NOT_REGULAR = "file-not-regular"
    IS_A_DIRECTORY = "is-a-directory"
    NOT_A_DIRECTORY = "not-a-directory"
    DIRECTORY_NOT_EMPTY = "directory-not-empty"
    PERMISSION_DENIED = "permission-denied"
    NO_SPACE = "no-space"
    FILE_CHANGED = "file-changed"
    EDIT_MISMATCH = "edit-mismatch"
    ARCHIVE_REFUSED = "archive-refused"
    ARCHIVE_INVALID = "archive-invalid"
    REGEX_INVALID = "regex-invalid"
    TOO_MANY_WATCHES = "too-many-watches"
    UPLOAD_NOT_FOUND = "upload-not-found"
    UPLOAD_CONFLICT = "upload-conflict"

    PORT_CLOSED = "port-closed"
    PORT_REFUSED = "port-refused"

    WORKSPACE_UNAVAILABLE = "workspace-unavailable"
    WORKSPACE_RESTARTING = "workspace-restarting"
    WORKSPACE_EXHAUSTED = "workspace-exhausted"
    WORKSPACE_MISBEHAVED = "workspace-misbehaved"
    NETWORK_OPEN = "network-open"
    INTERNAL_ERROR = "internal-error"


STATUS: Final[dict[ErrorCode, int]] = {
    ErrorCode.INVALID_REQUEST: 400,
    ErrorCode.PAYLOAD_TOO_LARGE: 413,
    ErrorCode.ROUTE_NOT_FOUND: 404,
    ErrorCode.METHOD_NOT_ALLOWED: 405,
    ErrorCode.TOKEN_MISSING: 401,
    ErrorCode.TOKEN_INVALID: 401,
    ErrorCode.TOKEN_EXPIRED: 401,
    ErrorCode.TOKEN_AUDIENCE: 403,
    ErrorCode.TOKEN_REPLAYED: 401,
    ErrorCode.HOST_REFUSED: 421,
    ErrorCode.ORIGIN_REFUSED: 403,
    ErrorCode.SESSION_NOT_FOUND: 404,
    ErrorCode.SESSION_CONFLICT: 409,
    ErrorCode.FOLDER_OUTSIDE_ROOTS: 403,
    ErrorCode.EXECUTION_NOT_FOUND: 404,
    ErrorCode.EXECUTION_CONFLICT: 409,
    ErrorCode.TOO_MANY_EXECUTIONS: 429,
    ErrorCode.EXECUTION_ENDED: 409,
    ErrorCode.TOO_MANY_REQUESTS: 429,
    ErrorCode.JOURNAL_UNAVAILABLE: 507,
    ErrorCode.INPUT_CLOSED: 409,
    ErrorCode.INPUT_CONFLICT: 409,
    ErrorCode.INPUT_UNKNOWN: 409,
    ErrorCode.NOT_A_TERMINAL: 409,
    ErrorCode.NOT_A_SHELL: 409,
    ErrorCode.SHELL_BUSY: 409,
    ErrorCode.COMMAND_EMPTY: 400,
    ErrorCode.COMMAND_TOO_LONG: 413,
    ErrorCode.PROGRAM_NOT_FOUND: 422,
    ErrorCode.PROGRAM_NOT_EXECUTABLE: 422,
    ErrorCode.USER_UNSUPPORTED: 422,
    ErrorCode.USER_UNKNOWN: 422,
    ErrorCode.OFFSET_EXPIRED: 410,
    ErrorCode.OFFSET_BEYOND_END: 416,
    ErrorCode.PATH_INVALID: 400,
    ErrorCode.PATH_OUTSIDE: 403,
    ErrorCode.FILE_NOT_FOUND: 404,
    ErrorCode.FILE_EXISTS: 409,
    ErrorCode.FILE_NOT_REGULAR: 422,
    ErrorCode.IS_A_DIRECTORY: 422,
    ErrorCode.NOT_A_DIRECTORY: 422,
    ErrorCode.DIRECTORY_NOT_EMPTY: 409,
    ErrorCode.PERMISSION_DENIED: 403,
    ErrorCode.NO_SPACE: 507,
    ErrorCode.FILE_CHANGED: 412,
    ErrorCode.EDIT_MISMATCH: 409,
    ErrorCode.ARCHIVE_REFUSED: 422,
    ErrorCode.ARCHIVE_INVALID: 400,
    ErrorCode.REGEX_INVALID: 400,
    ErrorCode.TOO_MANY_WATCHES: 429,
    ErrorCode.PORT_CLOSED: 409,
    ErrorCode.PORT_REFUSED: 403,
    ErrorCode.UPLOAD_NOT_FOUND: 404,
    ErrorCode.UPLOAD_CONFLICT: 409,
    ErrorCode.WORKSPACE_UNAVAILABLE: 503,
    ErrorCode.WORKSPACE_RESTARTING: 503,
    ErrorCode.WORKSPACE_EXHAUSTED: 503,
    ErrorCode.WORKSPACE_MISBEHAVED: 502,
    ErrorCode.NETWORK_OPEN: 503,
    ErrorCode.INTERNAL_ERROR: 500,
}
"""The HTTP status that each code travels with."""


class ErrorBody(BaseModel):
    """An error on the wire: the body of a refused request, and the `error` member of a Socket.IO answer.

    `code` is text here, not `ErrorCode`: an older client must be able to read what a newer server says.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    code: str
    message: str
    data: dict[str, Any] = Field(default_factory=dict)


class Refused(Exception):
    """A request that the server turns down, with the code that tells a program why.

    Args:
        code: The stable code.
        message: What happened, to what, and what to do about it.
        data: Machine-readable details, for instance the limit that was passed.
    """

    def __init__(self, code: ErrorCode, message: str, **data: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data

    @property
    def status(self) -> int:
        """The HTTP status that fits the code."""
        return STATUS[self.code]

    def body(self) -> ErrorBody:
        """The error as it travels."""
        return ErrorBody(code=self.code, message=self.message, data=self.data)
