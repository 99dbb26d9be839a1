"""Everything that Kubebox raises: one tree, each class with a stable `code` for programs.

```
KubeboxError                         what every error here is
├── ConfigurationError               the program or its machine is not set up for this
│   ├── InvalidArgument              also ValueError
│   ├── KeyInvalid                   also ValueError
│   ├── KeyMissing                   also FileNotFoundError
│   ├── LocalUnavailable             this machine cannot run local sandboxes
│   ├── NotSupported                 also NotImplementedError
│   └── WrongEventLoop               also RuntimeError; the connection belongs to another event loop
├── AccessDenied                     also PermissionError
│   ├── TokenMissing, TokenInvalid, TokenExpired, TokenAudience, TokenReplayed
│   ├── HostRefused, OriginRefused
│   └── SandboxReplaced              another sandbox answers at this address; nothing is signed for it
├── ConnectionFailed                 also ConnectionError
│   ├── NotConnected                 connect() has not been called, or disconnect() or kill() has
│   ├── SandboxUnreachable           nothing answers at the address
│   ├── ConnectionLost               it broke off, and did not come back in time, or may not be used again
│   ├── AnswerTimeout                also TimeoutError
│   └── AnswerInvalid                what answers does not speak the protocol
├── RequestError                     the server did not take the request as one
│   └── InvalidRequest (also ValueError), PayloadTooLarge (also ValueError), RouteNotFound, MethodNotAllowed,
│       TooManyRequests
├── SessionError
│   ├── SessionNotFound              also LookupError
│   ├── SessionConflict
│   └── FolderOutsideRoots           also PermissionError
├── ExecutionError
│   ├── ExecutionNotFound            also LookupError
│   ├── ExecutionConflict
│   ├── ExecutionUnknown             how it ended cannot be known; `verdict`
│   ├── TooManyExecutions
│   ├── ExecutionEnded, InputConflict, InputUnknown, NotATerminal, NotAShell, ShellBusy
│   ├── InputClosed                  also BrokenPipeError
│   ├── JournalUnavailable           also OSError; the sandbox's own disk takes no more, and nothing was started
│   ├── OffsetExpired                that output is no longer held; data["first_offset"] is
│   └── OffsetBeyondEnd
├── CommandError
│   ├── CommandEmpty, CommandTooLong           also ValueError
│   ├── ProgramNotFound                        also FileNotFoundError
│   ├── ProgramNotExecutable, UserUnsupported  also PermissionError
│   ├── UserUnknown                            also LookupError
│   ├── CommandFailed                `result`; raised by check() alone
│   └── CommandTimeout               also TimeoutError; `result`; raised by check() alone
├── FileError                        also OSError
│   ├── SandboxFileNotFound          also FileNotFoundError
│   ├── SandboxFileExists            also FileExistsError
│   ├── SandboxIsADirectory          also IsADirectoryError
│   ├── SandboxNotADirectory         also NotADirectoryError
│   ├── SandboxPermissionDenied, PathOutside   also PermissionError
│   ├── DirectoryNotEmpty, FileNotRegular, NoSpace
│   ├── FileChanged                  it is not what it was when it was looked at; read it again
│   ├── ArchiveRefused               an entry of it would lead out, or is no file, folder or link; data["entry"]
│   ├── ArchiveInvalid               also ValueError; it is not whole, or no archive; data["entry"]
│   ├── LocalFileError               a file of this machine cannot be read or written, or changed meanwhile; data["path"]
│   ├── EditMismatch                 also ValueError; the text is not there as often as expected; data["found"]
│   ├── PathInvalid, RegexInvalid, FileNotText also ValueError
│   ├── TooManyWatches               more would be watched than the sandbox or its machine takes
│   ├── UploadNotFound               also LookupError; it has come in part, and the server knows of it no more
│   ├── UploadConflict               another request goes on with the same upload
│   └── ListingIncomplete            `paths` holds what was found
├── PortError                        a port of the workspace, or of this machine
│   ├── PortClosed                   also ConnectionRefusedError; nothing takes a connection there
│   ├── PortRefused                  also PermissionError; nobody is led there
│   ├── PortTimeout                  also TimeoutError; nothing listened in time
│   └── LocalPortError               also OSError; this machine does not give the port to listen on
├── WorkspaceError                   the workspace, not the command, is at fault
│   ├── WorkspaceUnavailable, WorkspaceRestarting, WorkspaceExhausted, WorkspaceMisbehaved
│   └── NetworkOpen                  it reaches what it must not, so nothing is started; data["reached"]
├── PodError
│   ├── PodConflict                  the same name with another specification
│   ├── SandboxNotFound              also LookupError; none of this name that the user's key has made
│   ├── TooManySandboxes             as many as one client of an MCP server may have; data: limit
│   ├── PodNotReady                  also TimeoutError
│   ├── PodFailed                    `verdict`
│   │   └── ImageUnavailable         its image is not there, or not for you
│   └── SandboxLost                  `verdict`; the workspace went, and what ran there with it
├── ClusterError                     Kubernetes, not the sandbox, is at fault
│   ├── ClusterUnreachable           also ConnectionError; the API server does not answer
│   ├── ClusterUnauthorized          also PermissionError; the credentials are wrong or have expired
│   ├── ClusterForbidden             also PermissionError; data: verb, resource, namespace
│   ├── NamespaceNotFound            also LookupError
│   ├── AdmissionRefused             a rule of the cluster refuses it; data: by
│   ├── QuotaExceeded                data: quota
│   └── ClusterRefused               any other refusal; data: status, reason
└── ServerError                      its own failure, or a code newer than this client; `code` is as sent
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from kubebox._results import CommandResult
    from kubebox_protocol.verdicts import Verdict


class KubeboxError(Exception):
    """What every error of Kubebox is.

    Args:
        message: What happened, to what, and what to do about it.
        **data: Machine-readable details, for instance the limit that was passed.

    Attributes:
        code: The stable name of what went wrong; one for each class.
        message: As given.
        data: As given.
    """

    code: str = "kubebox-error"

    def __init__(self, message: str, /, **data: Any) -> None:
        super().__init__(message)
        self.message = message
        self.data: dict[str, Any] = data

    @property
    def transient(self) -> bool:
        """Whether the place failed and may not fail again, so that another try, best in another sandbox, makes sense.

        `Sandbox.map` tries again for these alone.
        """
        from kubebox._transience import is_transient

        return is_transient(self)

    def __str__(self) -> str:
        # OSError, which many of these are too, would print its errno and file name instead.
        return self.message

    def __reduce__(self) -> tuple[Callable[..., KubeboxError], tuple[Any, ...], dict[str, Any]]:
        # Process pools pickle what their workers raise. By default unpickling calls the class with `args`
        # alone, which loses keyword arguments and fails where one is required.
        return _rebuild, (type(self), self.message), self.__dict__


def _rebuild(kind: type[KubeboxError], message: str) -> KubeboxError:
    error = kind.__new__(kind, message)
    error.args = (message,)
    return error


class _WithVerdict(KubeboxError):
    """An end that is told as an error, since there is no result.

    Attributes:
        verdict: The cause, where one is known.
    """

    def __init__(self, message: str, /, *, verdict: Verdict | None = None, **data: Any) -> None:
        super().__init__(message, **data)
        self.verdict = verdict


class _WithResult(KubeboxError):
    """A result that `check()` turned into an error.

    Attributes:
        result: The result, with what was output.
    """

    def __init__(self, message: str, /, *, result: CommandResult, **data: Any) -> None:
        super().__init__(message, **data)
        self.result = result


class ConfigurationError(KubeboxError):
    """The program, or the machine it runs on, is not set up for what it asks."""

    code = "configuration-error"


class InvalidArgument(ConfigurationError, ValueError):
    """An argument that no sandbox would take."""

    code = "invalid-argument"


class KeyInvalid(ConfigurationError, ValueError):
    """A private key that is not one, or that others can read. The message never quotes it."""

    code = "key-invalid"


class KeyMissing(ConfigurationError, FileNotFoundError):
    """A private key file that is not there, or cannot be read or made."""

    code = "key-missing"


class LocalUnavailable(ConfigurationError):
    """This machine cannot run local sandboxes. The message says why, and the way out."""

    code = "local-unavailable"


class NotSupported(ConfigurationError, NotImplementedError):
    """An option that this backend does not have."""

    code = "not-supported"


class WrongEventLoop(ConfigurationError, RuntimeError):
    """A connection belongs to the event loop that it was made on, and nothing was done from another one."""

    code = "wrong-event-loop"


class AccessDenied(KubeboxError, PermissionError):
    """The server does not let this client in, or the client does not trust the server."""

    code = "access-denied"


class TokenMissing(AccessDenied):
    """The request came without a token."""

    code = "token-missing"


class TokenInvalid(AccessDenied):
    """The server does not accept the token; most often because it does not know this client's public key."""

    code = "token-invalid"


class TokenExpired(AccessDenied):
    """The token's time was over when it arrived."""

    code = "token-expired"


class TokenAudience(AccessDenied):
    """The token was signed for another sandbox."""

    code = "token-audience"


class TokenReplayed(AccessDenied):
    """The token has been used before."""

    code = "token-replayed"


class HostRefused(AccessDenied):
    """The server does not answer under this host name."""

    code = "host-refused"


class OriginRefused(AccessDenied):
    """The server does not answer pages of this origin."""

    code = "origin-refused"


class SandboxReplaced(AccessDenied):
    """Another sandbox, or something else, answers where the known one was. Nothing is signed for it."""

    code = "sandbox-replaced"


class ConnectionFailed(KubeboxError, ConnectionError):
    """The way to the server failed. Whether the request arrived is not known, unless a subclass says so."""

    code = "connection-failed"


class NotConnected(ConnectionFailed):
    """`connect()` has not been called, or `disconnect()` has, or the sandbox was killed."""

    code = "not-connected"


class SandboxUnreachable(ConnectionFailed):
    """Nothing answers at the address."""

    code = "sandbox-unreachable"


class ConnectionLost(ConnectionFailed):
    """The connection broke off while the call was under way.

    It did not come back within the client's `reconnect` seconds, or the call is one that must not be made twice by
    itself. Whether it was carried out is not known, and what was running may go on: `check_status()` tells, and
    `attach()` reads on at `data["offset"]`. The next call connects again.
    """

    code = "connection-lost"


class AnswerTimeout(ConnectionFailed, TimeoutError):
    """The server did not answer in time."""

    code = "answer-timeout"


class AnswerInvalid(ConnectionFailed):
    """What answers does not speak Kubebox's protocol, or not this version of it."""

    code = "answer-invalid"


class RequestError(KubeboxError):
    """The server did not take the request as one."""

    code = "request-error"


class InvalidRequest(RequestError, ValueError):
    """The request is malformed."""

    code = "invalid-request"


class PayloadTooLarge(RequestError, ValueError):
    """The request is larger than the server takes."""

    code = "payload-too-large"


class TooManyRequests(RequestError):
    """Too much at once: requests, readers or output of one connection, or connections to ports of one sandbox."""

    code = "too-many-requests"


class RouteNotFound(RequestError):
    """The server has no such route; it may be older than this client."""

    code = "route-not-found"


class MethodNotAllowed(RequestError):
    """The route does not take this method."""

    code = "method-not-allowed"


class SessionError(KubeboxError):
    """A session that cannot be used or made."""

    code = "session-error"


class SessionNotFound(SessionError, LookupError):
    """No session has this name; `initialize_session()` makes one."""

    code = "session-not-found"


class SessionConflict(SessionError):
    """A session of this name has another folder or environment."""

    code = "session-conflict"


class FolderOutsideRoots(SessionError, PermissionError):
    """A session's folder must lie beneath one of the sandbox's roots."""

    code = "folder-outside-roots"


class ExecutionError(KubeboxError):
    """An execution that cannot be started, found or read."""

    code = "execution-error"


class ExecutionNotFound(ExecutionError, LookupError):
    """The session has no execution of this id."""

    code = "execution-not-found"


class ExecutionConflict(ExecutionError):
    """Another command was started under this id."""

    code = "execution-conflict"


class ExecutionUnknown(ExecutionError, _WithVerdict):
    """Whether and how the command ended cannot be known. It is never run again by itself."""

    code = "execution-unknown"


class TooManyExecutions(ExecutionError):
    """The sandbox runs as many commands as it may."""

    code = "too-many-executions"


class ExecutionEnded(ExecutionError):
    """It has ended, so it takes no signal, no size and no command any more."""

    code = "execution-ended"


class InputClosed(ExecutionError, BrokenPipeError):
    """Its standard input takes no more: it was closed, or the command does not read it any more, or never had one."""

    code = "input-closed"


class InputConflict(ExecutionError):
    """Another client writes to its standard input, or bytes before these are missing: `data["offset"]` says how many came."""

    code = "input-conflict"


class InputUnknown(ExecutionError):
    """The server was killed while it gave input: whether the command got that cannot be known, and no more is taken.

    `data["offset"]` says how many bytes came for sure.
    """

    code = "input-unknown"


class NotATerminal(ExecutionError):
    """It runs in no terminal."""

    code = "not-a-terminal"


class NotAShell(ExecutionError):
    """It is no persistent shell."""

    code = "not-a-shell"


class ShellBusy(ExecutionError):
    """The shell still runs a command."""

    code = "shell-busy"


class JournalUnavailable(ExecutionError, OSError):
    """The sandbox's own disk takes no more records, so nothing was started: what cannot be written down may run twice."""

    code = "journal-unavailable"


class OffsetExpired(ExecutionError):
    """That part of the output is no longer held; `data["first_offset"]` is the first that is."""

    code = "offset-expired"


class OffsetBeyondEnd(ExecutionError):
    """There is no output at this offset yet."""

    code = "offset-beyond-end"


class CommandError(KubeboxError):
    """A command that cannot be run, or whose result was not good."""

    code = "command-error"


class CommandEmpty(CommandError, ValueError):
    """There is nothing to run."""

    code = "command-empty"


class CommandTooLong(CommandError, ValueError):
    """Longer than the kernel takes; write it to a file and run that."""

    code = "command-too-long"


class ProgramNotFound(CommandError, FileNotFoundError):
    """The sandbox has no such program."""

    code = "program-not-found"


class ProgramNotExecutable(CommandError, PermissionError):
    """The file is there, but is not a program."""

    code = "program-not-executable"


class UserUnsupported(CommandError, PermissionError):
    """This sandbox runs commands under one account alone."""

    code = "user-unsupported"


class UserUnknown(CommandError, LookupError):
    """The workspace has no account of this name."""

    code = "user-unknown"


class CommandFailed(CommandError, _WithResult):
    """The command ended with another exit code than 0. Raised by `check()` alone."""

    code = "command-failed"


class CommandTimeout(CommandError, _WithResult, TimeoutError):
    """The command was ended at its deadline. Raised by `check()` alone."""

    code = "command-timeout"


class FileError(KubeboxError, OSError):
    """A file of the sandbox that cannot be used as asked."""

    code = "file-error"


class SandboxFileNotFound(FileError, FileNotFoundError):
    """There is no such file in the sandbox."""

    code = "file-not-found"


class SandboxFileExists(FileError, FileExistsError):
    """Something of this name is there already."""

    code = "file-exists"


class SandboxIsADirectory(FileError, IsADirectoryError):
    """A folder, where a file was asked for."""

    code = "is-a-directory"


class SandboxNotADirectory(FileError, NotADirectoryError):
    """A file, where a folder was asked for."""

    code = "not-a-directory"


class SandboxPermissionDenied(FileError, PermissionError):
    """The workspace's account may not do this."""

    code = "permission-denied"


class PathOutside(FileError, PermissionError):
    """The path leads out of the session's folder."""

    code = "path-outside"


class DirectoryNotEmpty(FileError):
    """The folder has something in it; `recursive=True` removes that too."""

    code = "directory-not-empty"


class FileNotRegular(FileError):
    """A FIFO, a socket or a device, where a file was asked for."""

    code = "file-not-regular"


class NoSpace(FileError):
    """The sandbox's disk, or its quota, is full."""

    code = "no-space"


class FileChanged(FileError):
    """The file is not what it was when it was looked at: it was not replaced, or not copied. Read it again, and decide anew."""

    code = "file-changed"


class ArchiveRefused(FileError):
    """An entry of an archive would lead out of its folder, or is neither file, folder nor link. What came before it is there."""

    code = "archive-refused"


class ArchiveInvalid(FileError, ValueError):
    """An archive is not whole, or is none. What came whole is there."""

    code = "archive-invalid"


class LocalFileError(FileError):
    """A file of this machine, not of the sandbox, cannot be read or written, or changed while it was read."""

    code = "local-file-error"


class EditMismatch(FileError, ValueError):
    """The text to replace is not there as often as expected, so nothing was replaced; `data["found"]` says how often it is."""

    code = "edit-mismatch"


class PathInvalid(FileError, ValueError):
    """A path that no file can have."""

    code = "path-invalid"


class TooManyWatches(FileError):
    """More would be watched than the sandbox takes, or the kernel of its machine: watch fewer folders, or smaller ones."""

    code = "too-many-watches"


class RegexInvalid(FileError, ValueError):
    """A pattern that RE2 does not take."""

    code = "regex-invalid"


class UploadNotFound(FileError, LookupError):
    """The server knows of no such upload any more; nothing of it is there."""

    code = "upload-not-found"


class UploadConflict(FileError):
    """Another request goes on with this upload, or bytes before these are missing; `data["offset"]` says how many came."""

    code = "upload-conflict"


class FileNotText(FileError, ValueError):
    """The file is not text in the encoding asked for; `encoding=None` gives its bytes."""

    code = "file-not-text"


class ListingIncomplete(FileError):
    """The listing was cut before its end.

    Attributes:
        paths: What was found until then.
    """

    code = "listing-incomplete"

    def __init__(self, message: str, /, *, paths: list[str], **data: Any) -> None:
        super().__init__(message, **data)
        self.paths = paths


class PortError(KubeboxError):
    """A port of the workspace, or the way to it."""

    code = "port-error"


class PortClosed(PortError, ConnectionRefusedError):
    """Nothing listens on the port, or what does takes no connections."""

    code = "port-closed"


class PortRefused(PortError, PermissionError):
    """The port is none of the workspace's: the sandbox's own server listens there."""

    code = "port-refused"


class PortTimeout(PortError, TimeoutError):
    """Nothing listened on the port in time."""

    code = "port-timeout"


class LocalPortError(PortError, OSError):
    """This machine does not give the port that was to be listened on: another program has it, or it takes more rights."""

    code = "local-port-error"


class WorkspaceError(KubeboxError):
    """The workspace, not the command or the file, is at fault."""

    code = "workspace-error"


class WorkspaceUnavailable(WorkspaceError):
    """The workspace does not answer."""

    code = "workspace-unavailable"


class WorkspaceRestarting(WorkspaceError):
    """The workspace is coming back; try again in a moment."""

    code = "workspace-restarting"


class WorkspaceExhausted(WorkspaceError):
    """The workspace has no process, memory or descriptor left."""

    code = "workspace-exhausted"


class WorkspaceMisbehaved(WorkspaceError):
    """The workspace answered what it must not."""

    code = "workspace-misbehaved"


class NetworkOpen(WorkspaceError):
    """The sandbox reaches what it must not, so no command is started there.

    The cluster does not enforce NetworkPolicy, or not yet. `data["reached"]` lists what was reached.
    """

    code = "network-open"


class PodError(KubeboxError):
    """A sandbox that cannot be made or kept."""

    code = "pod-error"


class PodConflict(PodError):
    """A pod of this name was created with another specification."""

    code = "pod-conflict"


class SandboxNotFound(PodError, LookupError):
    """There is no sandbox of this id that the user's key has made, or no record of it any more."""

    code = "sandbox-not-found"


class TooManySandboxes(PodError):
    """One client has as many sandboxes as the owner of an MCP server lets it have; `data["limit"]` says how many."""

    code = "too-many-sandboxes"


class PodNotReady(PodError, TimeoutError):
    """The pod was not ready in time."""

    code = "pod-not-ready"


class PodFailed(PodError, _WithVerdict):
    """The pod could not start, or has ended."""

    code = "pod-failed"


class ImageUnavailable(PodFailed):
    """A pod's image cannot be had: there is none of that name, or it is not for you. `verdict` is `None`."""

    code = "image-unavailable"


class SandboxLost(PodError, _WithVerdict):
    """The sandbox, or its workspace, is gone, and what ran there with it."""

    code = "sandbox-lost"


class ClusterError(KubeboxError):
    """Kubernetes, not the sandbox, is at fault."""

    code = "cluster-error"


class ClusterUnreachable(ClusterError, ConnectionError):
    """The API server does not answer; `data["cause"]` is `refused`, `unresolved`, `timeout`, `tls` or the like."""

    code = "cluster-unreachable"


class ClusterUnauthorized(ClusterError, PermissionError):
    """The credentials are wrong, or have expired and new ones could not be had."""

    code = "cluster-unauthorized"


class ClusterForbidden(ClusterError, PermissionError):
    """The user of the kubeconfig lacks a right: `data` has `verb`, `resource` and `namespace`."""

    code = "cluster-forbidden"


class NamespaceNotFound(ClusterError, LookupError):
    """There is no such namespace."""

    code = "namespace-not-found"


class AdmissionRefused(ClusterError):
    """A rule of the cluster refuses the pod, whoever brings it; `data["by"]` names the rule, where that is told."""

    code = "admission-refused"


class QuotaExceeded(ClusterError):
    """The namespace's quota could never hold it; `data["quota"]` names it."""

    code = "quota-exceeded"


class ClusterRefused(ClusterError):
    """Kubernetes says no, for a reason that has no error of its own; `data` has `status` and `reason`."""

    code = "cluster-refused"


class ServerError(KubeboxError):
    """The server failed by itself, or sent a code that this client does not know; `code` is as sent."""

    code = "internal-error"
