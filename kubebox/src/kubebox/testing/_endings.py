"""Ends: exit, signals, deadlines, kills, and what they leave behind."""

import time
from uuid import uuid4

from anyio import move_on_after

from kubebox import errors
from kubebox.testing._box import Box
from kubebox.testing._expect import equal, refused, true

PROMPT_SECONDS = 5.0
"""Seconds within which something that must not hang has to come back, on a machine that is busy."""


async def _running(box: Box, beginning: str) -> list[str]:
    """The command lines of the workspace that begin so."""
    result = await box.wait("for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done 2>/dev/null")
    return [line for line in result.stdout.splitlines() if line.startswith(beginning)]


async def a_signal_is_told_from_an_exit(box: Box) -> None:
    """A command that a signal ended has the exit code -N and says which signal."""
    result = await box.wait("kill -SEGV $$")
    equal(result.exit_code, -11)
    equal((result.verdict.kind, result.verdict.signal), ("signalled", "SIGSEGV"))


async def a_deadline_ends_the_whole_tree(box: Box) -> None:
    """A timeout is the server's: output is kept, the tree is gone, the verdict says so."""
    started = time.monotonic()
    result = await box.wait(
        "trap '' TERM; echo before; sleep 61 & setsid sleep 62 & wait; sleep 63", timeout=0.3
    )
    true(time.monotonic() - started < PROMPT_SECONDS, "the timeout came late")
    equal((result.stdout, result.verdict.kind, result.verdict.by), ("before\n", "timed-out", "timeout"))
    equal(await _running(box, "sleep 6"), list[str]())
    try:
        result.check()
    except TimeoutError as error:
        true(isinstance(error, errors.CommandTimeout), "a timeout is a CommandTimeout")
        return
    true(False, "check() must raise CommandTimeout")


async def a_kill_reaches_what_left_the_tree(box: Box) -> None:
    """A kill ends what setsid, a double fork and an emptied environment tried to hide."""
    hidden = "(setsid env -i sleep 7131 &) ; (sh -c 'trap \"\" TERM; (sleep 7132 &); sleep 7133' &)"
    process = await box.background(f"{hidden}; echo ready; sleep 7134")
    async for _ in process.attach():
        break
    verdict = await process.kill()
    equal((verdict.kind, verdict.by), ("killed", "client"))
    equal(await _running(box, "sleep 713"), list[str]())


async def a_stopped_process_is_killed(box: Box) -> None:
    """SIGSTOP does not protect from a kill."""
    process = await box.background("echo ready; kill -STOP $$")
    async for _ in process.attach():
        break
    equal((await process.kill(grace=0.1)).kind, "killed")


async def killing_an_ended_command_changes_nothing(box: Box) -> None:
    """A kill after the end leaves the verdict as it was."""
    result = await box.wait("exit 4")
    verdict = await box.client.kill_command(box.session_id, result.process_id)
    equal((verdict.kind, verdict.exit_code), ("exited", 4))


async def a_command_ends_when_its_process_ends(box: Box) -> None:
    """A grandchild that holds the pipe does not hold the result."""
    started = time.monotonic()
    for command in ("echo a; sleep 30 &", "echo a; nohup sleep 30 & ", "echo a; setsid sleep 30 &"):
        result = await box.wait(command)
        equal((result.stdout.replace("nohup: ignoring input\n", ""), result.exit_code), ("a\n", 0))
    true(time.monotonic() - started < PROMPT_SECONDS, "the result waited for the grandchild")


async def a_chatty_leftover_does_not_hold_the_end(box: Box) -> None:
    """A leftover that never stops writing does not keep the command from ending."""
    started = time.monotonic()
    result = await box.wait("echo a; yes &")
    true(result.stdout.startswith(("a\n", "y\n")), "output before the end is kept")
    true(time.monotonic() - started < PROMPT_SECONDS, "the result waited for the leftover")


async def kill_all_ends_the_session_only(box: Box) -> None:
    """Kill-all ends every command of the session, and none of another's."""
    other = Box(box.client, f"other-{uuid4()}")
    await box.client.initialize_session(other.session_id, other.session_id)
    mine = [await box.background("sleep 60") for _ in range(3)]
    theirs = await other.background("sleep 60")
    answer = await box.client.kill_all_processes(box.session_id)
    equal((answer.killed, answer.survivors), (3, 0))
    equal([(await process.wait()).kind for process in mine], ["killed"] * 3)
    equal((await theirs.status()).state, "running")
    await theirs.kill()


async def an_unknown_process_is_a_typed_error(box: Box) -> None:
    """An execution that does not exist, or belongs to another session, is not found."""
    process = await box.background("sleep 60")
    other = f"other-{uuid4()}"
    await box.client.initialize_session(other, other)
    for session_id, process_id in ((box.session_id, str(uuid4())), (other, process.process_id)):
        for call in (box.client.check_status, box.client.kill_command):
            await refused(call(session_id, process_id), errors.ExecutionNotFound, "execution-not-found")
    await refused(box.client.check_status(box.session_id, "1"), errors.InvalidArgument)


async def cancelling_a_wait_kills_the_command(box: Box) -> None:
    """A caller who stops waiting leaves no command behind."""
    with move_on_after(0.3):
        await box.wait("echo $$ > pid; exec sleep 60")
    result = await box.wait("kill -0 $(cat pid) 2>/dev/null && echo alive || echo gone")
    equal(result.stdout, "gone\n")


async def leaving_a_stream_lets_the_command_run(box: Box) -> None:
    """Leaving the loop of a STREAM detaches; the command goes on."""
    stream = await box.stream("echo a; exec sleep 60")
    async for _ in stream:
        break
    await stream.aclose()
    equal((await box.client.check_status(box.session_id, stream.process_id)).state, "running")


CHECKS = (
    a_signal_is_told_from_an_exit,
    a_deadline_ends_the_whole_tree,
    a_kill_reaches_what_left_the_tree,
    a_stopped_process_is_killed,
    killing_an_ended_command_changes_nothing,
    a_command_ends_when_its_process_ends,
    a_chatty_leftover_does_not_hold_the_end,
    kill_all_ends_the_session_only,
    an_unknown_process_is_a_typed_error,
    cancelling_a_wait_kills_the_command,
    leaving_a_stream_lets_the_command_run,
)
