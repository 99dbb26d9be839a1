"""init's errno to our codes: closed tables, one for each kind of operation."""

from enum import Enum
from typing import Final

from kubebox_protocol.errors import ErrorCode, Refused

MAX_LOGGED_CHARACTERS: Final = 200
"""Characters of the workspace's own words in one line of the log."""


class Failed(Exception):
    """init could not do what it was asked.

    Attributes:
        errno: The error's name, `ENOENT`; from the workspace, so only ever looked up.
        what: init's own words on what failed; for the log and for `internal-error` alone.
        entry: Of an archive, counted from one; 0 for none.
    """

    def __init__(self, errno: str, what: str, entry: int = 0) -> None:
        super().__init__(f"{errno[:32]!r} ({what[:MAX_LOGGED_CHARACTERS]!r})")
        self.errno = errno
        self.what = what
        self.entry = entry


class Operation(Enum):
    """What was tried, which decides what an errno means."""

    START = "start"
    FOLDER = "folder"
    FILE = "file"
    USER = "user"


_EXHAUSTED: Final = dict.fromkeys(
    ["EAGAIN", "ENOMEM", "EMFILE", "ENFILE", "ETOOMANYREFS", "ENOBUFS"], ErrorCode.WORKSPACE_EXHAUSTED
)
_PATHS: Final = {
    "ENOENT": ErrorCode.FILE_NOT_FOUND,
    "EEXIST": ErrorCode.FILE_EXISTS,
    "EXDEV": ErrorCode.PATH_OUTSIDE,
    "ELOOP": ErrorCode.PATH_OUTSIDE,  # A link that leads nowhere allowed: /proc's magic links, or a circle.
    "ENOTDIR": ErrorCode.NOT_A_DIRECTORY,
    "EISDIR": ErrorCode.IS_A_DIRECTORY,
    "ENOTEMPTY": ErrorCode.DIRECTORY_NOT_EMPTY,
    "ENOTREG": ErrorCode.FILE_NOT_REGULAR,
    "ENXIO": ErrorCode.FILE_NOT_REGULAR,
    "ENODEV": ErrorCode.FILE_NOT_REGULAR,
    "EACCES": ErrorCode.PERMISSION_DENIED,
    "EPERM": ErrorCode.PERMISSION_DENIED,
    "EROFS": ErrorCode.PERMISSION_DENIED,
    "EBUSY": ErrorCode.PERMISSION_DENIED,
    "ETXTBSY": ErrorCode.PERMISSION_DENIED,
    "ENAMETOOLONG": ErrorCode.PATH_INVALID,
    "EINVAL": ErrorCode.PATH_INVALID,
    "EILSEQ": ErrorCode.PATH_INVALID,
    "ENOSPC": ErrorCode.NO_SPACE,
    "EDQUOT": ErrorCode.NO_SPACE,
    "EFBIG": ErrorCode.NO_SPACE,
    "ESTALE": ErrorCode.FILE_CHANGED,
    **_EXHAUSTED,
}
_TABLES: Final[dict[Operation, dict[str, ErrorCode]]] = {
    Operation.FILE: _PATHS,
    Operation.FOLDER: _PATHS
    | {"EXDEV": ErrorCode.FOLDER_OUTSIDE_ROOTS, "ELOOP": ErrorCode.FOLDER_OUTSIDE_ROOTS},
    Operation.USER: {
        "ENOENT": ErrorCode.USER_UNKNOWN,
        "EPERM": ErrorCode.USER_UNSUPPORTED,
    },
    Operation.START: {
        "ENOENT": ErrorCode.PROGRAM_NOT_FOUND,
        "EACCES": ErrorCode.PROGRAM_NOT_EXECUTABLE,
        "EPERM": ErrorCode.PROGRAM_NOT_EXECUTABLE,
        "ENOEXEC": ErrorCode.PROGRAM_NOT_EXECUTABLE,
        "EISDIR": ErrorCode.PROGRAM_NOT_EXECUTABLE,
        "ENOTDIR": ErrorCode.PROGRAM_NOT_FOUND,
        "ELOOP": ErrorCode.PROGRAM_NOT_FOUND,
        "ENAMETOOLONG": ErrorCode.PROGRAM_NOT_FOUND,
        "ETXTBSY": ErrorCode.PROGRAM_NOT_EXECUTABLE,
        "ELIBBAD": ErrorCode.PROGRAM_NOT_EXECUTABLE,
        "E2BIG": ErrorCode.COMMAND_TOO_LONG,
        "EEXIST": ErrorCode.EXECUTION_CONFLICT,
        "ENOSPC": ErrorCode.WORKSPACE_EXHAUSTED,
        **_EXHAUSTED,
    },
}
_MESSAGES: Final = {
    ErrorCode.FILE_NOT_FOUND: "{subject} does not exist",
    ErrorCode.FILE_EXISTS: "{subject} exists already",
    ErrorCode.PATH_OUTSIDE: "{subject} is not beneath the session's folder",
    ErrorCode.FOLDER_OUTSIDE_ROOTS: "{subject} is not beneath one of the sandbox's roots",
    ErrorCode.NOT_A_DIRECTORY: "{subject}, or a part of it, is not a directory",
    ErrorCode.IS_A_DIRECTORY: "{subject} is a directory",
    ErrorCode.DIRECTORY_NOT_EMPTY: "{subject} is a directory with something in it; ask for `recursive`",
    ErrorCode.FILE_NOT_REGULAR: "{subject} is not a regular file",
    ErrorCode.PERMISSION_DENIED: "the workspace's user may not do that to {subject}",
    ErrorCode.PATH_INVALID: "{subject} is not a path that the kernel takes",
    ErrorCode.NO_SPACE: "the workspace has no space left for {subject}",
    ErrorCode.FILE_CHANGED: "{subject} is not what it was: read it again, and decide anew",
    ErrorCode.PROGRAM_NOT_FOUND: "{subject} was not found",
    ErrorCode.PROGRAM_NOT_EXECUTABLE: "{subject} cannot be executed",
    ErrorCode.USER_UNKNOWN: "the workspace has no account {subject}",
    ErrorCode.USER_UNSUPPORTED: "the workspace may not run anything as {subject}: it lacks the capabilities SETUID and SETGID",
    ErrorCode.COMMAND_TOO_LONG: "{subject} is, with arguments and environment, longer than the kernel takes",
    ErrorCode.EXECUTION_CONFLICT: "the workspace knows this execution already",
    ErrorCode.WORKSPACE_EXHAUSTED: "the workspace has no processes, memory or descriptors left",
}


def refusal(failed: Failed, operation: Operation, subject: str) -> Refused:
    """What a client is told of a failure.

    Args:
        failed: What init said.
        operation: What was tried.
        subject: What it was tried on, in the client's own words. Nothing of the workspace's words goes into
            the answer, so that an outside path that exists and one that does not look the same.
    """
    code = _TABLES[operation].get(failed.errno)
    if code is None:
        return Refused(ErrorCode.INTERNAL_ERROR, f"the workspace failed with {failed.errno[:32]!a}")
    shown = repr(subject if len(subject) <= 256 else subject[:256] + "…")
    return Refused(code, _MESSAGES[code].format(subject=shown))
