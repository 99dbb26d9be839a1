"""Which failures another try may be spared: the one place that decides what is tried again."""

from typing import Final

from kubebox import errors

_PASS: Final = (
    errors.ConnectionLost,  # the way to a sandbox that may be gone with its node
    errors.SandboxUnreachable,
    errors.AnswerTimeout,
    errors.ExecutionUnknown,  # its server was killed, and what ran is not known: another sandbox runs it from the beginning
    errors.InputUnknown,
    errors.JournalUnavailable,
    errors.WorkspaceUnavailable,
    errors.WorkspaceRestarting,
    errors.PodNotReady,
    errors.PodFailed,
    errors.SandboxLost,
    errors.ClusterUnreachable,
)
"""Failures of the place that the next sandbox may well not meet."""

_LAST: Final = (errors.ImageUnavailable,)
"""Kinds of these that the next one meets as well."""

_SETTINGS: Final = "configuration"
"""The cause of a pod that cannot start since something that it names is not there: its next one names it too."""

_OWN_DOING: Final = frozenset({"destroyed", "lifetime-over"})
"""Verdicts of sandboxes that ended as their owner had said: to do it again would end in the same way."""

_UNTRUSTED: Final = "tls"
"""Of an API server that cannot be reached: trust does not come by waiting."""

_BUSY: Final = 429
_FAILING: Final = 500
"""What Kubernetes answers where it has too much to do, and from where on it fails itself."""


def is_transient(error: BaseException) -> bool:
    """Whether an error is the place's failure (not the program's, a command's or the set-up's), and may not come again.

    Sandboxes that are lost, do not start in time or cannot be reached; workspaces that do not answer; a cluster that does not
    answer or is overloaded; a server that fails by itself. Not: wrong arguments, keys and rights, images that are not there,
    quotas, a machine that cannot run sandboxes; what commands and files come to; and sandboxes that their owner ended, by
    `kill()` or by their `lifetime`. A group of errors is transient where each of them is.

    Args:
        error: Any error.
    """
    match error:
        case BaseExceptionGroup():
            return all(is_transient(one) for one in error.exceptions)
        case errors.SandboxLost() | errors.PodFailed() if error.verdict is not None:
            return error.verdict.kind not in _OWN_DOING and not isinstance(error, _LAST)
        case errors.PodFailed() if error.data.get("cause") == _SETTINGS:
            return False
        case errors.ClusterUnreachable():
            return error.data.get("cause") != _UNTRUSTED
        case errors.ClusterRefused():
            status = error.data.get("status")
            return isinstance(status, int) and (status == _BUSY or status >= _FAILING)
        case errors.ServerError():
            return error.code == errors.ServerError.code  # a code that is not known may mean anything
        case _:
            if type(error) is errors.ClusterError:
                return True  # what has no kind of its own, such as a pod that takes no connection yet
            return isinstance(error, _PASS) and not isinstance(error, _LAST)
