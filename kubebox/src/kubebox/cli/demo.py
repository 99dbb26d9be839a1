"""`kubebox demo`: what a sandbox is good for, in front of your eyes, on this machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from kubebox.cli._attend import attend
from kubebox.cli._visible import visible
from kubebox.cli.app import EXIT_FOUND, EXIT_OK, write

if TYPE_CHECKING:
    from kubebox import Sandbox

TEST: Final = """\
total=$((40 + 2))
echo "the total is $total"
echo "adding up was hard work" >&2
[ "$total" = 43 ]
"""
"""A test that is wrong on purpose."""

LOOK_FOR_FILES: Final = ["ls", "-a"]

LOOK_FOR_NETWORKS: Final = "cut -d: -f1 /proc/net/dev | tail -n +3 | tr -d ' '"
"""Prints the names of network interfaces; every system has one for itself."""


def demo() -> int:
    """Make a sandbox on this machine, run a test in it that fails, correct it, try to get out, and leave nothing behind.

    Returns:
        1 where something was not as promised.
    """
    return attend(_demo())


async def _demo() -> int:
    from kubebox import Sandbox

    write("A sandbox on this machine")
    async with Sandbox.create("local") as sandbox:
        write(f"  {sandbox.id} is there")
        kept = [await _fail(sandbox), await _correct(sandbox), await _try_to_get_out(sandbox)]
    write("It is gone, with everything in it")
    return EXIT_OK if all(kept) else EXIT_FOUND


async def _fail(sandbox: "Sandbox") -> bool:
    write("A test in it, which is wrong on purpose")
    await sandbox.files.write("test.sh", TEST)
    stream = await sandbox.stream("sh test.sh")
    async for piece in stream:
        for line in piece.output.splitlines():
            write(f"  {piece.type}: {visible(line)}")
    return _check(stream.exit_code == 1, f"it failed: exit code {stream.exit_code}")


async def _correct(sandbox: "Sandbox") -> bool:
    write("The same test, corrected")
    await sandbox.files.edit("test.sh", "= 43", "= 42")
    result = await sandbox.run("sh test.sh")
    return _check(result.exit_code == 0, f"it passed: exit code {result.exit_code}")


async def _try_to_get_out(sandbox: "Sandbox") -> bool:
    write("Attempts to get out")
    home = await sandbox.run([*LOOK_FOR_FILES, str(Path.home())])
    networks = (await sandbox.run(LOOK_FOR_NETWORKS)).stdout.split()
    return all(
        (
            _check(home.exit_code != 0, f"your home is not there: {home.stderr.strip()}"),
            _check(networks == ["lo"], f"nor is any network: {' '.join(networks)}"),
        )
    )


def _check(kept: bool, what: str) -> bool:
    write(f"  {'ok' if kept else 'NOT AS PROMISED'}: {visible(what)}")
    return kept
