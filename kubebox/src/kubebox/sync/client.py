"""`kubebox.client` without `await`.

Made from it by scripts/generate_sync.py; what is changed here is lost.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal, Self, overload

from kubebox._results import BackgroundProcess as AsyncBackgroundProcess
from kubebox._results import CommandResult
from kubebox._results import CommandStream as AsyncCommandStream
from kubebox._signals import Scope
from kubebox._terminal import COLUMNS, ROWS
from kubebox._transport.base import Transport
from kubebox._transport.outage import RECONNECT_SECONDS
from kubebox.client import CONNECT_PATIENCE_SECONDS
from kubebox.client import SandboxClient as AsyncSandboxClient
from kubebox.sync._callbacks import FileContent, from_caller
from kubebox.sync._ports import SandboxPorts
from kubebox.sync._results import BackgroundProcess, CommandStream
from kubebox.sync._sandbox_files import SandboxFiles
from kubebox.sync._share import Share
from kubebox.sync._shell import Shell
from kubebox.sync._terminal import Terminal
from kubebox.sync._wrapper import Wrapper
from kubebox_protocol.executions import CommandMode, Execution
from kubebox_protocol.files import FileInfo, FileList, FileWritten
from kubebox_protocol.info import Info
from kubebox_protocol.sessions import SessionRecord
from kubebox_protocol.steering import KillAllAnswer
from kubebox_protocol.verdicts import Verdict


class SandboxClient(Wrapper[AsyncSandboxClient]):
    """A client of one sandbox.

    Args:
        private_key: PEM text, a path, or nothing: then `$KUBEBOX_PRIVATE_KEY`, then the key in the user's
            config folder, made at first use.
        url: The sandbox's address.
        identity: The identity key that the server must show, base64, where it is known from elsewhere. Else
            the first server that answers is the one that this object trusts.
        reconnect: Seconds that a lost connection may take to come back. Whoever reads output or waits for a command
            then goes on, at the exact byte, and has noticed nothing; later they get `ConnectionLost`. 0 tells of
            each loss at once. No attempt takes longer, and neither does the one that each later call makes; but each
            may take a second, whatever is left, or it would succeed nowhere.
        transport: Another way to the server than a plain one to its address; `private_key`, `identity` and
            `reconnect` are the transport's then.

    Attributes:
        url: The sandbox's address.
        ports: What listens in the sandbox.

    Raises:
        InvalidArgument: The URL is not one.
        KeyInvalid: The private key is not one, or others can read it.
        KeyMissing: The private key is not there.
    """

    def __init__(
        self,
        private_key: str | Path | None = None,
        url: str = "http://localhost:80",
        *,
        identity: str | None = None,
        reconnect: float = RECONNECT_SECONDS,
        transport: Transport | None = None,
    ) -> None:
        self._inner = AsyncSandboxClient(
            private_key, url, identity=identity, reconnect=reconnect, transport=transport
        )
        self._share = Share(self._inner.disconnect)

    @property
    def url(self) -> str:
        """The sandbox's address."""
        return self._inner.url

    @cached_property
    def ports(self) -> SandboxPorts:
        """What listens in the sandbox."""
        return SandboxPorts._of(self._share, self._inner.ports)

    @property
    def info(self) -> Info:
        """What the sandbox says of itself: id, version, roots, profile.

        Raises:
            NotConnected: `connect()` has not been called.
        """
        return self._inner.info

    def connect(self, timeout: float = CONNECT_PATIENCE_SECONDS) -> None:
        """Connect, and make sure that the server is the one that this object knows.

        After a lost connection nobody needs to call this again: whoever waits, and each new call, makes another one.
        It is for who wants to go on trying after `reconnect` seconds.

        Args:
            timeout: Seconds to go on trying while nothing answers.

        Raises:
            SandboxUnreachable: Nothing answered.
            SandboxReplaced: Another server answers than before, or than `identity` names.
            AccessDenied: The server does not let this key in.
        """
        with self._share.hold():
            self._share.call(self._inner.connect(timeout))

    def disconnect(self) -> None:
        """Close the connection. Commands go on; whoever still waits for one gets `NotConnected`."""
        with self._share.ending():
            self._share.call(self._inner.disconnect())

    def __enter__(self) -> Self:
        self.connect()
        return self

    def __exit__(self, *_: object) -> None:
        self.disconnect()

    def initialize_session(
        self, session_id: str, path: str, *, env: Mapping[str, str] | None = None
    ) -> SessionRecord:
        """Make a session, or find the one that has this name and folder.

        Args:
            session_id: Its name.
            path: Its folder, relative to `/workspace`, or absolute beneath one of the sandbox's roots.
            env: Variables that each of its commands gets.

        Raises:
            SessionConflict: The session has another folder.
            FolderOutsideRoots: The folder lies outside of what the sandbox offers.
        """
        return self._share.call(self._inner.initialize_session(session_id, path, env=env))

    def list_sessions(self) -> list[SessionRecord]:
        """All sessions of the sandbox, oldest first."""
        return self._share.call(self._inner.list_sessions())

    def sign_token(self, method: str, target: str) -> str:
        """A token for one request that something else makes, for instance curl; good once, and for a minute.

        Args:
            method: The request's method.
            target: Its path with its query, exactly as it is sent.
        """
        return self._share.call(self._inner.sign_token(method, target))

    @overload
    def run_command(
        self,
        session_id: str,
        command: str | Sequence[str],
        mode: Literal[CommandMode.STREAM] = CommandMode.STREAM,
        path: str | None = None,
        timeout: float | None = None,
        *,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        stdin: str | bytes | None = None,
        open_stdin: bool = False,
        lease: float | None = None,
        process_id: str | None = None,
    ) -> CommandStream: ...

    @overload
    def run_command(
        self,
        session_id: str,
        command: str | Sequence[str],
        mode: Literal[CommandMode.WAIT],
        path: str | None = None,
        timeout: float | None = None,
        *,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        stdin: str | bytes | None = None,
        open_stdin: bool = False,
        lease: float | None = None,
        process_id: str | None = None,
    ) -> CommandResult: ...

    @overload
    def run_command(
        self,
        session_id: str,
        command: str | Sequence[str],
        mode: Literal[CommandMode.BACKGROUND],
        path: str | None = None,
        timeout: float | None = None,
        *,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        stdin: str | bytes | None = None,
        open_stdin: bool = False,
        lease: float | None = None,
        process_id: str | None = None,
    ) -> BackgroundProcess: ...

    @overload
    def run_command(
        self,
        session_id: str,
        command: str | Sequence[str],
        mode: CommandMode,
        path: str | None = None,
        timeout: float | None = None,
        *,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        stdin: str | bytes | None = None,
        open_stdin: bool = False,
        lease: float | None = None,
        process_id: str | None = None,
    ) -> CommandStream | CommandResult | BackgroundProcess: ...

    def run_command(
        self,
        session_id: str,
        command: str | Sequence[str],
        mode: CommandMode = CommandMode.STREAM,
        path: str | None = None,
        timeout: float | None = None,
        *,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        stdin: str | bytes | None = None,
        open_stdin: bool = False,
        lease: float | None = None,
        process_id: str | None = None,
    ) -> CommandStream | CommandResult | BackgroundProcess:
        """Run a command.

        Args:
            session_id: The session whose folder and environment it gets.
            command: Text runs in `bash -c` (`sh -c` where there is no bash); a list runs without a shell.
            mode: `STREAM` gives the output as it comes, `WAIT` all of it at the end, `BACKGROUND` leaves the
                command running.
            path: Folder to run in, relative to the session's.
            timeout: Seconds until the sandbox ends it and all that it started.
            env: Variables that join and override the session's.
            user: Account of the sandbox's image to run as; needs profile `root`.
            stdin: Its standard input, which then ends.
            open_stdin: Leave its standard input open, for `write()` and `close_stdin()` of what this gives; not with WAIT.
            lease: Seconds that it goes on while nobody reads its output; then it is ended. Without one a WAIT goes on for two
                minutes without its client, and the others for ever.
            process_id: A UUID of your own for it: the same one again finds the first start, never runs twice.

        Returns:
            How the command ends is data, whatever its exit code; `check()` makes it an error.

        Raises:
            InvalidArgument: An argument is not what it must be.
            SessionNotFound: The session was never initialised.
            CommandError: The command cannot be run.
            ExecutionConflict: Another command was started under this `process_id`.
            ConnectionLost: The connection was lost, and did not come back within `reconnect` seconds;
                `data["process_id"]` finds the command again.
            SandboxLost: The workspace went while it ran.
        """
        given = self._share.call(
            self._inner.run_command(
                session_id,
                command,
                mode,
                path,
                timeout,
                env=env,
                user=user,
                stdin=stdin,
                open_stdin=open_stdin,
                lease=lease,
                process_id=process_id,
            )
        )
        if isinstance(given, AsyncCommandStream):
            return CommandStream._of(self._share, given)
        if isinstance(given, AsyncBackgroundProcess):
            return BackgroundProcess._of(self._share, given)
        return given

    def attach(self, session_id: str, process_id: str, offset: int = 0) -> CommandStream:
        """A command's output from an offset on, as it comes, until the command ends.

        Args:
            session_id: Its session.
            process_id: Its id.
            offset: The first byte wanted, both streams counted together.
        """
        return CommandStream._of(self._share, self._inner.attach(session_id, process_id, offset))

    def get_process(self, session_id: str, process_id: str) -> BackgroundProcess:
        """A command that was started before, by this client or another one."""
        return BackgroundProcess._of(self._share, self._inner.get_process(session_id, process_id))

    def open_terminal(
        self,
        session_id: str,
        command: str | Sequence[str] | None = None,
        *,
        rows: int = ROWS,
        columns: int = COLUMNS,
        path: str | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        lease: float | None = None,
        process_id: str | None = None,
    ) -> Terminal:
        """Run a command in a terminal; enter it with `with`, which detaches at its end.

        Args:
            session_id: The session whose folder and environment it gets.
            command: As of `run_command`; nothing means an interactive shell (bash, or sh where there is none).
            rows: The terminal's size, in characters.
            columns: The same.
            path: Folder to run in, relative to the session's.
            timeout: Seconds until the sandbox ends it and all that it started.
            env: Variables that join and override the session's; TERM is `xterm-256color` where nobody sets it.
            lease: Seconds that it goes on while nobody views it; `None` for ever.
            process_id: As of `run_command`.

        Raises:
            InvalidArgument: An argument is not what it must be.
            CommandError: The command cannot be run.
        """
        return Terminal._of(
            self._share,
            self._share.open(
                self._inner.open_terminal(
                    session_id,
                    command,
                    rows=rows,
                    columns=columns,
                    path=path,
                    env=env,
                    timeout=timeout,
                    lease=lease,
                    process_id=process_id,
                )
            ),
        )

    def attach_terminal(self, session_id: str, process_id: str, offset: int | None = None) -> Terminal:
        """View a terminal that is there, beside others who do; enter it with `with`.

        Args:
            session_id: Its session.
            process_id: Its id.
            offset: The first byte wanted; nothing means the last 64 KiB of what it has shown.

        Raises:
            ExecutionNotFound: The session has no such command.
            NotATerminal: It runs in none.
            OffsetExpired: That output is no longer held.
        """
        return Terminal._of(
            self._share, self._share.open(self._inner.attach_terminal(session_id, process_id, offset))
        )

    def open_shell(
        self,
        session_id: str,
        path: str | None = None,
        *,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        process_id: str | None = None,
    ) -> Shell:
        """Start a shell that stays; enter it with `with`, which ends it.

        Args:
            session_id: The session whose folder and environment it gets.
            path: Folder to begin in, relative to the session's.
            env: Variables that join and override the session's.
            timeout: Seconds until the sandbox ends it and all that it started.
            process_id: As of `run_command`.

        Raises:
            InvalidArgument: An argument is not what it must be.
        """
        return Shell._of(
            self._share,
            self._share.open(
                self._inner.open_shell(session_id, path, env=env, timeout=timeout, process_id=process_id)
            ),
        )

    def get_shell(self, session_id: str, process_id: str) -> Shell:
        """A shell that was opened before, by this client or another one; nobody else may use it at the same time."""
        return Shell._of(self._share, self._inner.get_shell(session_id, process_id))

    def send_signal(self, session_id: str, process_id: str, signal: str, *, scope: Scope = "tree") -> int:
        """Send a command a signal.

        Args:
            session_id: Its session.
            process_id: Its id.
            signal: Its name, like `SIGINT` or `INT`.
            scope: `tree`: to all that it started too; `leader`: to its own process alone.

        Returns:
            How many processes it was sent to. After the end, `tree` still reaches what the command left, if anything.

        Raises:
            InvalidArgument: There is no such signal.
            ExecutionEnded: The command has ended, and so has its own process.
            ConnectionLost: Whether it was sent is not known. It is not sent twice by itself.
        """
        return self._share.call(self._inner.send_signal(session_id, process_id, signal, scope=scope))

    def check_status(self, session_id: str, process_id: str) -> Execution:
        """A command's record: whether it runs, how it ended, how much it wrote.

        Raises:
            ExecutionNotFound: The session has no such command.
        """
        return self._share.call(self._inner.check_status(session_id, process_id))

    def list_commands(self, session_id: str) -> list[Execution]:
        """The records of all of a session's commands, oldest first; of those that have ended, how much they used too."""
        return self._share.call(self._inner.list_commands(session_id))

    def kill_command(self, session_id: str, process_id: str, *, grace: float = 2.0) -> Verdict:
        """End a command and all that it started; one that has ended stays as it is.

        Args:
            session_id: Its session.
            process_id: Its id.
            grace: Seconds between SIGTERM and SIGKILL.

        Raises:
            ExecutionNotFound: The session has no such command.
        """
        return self._share.call(self._inner.kill_command(session_id, process_id, grace=grace))

    def kill_all_processes(self, session_id: str) -> KillAllAnswer:
        """End all commands of a session, and all that they started."""
        return self._share.call(self._inner.kill_all_processes(session_id))

    @overload
    def get_file(self, session_id: str, path: str, *, encoding: str = "utf-8") -> str: ...

    @overload
    def get_file(self, session_id: str, path: str, *, encoding: None) -> bytes: ...

    def get_file(self, session_id: str, path: str, *, encoding: str | None = "utf-8") -> str | bytes:
        """Read a file.

        Args:
            session_id: The session beneath whose folder it lies.
            path: Its path, relative to that folder.
            encoding: Of its text; `None` gives its bytes.

        Raises:
            SandboxFileNotFound: There is none.
            FileNotText: It is not text in this encoding.
            SandboxIsADirectory: It is a folder.
            PathOutside: The path leads out of the session's folder.
        """
        return self._share.call(self._inner.get_file(session_id, path, encoding=encoding))

    def write_file(
        self, session_id: str, path: str, content: FileContent, *, make_dirs: bool = False
    ) -> FileWritten:
        """Write a file whole: a reader sees the old content or the new.

        Args:
            session_id: The session beneath whose folder it lies.
            path: Its path, relative to that folder.
            content: Text (written as UTF-8), bytes, a `pathlib.Path` of this machine, or an iterable of
                bytes.
            make_dirs: Make missing folders.

        Raises:
            SandboxFileNotFound: A folder is missing.
            NoSpace: The sandbox's disk is full.
            ConnectionLost: The connection broke off; look whether the file was written. It is not written twice by
                itself, since something may have taken it already.
            PathOutside: The path leads out of the session's folder.
        """
        return self._share.call(
            self._inner.write_file(session_id, path, from_caller(content), make_dirs=make_dirs)
        )

    def files(self, session_id: str) -> SandboxFiles:
        """All that can be done with a session's files: `client.files("session").edit(…)`."""
        return SandboxFiles._of(self._share, self._inner.files(session_id))

    def file_exists(self, session_id: str, path: str) -> bool:
        """Whether a file, or a folder, is there."""
        return self._share.call(self._inner.file_exists(session_id, path))

    def stat_file(self, session_id: str, path: str) -> FileInfo:
        """A file's type, size, permission bits and time of change."""
        return self._share.call(self._inner.stat_file(session_id, path))

    def delete_file(self, session_id: str, path: str, *, recursive: bool = False) -> None:
        """Delete a file, or with `recursive` a folder and all in it."""
        self._share.call(self._inner.delete_file(session_id, path, recursive=recursive))

    def make_dirs(self, session_id: str, path: str) -> None:
        """Make a folder and those above it; one that is there is fine."""
        self._share.call(self._inner.make_dirs(session_id, path))

    def list_files(
        self,
        session_id: str,
        path: str = "",
        *,
        regexes: Sequence[str] | None = None,
        files_only: bool = False,
    ) -> FileList:
        """What is beneath a folder, with sizes and times; the answer says whether it is complete."""
        return self._share.call(
            self._inner.list_files(session_id, path, regexes=regexes, files_only=files_only)
        )

    def get_all_file_paths(self, session_id: str, regexes: Sequence[str] | None = None) -> list[str]:
        """The paths of all files of a session, relative to its folder, sorted.

        Args:
            session_id: The session.
            regexes: RE2 patterns that are searched for in each path; any match keeps it.

        Raises:
            ListingIncomplete: There are more than a listing takes.
            RegexInvalid: A pattern is not one.
        """
        return self._share.call(self._inner.get_all_file_paths(session_id, regexes))
