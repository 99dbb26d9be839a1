"""The server's error codes as exceptions: a closed table, so that nothing a server sends can name a class."""

from typing import Any, Final

from pydantic import ValidationError

from kubebox import errors
from kubebox.errors import KubeboxError
from kubebox_protocol.errors import ErrorBody, ErrorCode

ERRORS: Final[dict[ErrorCode, type[KubeboxError]]] = {
    ErrorCode.INVALID_REQUEST: errors.InvalidRequest,
    ErrorCode.PAYLOAD_TOO_LARGE: errors.PayloadTooLarge,
    ErrorCode.ROUTE_NOT_FOUND: errors.RouteNotFound,
    ErrorCode.METHOD_NOT_ALLOWED: errors.MethodNotAllowed,
    ErrorCode.TOKEN_MISSING: errors.TokenMissing,
    ErrorCode.TOKEN_INVALID: errors.TokenInvalid,
    ErrorCode.TOKEN_EXPIRED: errors.TokenExpired,
    ErrorCode.TOKEN_AUDIENCE: errors.TokenAudience,
    ErrorCode.TOKEN_REPLAYED: errors.TokenReplayed,
    ErrorCode.HOST_REFUSED: errors.HostRefused,
    ErrorCode.ORIGIN_REFUSED: errors.OriginRefused,
    ErrorCode.SESSION_NOT_FOUND: errors.SessionNotFound,
    ErrorCode.SESSION_CONFLICT: errors.SessionConflict,
    ErrorCode.FOLDER_OUTSIDE_ROOTS: errors.FolderOutsideRoots,
    ErrorCode.EXECUTION_NOT_FOUND: errors.ExecutionNotFound,
    ErrorCode.EXECUTION_CONFLICT: errors.ExecutionConflict,
    ErrorCode.TOO_MANY_EXECUTIONS: errors.TooManyExecutions,
    ErrorCode.TOO_MANY_REQUESTS: errors.TooManyRequests,
    ErrorCode.JOURNAL_UNAVAILABLE: errors.JournalUnavailable,
    ErrorCode.EXECUTION_ENDED: errors.ExecutionEnded,
    ErrorCode.INPUT_CLOSED: errors.InputClosed,
    ErrorCode.INPUT_CONFLICT: errors.InputConflict,
    ErrorCode.INPUT_UNKNOWN: errors.InputUnknown,
    ErrorCode.NOT_A_TERMINAL: errors.NotATerminal,
    ErrorCode.NOT_A_SHELL: errors.NotAShell,
    ErrorCode.SHELL_BUSY: errors.ShellBusy,
    ErrorCode.COMMAND_EMPTY: errors.CommandEmpty,
    ErrorCode.COMMAND_TOO_LONG: errors.CommandTooLong,
    ErrorCode.PROGRAM_NOT_FOUND: errors.ProgramNotFound,
    ErrorCode.PROGRAM_NOT_EXECUTABLE: errors.ProgramNotExecutable,
    ErrorCode.USER_UNSUPPORTED: errors.UserUnsupported,
    ErrorCode.USER_UNKNOWN: errors.UserUnknown,
    ErrorCode.OFFSET_EXPIRED: errors.OffsetExpired,
    ErrorCode.OFFSET_BEYOND_END: errors.OffsetBeyondEnd,
    ErrorCode.PATH_INVALID: errors.PathInvalid,
    ErrorCode.PATH_OUTSIDE: errors.PathOutside,
    ErrorCode.FILE_NOT_FOUND: errors.SandboxFileNotFound,
    ErrorCode.FILE_EXISTS: errors.SandboxFileExists,
    ErrorCode.FILE_NOT_REGULAR: errors.FileNotRegular,
    ErrorCode.IS_A_DIRECTORY: errors.SandboxIsADirectory,
    ErrorCode.NOT_A_DIRECTORY: errors.SandboxNotADirectory,
    ErrorCode.DIRECTORY_NOT_EMPTY: errors.DirectoryNotEmpty,
    ErrorCode.PERMISSION_DENIED: errors.SandboxPermissionDenied,
    ErrorCode.NO_SPACE: errors.NoSpace,
    ErrorCode.FILE_CHANGED: errors.FileChanged,
    ErrorCode.EDIT_MISMATCH: errors.EditMismatch,
    ErrorCode.ARCHIVE_REFUSED: errors.ArchiveRefused,
    ErrorCode.ARCHIVE_INVALID: errors.ArchiveInvalid,
    ErrorCode.REGEX_INVALID: errors.RegexInvalid,
    ErrorCode.TOO_MANY_WATCHES: errors.TooManyWatches,
    ErrorCode.PORT_CLOSED: errors.PortClosed,
    ErrorCode.PORT_REFUSED: errors.PortRefused,
    ErrorCode.UPLOAD_NOT_FOUND: errors.UploadNotFound,
    ErrorCode.UPLOAD_CONFLICT: errors.UploadConflict,
    ErrorCode.WORKSPACE_UNAVAILABLE: errors.WorkspaceUnavailable,
    ErrorCode.WORKSPACE_RESTARTING: errors.WorkspaceRestarting,
    ErrorCode.WORKSPACE_EXHAUSTED: errors.WorkspaceExhausted,
    ErrorCode.WORKSPACE_MISBEHAVED: errors.WorkspaceMisbehaved,
    ErrorCode.NETWORK_OPEN: errors.NetworkOpen,
    ErrorCode.INTERNAL_ERROR: errors.ServerError,
}


HINTS: Final[dict[ErrorCode, str]] = {
    ErrorCode.WORKSPACE_EXHAUSTED: (
        'end some commands, or create the sandbox with more, for instance resources={"processes": 2048}'
    ),
}
"""What to do, where only the side that created the sandbox can do it."""


def refusal(body: ErrorBody) -> KubeboxError:
    """The exception for an error that the server sent."""
    try:
        kind = ERRORS[ErrorCode(body.code)]
    except ValueError:  # a newer server's code
        kind = errors.ServerError
    hint = next((hint for code, hint in HINTS.items() if code == body.code), None)
    error = kind(f"{body.message}; {hint}" if hint else body.message)
    error.code = body.code
    error.data.update(body.data)
    return error


def read_refusal(value: Any) -> KubeboxError | None:
    """The exception for an error in decoded JSON, or `None` where it is not in our form."""
    try:
        return refusal(ErrorBody.model_validate(value))
    except ValidationError:
        return None
