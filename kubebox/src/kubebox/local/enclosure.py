"""Programs behind the wall: started, held before their first instruction, let go."""

import contextlib
import grp
import json
import os
import pwd
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kubebox.local.bubblewrap import WORKSPACE_UID, Sizes, System, Wall, command_line
from kubebox.local.loop import Loop
from kubebox.local.probe import CANARY
from kubebox.local.processes import Start, start


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where and how programs of one sandbox are enclosed.

    Attributes:
        bubblewrap: The program's path.
        control: The control folder.
        etc: The folder of generated files for /etc.
        sizes: Of the writable folders.
        system: What the host has.
        account: The host's account for the workspace, where it is not this process's own.
        join: Open `cgroup.procs` files.
        rlimits: By `resource.RLIMIT_*`.
        variables: The environment, as bubblewrap reads it.
        niceness: Added to the nice value.
    """

    bubblewrap: str
    control: Path
    etc: Path
    sizes: Sizes
    system: System
    account: tuple[int, int] | None
    join: Sequence[int]
    rlimits: dict[int, int]
    variables: bytes
    niceness: int


class Enclosed:
    """A program behind the wall.

    Args:
        loop: The supervisor's.
        site: Where and how.
        command: The program as seen from inside, and its arguments.
        output: Gets what it prints.
        errors: Gets what bubblewrap and it complain of.
        held: Whether it waits for `release`. bubblewrap ties it to our life only when it goes on, so it
            should wait for nothing but its network.

    Attributes:
        process: bubblewrap's process id; when it ends, the program has.
    """

    def __init__(
        self,
        loop: Loop,
        site: Site,
        command: Sequence[str],
        *,
        output: Callable[[bytes], None],
        errors: Callable[[bytes], None],
        held: bool = False,
    ) -> None:
        variables = os.memfd_create("environment")
        os.write(variables, site.variables)
        os.lseek(variables, 0, os.SEEK_SET)
        information, information_end = os.pipe()
        block_end, self._block = os.pipe() if held else (None, None)
        output_reader, output_end = os.pipe()
        errors_reader, errors_end = os.pipe()
        wall = Wall(
            program=site.bubblewrap,
            control=str(site.control),
            etc=str(site.etc),
            sizes=site.sizes,
            system=site.system,
            variables=variables,
            information=information_end,
            block=block_end,
        )
        ends = [variables, information_end, *([block_end] if block_end is not None else [])]
        try:
            self.process = start(
                Start(
                    arguments=command_line(wall, command),
                    environment=CANARY,
                    descriptors=ends,
                    output=output_end,
                    errors=errors_end,
                    account=site.account,
                    join=site.join,
                    limits=site.rlimits,
                    niceness=site.niceness,
                )
            )
        finally:
            for end in (*ends, output_end, errors_end):
                os.close(end)
        self._information = bytearray()
        self._known: Callable[[int], None] | None = None
        self._ended: Callable[[], None] | None = None
        self._open = 3
        loop.read(information, self._informed)
        loop.read(output_reader, lambda data: output(data) if data else self._close_one())
        loop.read(errors_reader, lambda data: errors(data) if data else self._close_one())
        loop.when_ended(self.process, self._close_one)

    def when_made(self, known: Callable[[int], None]) -> None:
        """Call with the first inner process's id, once it is there; never where bubblewrap failed."""
        self._known = known

    def when_ended(self, ended: Callable[[], None]) -> None:
        """Call when it has ended and all that it said has been handed on."""
        self._ended = ended

    def release(self) -> None:
        """Let the program begin, unless it has ended already."""
        if self._block is not None:
            with contextlib.suppress(BrokenPipeError):
                os.write(self._block, b"\n")
            os.close(self._block)

    def _close_one(self) -> None:
        self._open -= 1
        if not self._open and self._ended is not None:
            self._ended()

    def _informed(self, data: bytes) -> None:
        self._information.extend(data)
        if not data and self._information and self._known is not None:
            self._known(int(json.loads(self._information)["child-pid"]))


def workspace_account() -> tuple[int, int] | None:
    """The host's account for a workspace: root gives one that nobody has, everybody else his own."""
    if os.geteuid() != 0:
        return None
    number = WORKSPACE_UID
    while _is_taken(pwd.getpwuid, number) or _is_taken(grp.getgrgid, number):
        number += 1
    return number, number


def _is_taken(look_up: Callable[[int], object], number: int) -> bool:
    with contextlib.suppress(KeyError):
        look_up(number)
        return True
    return False
