"""`kubebox shell`: a terminal in a sandbox."""

from typing import TYPE_CHECKING

from kubebox.cli._attend import attend
from kubebox.cli._making import Making
from kubebox.cli._raw import require_terminal, size
from kubebox.cli._target import Target
from kubebox.cli._variables import Variables, read_variables
from kubebox.cli.app import EXIT_OK, note, tell

if TYPE_CHECKING:
    from kubebox._terminal import Terminal
    from kubebox.cli._reach import Reached


def shell(
    *command: str,
    target: Target = Target(),  # noqa: B008 - frozen
    making: Making = Making(),  # noqa: B008 - frozen
    env: Variables = (),
    path: str | None = None,
    attach: str | None = None,
    take: bool = False,
) -> int:
    """A terminal in a sandbox, to leave and come back to.

    Args:
        command: What runs in it, after `--`; an interactive shell unless given.
        target: Which sandbox.
        making: What is made where no sandbox is named.
        env: A variable for it: K=V, or K alone to pass on one's own; may be repeated.
        path: Folder to begin in.
        attach: The process id of a terminal to come back to.
        take: Take over from another client that types into it.
    """
    require_terminal()
    return attend(_shell(list(command), target, making, read_variables(env), path, attach, take))


async def _shell(
    command: list[str],
    target: Target,
    making: Making,
    env: dict[str, str],
    path: str | None,
    attach: str | None,
    take: bool,
) -> int:
    from kubebox.cli._converse import Conversation, Left
    from kubebox.cli._ending import exit_code, needs_words
    from kubebox.cli._reach import reach

    async with reach(target, making.options(), make=attach is None) as reached:
        terminal = await (_attach(reached, attach) if attach else _open(reached, command, env, path))
        left = await Conversation(terminal, lasting=reached.lasting, take=take).hold()
        if left is Left.DETACHED:
            note(f"kubebox: left; to come back: kubebox shell{target.flags()} --attach {terminal.process_id}")
            return EXIT_OK
        verdict = await terminal.wait()
        if needs_words(verdict):
            tell(f"{verdict.kind}: {verdict.message}")
        return exit_code(verdict)


async def _attach(reached: "Reached", process_id: str) -> "Terminal":
    terminal = await reached.client.attach_terminal(await reached.session_of(process_id), process_id)
    if terminal.verdict is None:
        await terminal.resize(*size())
    return terminal


async def _open(reached: "Reached", command: list[str], env: dict[str, str], path: str | None) -> "Terminal":
    rows, columns = size()
    return await reached.client.open_terminal(
        reached.session_id, command or None, rows=rows, columns=columns, path=path, env=env
    )
