"""Bad input: each a typed error, and the sandbox goes on as before."""

from typing import Any

from kubebox import errors
from kubebox.testing._box import Box
from kubebox.testing._expect import equal, refused
from kubebox_protocol.limits import MAX_COMMAND_BYTES


async def empty_commands_are_refused(box: Box) -> None:
    """An empty command is a mistake, not a success."""
    for command in ("", "  \n", list[str](), [""]):
        await refused(box.wait(command), errors.KubeboxError, "command-empty")


async def a_command_of_a_mebibyte_is_refused_with_its_limit(box: Box) -> None:
    """A command longer than Linux takes is refused before anything runs; the longest one runs."""
    await refused(box.wait("#" * 1024 * 1024), errors.CommandTooLong, "command-too-long")
    longest = "echo fits #".ljust(MAX_COMMAND_BYTES, "x")
    equal((await box.wait(longest)).stdout, "fits\n")


async def a_missing_program_is_a_typed_error(box: Box) -> None:
    """A program that is not there, or not one, never looks like an exit code."""
    await refused(box.wait(["no-such-program"]), errors.ProgramNotFound, "program-not-found")
    await refused(box.wait(["./absent"]), errors.ProgramNotFound, "program-not-found")
    await box.client.write_file(box.session_id, "data", "x")
    await refused(box.wait(["./data"]), errors.ProgramNotExecutable, "program-not-executable")
    equal((await box.wait("no-such-program")).exit_code, 127)


async def absurd_timeouts_are_refused(box: Box) -> None:
    """A timeout is a positive number of seconds, at most thirty days."""
    for timeout in (-1, 0, float("nan"), float("inf"), 1e308, "soon"):
        await refused(box.wait("true", timeout=timeout), errors.InvalidArgument)


async def wrong_types_are_refused(box: Box) -> None:
    """Values of a wrong type are told apart before they are sent."""
    bad: tuple[dict[str, Any], ...] = ({"command": 7}, {"command": [1]}, {"command": "true", "env": {"A": 1}})
    for options in bad:
        await refused(box.wait(**options), errors.InvalidArgument)
    for names in ({"A=B": "x"}, {"": "x"}, {"A\0": "x"}, {"A": "x\0y"}):
        await refused(box.wait("true", env=names), errors.InvalidArgument)
    await refused(box.wait("echo a\0b"), errors.InvalidArgument)


async def another_user_needs_another_profile(box: Box) -> None:
    """`user=` is refused where the profile has one user."""
    await refused(box.wait("true", user="root"), errors.UserUnsupported, "user-unsupported")


async def the_sandbox_goes_on(box: Box) -> None:
    """After all of this, a command still runs."""
    equal((await box.wait("echo still here")).stdout, "still here\n")


CHECKS = (
    empty_commands_are_refused,
    a_command_of_a_mebibyte_is_refused_with_its_limit,
    a_missing_program_is_a_typed_error,
    absurd_timeouts_are_refused,
    wrong_types_are_refused,
    another_user_needs_another_profile,
    the_sandbox_goes_on,
)
