"""Sessions: a session is a name for a folder and an environment. It is no wall; the wall is the sandbox."""

from dataclasses import dataclass

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_protocol.limits import MAX_ENVIRONMENT_BYTES, MAX_PATH_BYTES
from kubebox_protocol.sessions import InitializeSession, SessionRecord
from kubebox_sandbox.ledger import Ledger
from kubebox_sandbox.workspace import Failed, Operation, Workspace, bytes_field, refusal

MAX_SESSIONS = 10_000
"""Sessions of one sandbox. They cost little, but not nothing."""

FOLDER_MODE = 0o755


@dataclass(frozen=True)
class Session:
    """A session.

    Attributes:
        session_id: Its name.
        root: The root that it lies beneath.
        folder: Its folder, relative to the root.
        env: Variables that each of its commands gets.
    """

    session_id: str
    root: str
    folder: str
    env: dict[str, str]

    @property
    def absolute(self) -> str:
        """The folder's absolute path in the workspace."""
        return "/".join(part for part in (self.root.rstrip("/"), self.folder) if part) or "/"

    def record(self) -> SessionRecord:
        """The session as clients see it."""
        return SessionRecord(session_id=self.session_id, folder=self.absolute)

    def place(self, path: str) -> dict[str, str]:
        """A path of the session, in the line's words."""
        return {
            "root": bytes_field(self.root),
            "folder": bytes_field(self.folder),
            "path": bytes_field(self.relative(path)),
        }

    def relative(self, path: str) -> str:
        """A path relative to the session's folder. Where it leads is for the kernel to say.

        Raises:
            Refused: It is no path, or absolute and elsewhere.
        """
        check_path(path)
        if not path.startswith("/"):
            return path
        folder = self.absolute.rstrip("/")
        if path.rstrip("/") == folder:
            return ""
        if not path.startswith(folder + "/"):
            raise refusal(Failed("EXDEV", "absolute"), Operation.FILE, path)
        return path[len(folder) :].lstrip("/")


class Sessions:
    """All sessions of the sandbox.

    Args:
        workspace: Where their folders are.
        roots: Folders beneath which they may lie.
        ledger: Where they are written down.
    """

    def __init__(self, workspace: Workspace, roots: list[str], ledger: Ledger) -> None:
        self._workspace = workspace
        self._roots = roots
        self._ledger = ledger
        self._sessions: dict[str, Session] = {}
        for entry in ledger.entries():
            session = Session(**entry)
            self._sessions[session.session_id] = session

    def close(self) -> None:
        """Close what is written."""
        self._ledger.close()

    async def initialize(self, request: InitializeSession) -> SessionRecord:
        """Make a session, or find the one of this name and folder, and make its folder where it is missing.

        Raises:
            Refused: The name is taken by another folder, the folder lies outside, or it cannot be made.
        """
        check_environment(request.env)
        root, folder = self._locate(request.path)
        session = Session(request.session_id, root, folder, request.env)
        self._check_known(session)
        try:
            await self._workspace.request(
                "make_dirs",
                {"root": bytes_field(root), "folder": "", "path": bytes_field(folder), "mode": FOLDER_MODE},
            )
        except Failed as failed:
            raise refusal(failed, Operation.FOLDER, request.path) from None
        self._check_known(session)  # Once more: another request may have taken the name meanwhile.
        known = self._sessions.get(session.session_id)
        if known is None:
            self._ledger.append(vars(session))
            known = self._sessions[session.session_id] = session
        return known.record()

    def get(self, session_id: str) -> Session:
        """The session of this name.

        Raises:
            Refused: There is none.
        """
        session = self._sessions.get(session_id)
        if session is None:
            raise Refused(
                ErrorCode.SESSION_NOT_FOUND, "there is no session of that name; initialize it first"
            )
        return session

    def all(self) -> list[SessionRecord]:
        """Every session, oldest first."""
        return [session.record() for session in self._sessions.values()]

    def _check_known(self, session: Session) -> None:
        known = self._sessions.get(session.session_id)
        if known is None:
            if len(self._sessions) >= MAX_SESSIONS:
                raise Refused(
                    ErrorCode.SESSION_CONFLICT,
                    f"there are {MAX_SESSIONS} sessions already",
                    limit=MAX_SESSIONS,
                )
            return
        if known.absolute != session.absolute:
            raise Refused(
                ErrorCode.SESSION_CONFLICT, "the session exists with another folder", folder=known.absolute
            )
        # No variables in the request mean "the session as it is"; whoever gives some must know that they
        # hold.
        if session.env and session.env != known.env:
            raise Refused(ErrorCode.SESSION_CONFLICT, "the session exists with other variables")

    def _locate(self, path: str) -> tuple[str, str]:
        check_path(path)
        if not path.startswith("/"):
            return self._roots[0], _tidy(path)
        # The longest root wins, so that a session's folder is the same however it was written.
        for root in sorted(self._roots, key=len, reverse=True):
            if root == "/" or path.rstrip("/") == root or path.startswith(root + "/"):
                return root, _tidy(path[len(root.rstrip("/")) :])
        raise refusal(Failed("EXDEV", "absolute"), Operation.FOLDER, path)


def _tidy(path: str) -> str:
    # `..` stays: what it means depends on links, so the kernel decides.
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def check_path(path: str) -> None:
    """Refuse what can be no path.

    Raises:
        Refused: It holds NUL, is no Unicode text, or is too long.
    """
    try:
        encoded = path.encode()
    except UnicodeEncodeError:
        raise Refused(ErrorCode.PATH_INVALID, "the path is not Unicode text") from None
    if b"\0" in encoded:
        raise Refused(ErrorCode.PATH_INVALID, "the path holds a NUL character")
    if len(encoded) > MAX_PATH_BYTES:
        raise Refused(
            ErrorCode.PATH_INVALID, f"the path is longer than {MAX_PATH_BYTES} bytes", limit=MAX_PATH_BYTES
        )


def check_environment(env: dict[str, str]) -> None:
    """Refuse what can be no environment.

    Raises:
        Refused: A name is empty or holds `=`, a name or value holds NUL, or it is too large.
    """
    size = 0
    for name, value in env.items():
        if not name or "=" in name or "\0" in name:
            raise Refused(ErrorCode.INVALID_REQUEST, "a variable's name is empty, or holds `=` or NUL")
        if "\0" in value:
            raise Refused(ErrorCode.INVALID_REQUEST, f"the value of {name[:64]!r} holds NUL")
        size += len(name.encode()) + len(value.encode()) + 2
    if size > MAX_ENVIRONMENT_BYTES:
        raise Refused(
            ErrorCode.INVALID_REQUEST,
            f"the variables are longer than {MAX_ENVIRONMENT_BYTES} bytes",
            limit=MAX_ENVIRONMENT_BYTES,
        )
