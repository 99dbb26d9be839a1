"""`SandboxClient`: what a program asks of one sandbox."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Self, overload

from kubebox import _arguments
from kubebox._executions import Executions
from kubebox._files import FileContent, Files
from kubebox._opening import Opening
from kubebox._ports import SandboxPorts
from kubebox._results import BackgroundProcess, CommandResult, CommandStream
from kubebox._sandbox_files import SandboxFiles
from kubebox._shell import Shell, open_shell
from kubebox._signals import Scope
from kubebox._terminal import COLUMNS, ROWS, Terminal, attach_terminal, open_terminal
from kubebox._transport.direct import DirectTransport
from kubebox._transport.outage import RECONNECT_SECONDS
from kubebox.keys import resolve_private_key
from kubebox_protocol import events
from kubebox_protocol.executions import CommandMode, Execution
from kubebox_protocol.files import FileInfo, FileList, FileWritten
from kubebox_protocol.info import Info
from kubebox_protocol.sessions import InitializeSession, SessionList, SessionRecord
from kubebox_protocol.steering import KillAllAnswer
from kubebox_protocol.verdicts import Verdict

if TYPE_CHECKING:
    from kubebox._transport.base import Transport

CONNECT_PATIENCE_SECONDS: Final = 60.0
"""Seconds that connect() goes on trying: so long may a new load balancer refuse, or its name not resolve."""


class SandboxClient:
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
        executions: What commands are made of; `Sandbox` shares it.
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
        transport: "Transport | None" = None,
    ) -> None:
        self.url = _arguments.address(url)
        self._transport: Transport = transport or DirectTransport(
            self.url,
            resolve_private_key(private_key),
            identity,
            reconnect=_arguments.seconds_or_none("reconnect", reconnect),
        )
        self.executions = Executions(self._transport)
        self._files = Files(self._transport)
        self.ports = SandboxPorts(self._transport)

    @property
    def info(self) -> Info:
        """What the sandbox says of itself: id, version, roots, profile.

        Raises:
            NotConnected: `connect()` has not been called.
        """
        return self._transport.info

    async def connect(self, timeout: float = CONNECT_PATIENCE_SECONDS) -> None:
        """Connect, and make sure that the server is the one that this object knows.

        After a lost connection nobody needs to call this again: whoever waits, and each new call, makes another one.
        It is for who wants to go on trying after `reconnect` seconds.

        Args:
            timeout: Seconds to go on trying while nothing answers.

        Raises:
            SandboxUnreachable: Nothing answered.
            SandboxReplaced: Another server answers than before, or than `identity` names.
            AccessDenied: The server does not let this key in.
            WrongEventLoop: It is connected on another event loop.
        """
        await self._transport.connect(timeout)

    async def disconnect(self) -> None:
        """Close the connection. Commands go on; whoever still waits for one gets `NotConnected`."""
        self._transport.check_loop()
        try:
            await self.ports.close()
        finally:  # Who is cancelled in one step leaves none of the others undone: above all the last.
            try:
                await self.executions.close()
            finally:
                await self._transport.disconnect()

    def __repr__(self) -> str:
        return f"SandboxClient(url={self.url!r})"

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.disconnect()

    async def initialize_session(
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
        request = _arguments.build(
            InitializeSession,
            session_id=_arguments.session(session_id),
            path=_arguments.path(path),
            env=_arguments.variables(env),
        )
        return await self._transport.ask(events.INITIALIZE_SESSION, request, SessionRecord, repeat=True)

    async def list_sessions(self) -> list[SessionRecord]:
        """All sessions of the sandbox, oldest first."""
        return (await self._transport.ask(events.LIST_SESSIONS, None, SessionList, repeat=True)).sessions

    async def sign_token(self, method: str, target: str) -> str:
        """A token for one request that something else makes, for instance curl; good once, and for a minute.

        Args:
            method: The request's method.
            target: Its path with its query, exactly as it is sent.
        """
        return await self._transport.token(method, target)

    @overload
    async def run_command(
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
    async def run_command(
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
    async def run_command(
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
    async def run_command(
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
    async def run_command(
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
        session_id = _arguments.session(session_id)
        if mode == CommandMode.WAIT and lease is None:
            lease = self.executions.wait_lease
        start = _arguments.start(
            command,
            mode,
            path=path,
            timeout=timeout,
            env=env,
            user=user,
            stdin=stdin,
            process_id=process_id,
            open_stdin=open_stdin,
            lease=lease,
        )
        if start.mode is CommandMode.WAIT:
            return await self.executions.wait(session_id, start)
        if start.mode is CommandMode.BACKGROUND:
            return await self.executions.background(session_id, start)
        return await self.executions.stream(session_id, start)

    def attach(self, session_id: str, process_id: str, offset: int = 0) -> CommandStream:
        """A command's output from an offset on, as it comes, until the command ends.

        Args:
            session_id: Its session.
            process_id: Its id.
            offset: The first byte wanted, both streams counted together.
        """
        return self.executions.attach(_arguments.session(session_id), process_id, offset)

    def get_process(self, session_id: str, process_id: str) -> BackgroundProcess:
        """A command that was started before, by this client or another one."""
        execution_id = str(_arguments.process(process_id))
        return BackgroundProcess(self.executions, _arguments.session(session_id), execution_id)

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
    ) -> Opening[Terminal]:
        """Run a command in a terminal: await it, or enter it with `async with`, which detaches at its end.

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
        return Opening(
            lambda: open_terminal(
                self._transport,
                self.executions,
                _arguments.session(session_id),
                command,
                rows=rows,
                columns=columns,
                path=path,
                env=env,
                timeout=timeout,
                lease=lease,
                process_id=process_id,
            )
        )

    def attach_terminal(
        self, session_id: str, process_id: str, offset: int | None = None
    ) -> Opening[Terminal]:
        """View a terminal that is there, beside others who do: await it, or enter it with `async with`.

        Args:
            session_id: Its session.
            process_id: Its id.
            offset: The first byte wanted; nothing means the last 64 KiB of what it has shown.

        Raises:
            ExecutionNotFound: The session has no such command.
            NotATerminal: It runs in none.
            OffsetExpired: That output is no longer held.
        """
        return Opening(
            lambda: attach_terminal(
                self._transport, self.executions, _arguments.session(session_id), process_id, offset
            )
        )

    def open_shell(
        self,
        session_id: str,
        path: str | None = None,
        *,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        process_id: str | None = None,
    ) -> Opening[Shell]:
        """Start a shell that stays: await it, or enter it with `async with`, which ends it.

        Args:
            session_id: The session whose folder and environment it gets.
            path: Folder to begin in, relative to the session's.
            env: Variables that join and override the session's.
            timeout: Seconds until the sandbox ends it and all that it started.
            process_id: As of `run_command`.

        Raises:
            InvalidArgument: An argument is not what it must be.
        """
        return Opening(
            lambda: open_shell(
                self._transport,
                self.executions,
                _arguments.session(session_id),
                path=path,
                env=env,
                timeout=timeout,
                process_id=process_id,
            )
        )

    def get_shell(self, session_id: str, process_id: str) -> Shell:
        """A shell that was opened before, by this client or another one; nobody else may use it at the same time."""
        execution_id = str(_arguments.process(process_id))
        return Shell(self._transport, self.executions, _arguments.session(session_id), execution_id, None)

    async def send_signal(
        self, session_id: str, process_id: str, signal: str, *, scope: Scope = "tree"
    ) -> int:
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
        return await self.executions.steering.signal(
            _arguments.session(session_id), process_id, signal, scope
        )

    async def check_status(self, session_id: str, process_id: str) -> Execution:
        """A command's record: whether it runs, how it ended, how much it wrote.

        Raises:
            ExecutionNotFound: The session has no such command.
        """
        return await self.executions.status(_arguments.session(session_id), process_id)

    async def list_commands(self, session_id: str) -> list[Execution]:
        """The records of all of a session's commands, oldest first; of those that have ended, how much they used too."""
        return await self.executions.list(_arguments.session(session_id))

    async def kill_command(self, session_id: str, process_id: str, *, grace: float = 2.0) -> Verdict:
        """End a command and all that it started; one that has ended stays as it is.

        Args:
            session_id: Its session.
            process_id: Its id.
            grace: Seconds between SIGTERM and SIGKILL.

        Raises:
            ExecutionNotFound: The session has no such command.
        """
        return await self.executions.kill(_arguments.session(session_id), process_id, grace)

    async def kill_all_processes(self, session_id: str) -> KillAllAnswer:
        """End all commands of a session, and all that they started."""
        return await self.executions.kill_all(_arguments.session(session_id))

    @overload
    async def get_file(self, session_id: str, path: str, *, encoding: str = "utf-8") -> str: ...
    @overload
    async def get_file(self, session_id: str, path: str, *, encoding: None) -> bytes: ...
    async def get_file(self, session_id: str, path: str, *, encoding: str | None = "utf-8") -> str | bytes:
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
        session_id = _arguments.session(session_id)
        if encoding is None:
            return await self._files.read(session_id, path)
        return await self._files.read_text(session_id, path, encoding)

    async def write_file(
        self, session_id: str, path: str, content: FileContent, *, make_dirs: bool = False
    ) -> FileWritten:
        """Write a file whole: a reader sees the old content or the new.

        Args:
            session_id: The session beneath whose folder it lies.
            path: Its path, relative to that folder.
            content: Text (written as UTF-8), bytes, a `pathlib.Path` of this machine, or an async iterable of
                bytes.
            make_dirs: Make missing folders.

        Raises:
            SandboxFileNotFound: A folder is missing.
            NoSpace: The sandbox's disk is full.
            ConnectionLost: The connection broke off; look whether the file was written. It is not written twice by
                itself, since something may have taken it already.
            PathOutside: The path leads out of the session's folder.
        """
        return await self._files.write(_arguments.session(session_id), path, content, make_dirs=make_dirs)

    def files(self, session_id: str) -> SandboxFiles:
        """All that can be done with a session's files: `client.files("session").edit(…)`."""
        return SandboxFiles(self._files, _arguments.session(session_id))

    async def file_exists(self, session_id: str, path: str) -> bool:
        """Whether a file, or a folder, is there."""
        return await self._files.exists(_arguments.session(session_id), path)

    async def stat_file(self, session_id: str, path: str) -> FileInfo:
        """A file's type, size, permission bits and time of change."""
        return await self._files.stat(_arguments.session(session_id), path)

    async def delete_file(self, session_id: str, path: str, *, recursive: bool = False) -> None:
        """Delete a file, or with `recursive` a folder and all in it."""
        await self._files.delete(_arguments.session(session_id), path, recursive=recursive)

    async def make_dirs(self, session_id: str, path: str) -> None:
        """Make a folder and those above it; one that is there is fine."""
        await self._files.make_dirs(_arguments.session(session_id), path)

    async def list_files(
        self,
        session_id: str,
        path: str = "",
        *,
        regexes: Sequence[str] | None = None,
        files_only: bool = False,
    ) -> FileList:
        """What is beneath a folder, with sizes and times; the answer says whether it is complete."""
        session_id = _arguments.session(session_id)
        return await self._files.list(session_id, path, regexes=regexes, files_only=files_only)

    async def get_all_file_paths(self, session_id: str, regexes: Sequence[str] | None = None) -> list[str]:
        """The paths of all files of a session, relative to its folder, sorted.

        Args:
            session_id: The session.
            regexes: RE2 patterns that are searched for in each path; any match keeps it.

        Raises:
            ListingIncomplete: There are more than a listing takes.
            RegexInvalid: A pattern is not one.
        """
        return await self._files.all_paths(_arguments.session(session_id), regexes)
