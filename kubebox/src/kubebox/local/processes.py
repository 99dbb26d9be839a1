"""Starting processes so that they die with their supervisor, and making sure that they are gone."""

import contextlib
import ctypes
import errno
import os
import resource
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from kubebox.errors import LocalUnavailable
from kubebox.local import keyring

PR_SET_PDEATHSIG: Final = 1
PR_SET_CHILD_SUBREAPER: Final = 36

NICENESS: Final = 5
"""How much the workspace gives way to its server, which must answer while every processor computes."""

KEYRING_WAY: Final = "See what refuses the system call keyctl: seccomp, or a security module"

KEYRING_WAYS: Final = {
    errno.EPERM: "In a container, let it call keyctl: `--security-opt seccomp=unconfined`",
    errno.EDQUOT: "Your account has as many keys as it may: raise kernel.keys.maxkeys, or end other sandboxes",
}
"""The way out where keys cannot be left behind."""


@dataclass(frozen=True, kw_only=True)
class Start:
    """How a process is started.

    Attributes:
        arguments: Its argv; the first is the program's path.
        environment: All of its environment.
        descriptors: What it keeps open besides 0, 1 and 2, under the same numbers.
        output: A descriptor for its standard output and error.
        errors: One for its standard error, where that differs.
        account: The user and group it becomes; `None` to stay.
        join: Open `cgroup.procs` files it writes itself into, before anything else, so that no child of it
            can be outside.
        limits: Resource limits, by `resource.RLIMIT_*`, soft and hard the same.
        niceness: Added to its nice value.
    """

    arguments: Sequence[str]
    environment: Mapping[str, str]
    descriptors: Sequence[int]
    output: int
    errors: int | None = None
    account: tuple[int, int] | None = None
    join: Sequence[int] = ()
    limits: Mapping[int, int] = field(default_factory=dict[int, int])
    niceness: int = 0


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends: whoever reaps them knows that they are gone.

    bubblewrap's first process outlives bubblewrap for a moment, with the whole workspace in it.
    """
    _control(PR_SET_CHILD_SUBREAPER, 1)


def start(how: Start) -> int:
    """Start a process that the kernel kills when this one ends, however that happens.

    fork and exec by hand: the supervisor is small and has one thread, and so the order of the steps is in
    sight.

    Args:
        how: See `Start`.

    Returns:
        Its process id.

    Raises:
        OSError: It could not be started, with the reason.
        LocalUnavailable: It would keep the user's keys.
    """
    parent = os.getpid()
    report, failure = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _become(how, parent)
        except OSError as error:
            os.write(failure, os.fsencode(f"{error.errno} {error.filename or ''}"))
        finally:
            os._exit(127)
    os.close(failure)
    with os.fdopen(report, "rb") as pipe:
        said = os.fsdecode(pipe.read())
    if said:
        os.waitpid(child, 0)
        number, _, step = said.partition(" ")
        raise _failure(int(number), step, how.arguments[0])
    return child


def _failure(number: int, step: str, program: str) -> Exception:
    if step != keyring.STEP:
        return OSError(number, os.strerror(number), program)
    return LocalUnavailable(
        f"the sandbox would have the keys of your session: a keyring of its own is refused "
        f"({os.strerror(number)}). {KEYRING_WAYS.get(number, KEYRING_WAY)}",
        cause="keyring",
    )


def _become(how: Start, parent: int) -> None:
    # Before the change of account: root may have a million keys, others two hundred.
    keyring.leave()
    for joined in how.join:
        os.write(joined, b"0")
    os.setsid()
    os.nice(how.niceness)
    for limit, value in how.limits.items():
        resource.setrlimit(limit, (value, value))
    if how.account is not None:
        user, group = how.account
        os.setgroups([])
        os.setresgid(group, group, group)
        os.setresuid(user, user, user)
    # After the change of account, which would clear it; then look whether the parent went before it was set.
    _control(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGPIPE, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    nothing = os.open(os.devnull, os.O_RDONLY)
    for target, source in (
        (0, nothing),
        (1, how.output),
        (2, how.output if how.errors is None else how.errors),
    ):
        os.dup2(source, target)
    for descriptor in how.descriptors:
        os.set_inheritable(descriptor, True)
    os.execve(how.arguments[0], list(how.arguments), dict(how.environment))  # noqa: S606 - no shell, on purpose


def end_all() -> None:
    """Kill every child and wait until no descendant is left; orphans become children in their turn.

    A first process of a PID namespace takes all others with it, and is gone only when they are.
    """
    with contextlib.suppress(ChildProcessError):
        while True:
            for child in _children():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            os.waitpid(-1, 0)


def _children() -> list[int]:
    # Only children: nobody else reaps them, so their ids cannot have become another's.
    try:
        listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii")
    except FileNotFoundError:  # a kernel without CONFIG_PROC_CHILDREN
        return [
            int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _is_child(entry)
        ]
    return [int(child) for child in listed.split()]


def _is_child(entry: Path) -> bool:
    with contextlib.suppress(OSError):
        # The name of the program, in parentheses, may itself contain anything.
        return int((entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[1]) == os.getpid()
    return False


def _control(option: int, value: int) -> None:
    # glibc and musl both have prctl among the symbols that are loaded already.
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "prctl")
