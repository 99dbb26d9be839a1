"""Commands: the three modes, output, exit codes, environment and folder."""

import hashlib
import os
from uuid import uuid4

from anyio import create_task_group, sleep

from kubebox import errors
from kubebox._results import CommandResult
from kubebox.testing._box import Box
from kubebox.testing._expect import equal, refused, true


async def a_stream_yields_both_outputs_and_then_the_exit_code(box: Box) -> None:
    """STREAM yields stdout and stderr apart, then knows the exit code."""
    stream = await box.stream("echo out; echo err >&2; exit 3")
    seen = {"stdout": b"", "stderr": b""}
    async for piece in stream:
        seen[piece.type] += piece.data
        equal(piece.process_id, stream.process_id)
    equal(seen, {"stdout": b"out\n", "stderr": b"err\n"})
    equal(stream.exit_code, 3)
    equal(stream.verdict and stream.verdict.kind, "exited")


async def streams_can_be_opened_by_their_names(box: Box) -> None:
    """`/dev/stdout` and `/dev/stderr` are the command's own, as scripts and `tee` take for granted."""
    result = await box.wait("echo out > /dev/stdout; echo err > /dev/stderr; cat /dev/stdin", stdin="in\n")
    equal((result.stdout, result.stderr, result.exit_code), ("out\nin\n", "err\n", 0))


async def output_comes_while_the_command_runs(box: Box) -> None:
    """STREAM delivers output before the command ends."""
    stream = await box.stream("echo now; exec sleep 30")
    equal((await box.first_output(stream)).output, "now\n")
    status = await box.client.check_status(box.session_id, stream.process_id)
    equal(status.state, "running")


_IN_TURN = """
echo one
until [ -e one-read ]; do sleep 0.01; done
echo two >&2
until [ -e two-read ]; do sleep 0.01; done
echo three
"""
"""Writes to one stream when what it wrote to the other one has been read: two pipes are read in any order."""


async def a_wait_gives_all_output_in_arrival_order(box: Box) -> None:
    """WAIT returns stdout, stderr, and both in arrival order."""
    results: list[CommandResult] = []

    async def wait() -> None:
        results.append(await box.wait(_IN_TURN))

    async with create_task_group() as tasks:
        tasks.start_soon(wait)
        for name, size in (("one-read", len("one\n")), ("two-read", len("one\ntwo\n"))):
            await _until_read(box, size)
            await box.client.write_file(box.session_id, name, "")
    (result,) = results
    equal((result.stdout, result.stderr, result.exit_code), ("one\nthree\n", "two\n", 0))
    equal(result.output, "one\ntwo\nthree\n")
    equal((result.finished, result.truncated), (True, False))


async def _until_read(box: Box, size: int) -> None:
    """Wait until so many bytes of the session's only command have come."""
    while not any(each.end_offset >= size for each in await box.client.list_commands(box.session_id)):  # noqa: ASYNC110 - nobody tells it
        await sleep(0.01)


async def a_wait_returns_output_larger_than_a_message(box: Box) -> None:
    """WAIT returns megabytes of output exactly."""
    result = await box.wait(
        "head -c 3000000 /dev/zero | tr '\\0' x; head -c 500000 /dev/zero | tr '\\0' y >&2"
    )
    equal((len(result.stdout), len(result.stderr)), (3_000_000, 500_000))
    equal((set(result.stdout), set(result.stderr), result.truncated), ({"x"}, {"y"}, False))


async def a_wait_keeps_head_and_tail_of_too_much_output(box: Box) -> None:
    """WAIT keeps head and tail of a stream beyond 10 MiB, and says so."""
    result = await box.wait("echo HEAD; head -c 12000000 /dev/zero | tr '\\0' x; echo TAIL")
    true(result.truncated, "a cut result must say so")
    true(
        result.stdout.startswith("HEAD\n") and result.stdout.endswith("TAIL\n"), "head and tail must be kept"
    )
    true(len(result.stdout) <= 10 * 1024 * 1024 + 200, f"{len(result.stdout)} characters kept")


async def streamed_bytes_are_exact(box: Box) -> None:
    """Random bytes, with no line end and no valid text, arrive exactly."""
    content = os.urandom(2_000_003)
    await box.client.write_file(box.session_id, "random.bin", content)
    digest, offset = hashlib.sha256(), 0
    async for piece in await box.stream(["cat", "random.bin"]):
        equal(piece.offset, offset, "offset")
        offset += len(piece.data)
        digest.update(piece.data)
    equal(digest.hexdigest(), hashlib.sha256(content).hexdigest())


async def characters_split_between_pieces_come_out_whole(box: Box) -> None:
    """A multi-byte character written in two halves is decoded as one."""
    stream = await box.stream("printf '\\xe2\\x82'; sleep 0.1; printf '\\xac'; printf '\\xff'")
    text = "".join([piece.output async for piece in stream])
    equal(text, "€\N{REPLACEMENT CHARACTER}")


async def a_background_command_outlives_its_client_object(box: Box) -> None:
    """BACKGROUND returns at once; any client can attach to it later, from any offset, and kill it."""
    process = await box.background("echo started; exec sleep 60")
    status = await box.client.check_status(box.session_id, process.process_id)
    equal(status.state, "running")
    async for _ in process.attach():
        break  # something is there now
    async for piece in process.attach(offset=3):
        equal((piece.output, piece.offset), ("rted\n", 3))
        break
    verdict = await process.kill()
    equal(verdict.kind, "killed")
    equal((await process.wait()).kind, "killed")


async def output_stays_readable_after_the_end(box: Box) -> None:
    """The output of an ended command can be read again from any offset."""
    result = await box.wait("echo 0123456789")
    pieces = [piece.data async for piece in box.client.attach(box.session_id, result.process_id, offset=4)]
    equal(b"".join(pieces), b"456789\n")


async def several_commands_run_at_once_in_one_session(box: Box) -> None:
    """Commands of one session run side by side, each with output of its own."""
    seen: dict[int, str] = {}

    async def one(number: int) -> None:
        result = await box.wait(f"sleep 0.2; echo {number}")
        seen[number] = result.stdout

    async with create_task_group() as tasks:
        for number in range(16):
            tasks.start_soon(one, number)
    equal(seen, {number: f"{number}\n" for number in range(16)})


async def a_list_runs_without_a_shell(box: Box) -> None:
    """A list is a program and its arguments, as they are."""
    result = await box.wait(["printf", "%s|", "$HOME", "a b", "*", ""])
    equal(result.stdout, "$HOME|a b|*||")


async def text_runs_in_a_shell(box: Box) -> None:
    """Text is a shell's command line, with pipes and several lines."""
    result = await box.wait("printf 'b\\na\\n' | sort\nfor i in 1 2; do echo $i; done")
    equal(result.stdout, "a\nb\n1\n2\n")


async def a_path_runs_the_command_in_a_folder_of_the_session(box: Box) -> None:
    """`path` is relative to the session's folder, and stays beneath it."""
    await box.client.make_dirs(box.session_id, "a/b")
    equal((await box.wait("pwd", path="a/b")).stdout, f"/workspace/{box.session_id}/a/b\n")
    await refused(box.wait("pwd", path="../.."), errors.PathOutside, "path-outside")
    await refused(box.wait("pwd", path="missing"), errors.SandboxFileNotFound, "file-not-found")


async def standard_input_is_given_and_ends(box: Box) -> None:
    """`stdin` is delivered exactly and then ends; without it, input is empty."""
    content = os.urandom(300_000)
    result = await box.wait("sha256sum", stdin=content)
    equal(result.stdout.split()[0], hashlib.sha256(content).hexdigest())
    equal((await box.wait("cat; echo done")).stdout, "done\n")


async def the_environment_is_the_workspaces_alone(box: Box) -> None:
    """Commands see HOME, PATH and USER of the workspace, and nothing of the server's or the user's."""
    result = await box.wait("env -0")
    names = {line.partition("=")[0] for line in result.stdout.split("\0") if line}
    true({"HOME", "PATH", "USER"} <= names, f"HOME, PATH and USER must be there: {sorted(names)}")
    alien = {
        name for name in names if name.startswith(("KUBEBOX", "KUBERNETES_", "PYTHON", "LD_", "XDG_", "SSH_"))
    }
    equal(alien, set[str](), "variables that do not belong")
    result = await box.wait('cd "$HOME" && touch here && echo ok && id -un && git --version >/dev/null; true')
    equal(result.stdout.splitlines()[0], "ok")


async def commands_get_three_descriptors(box: Box) -> None:
    """A command inherits stdin, stdout and stderr, and nothing else."""
    result = await box.wait(["sh", "-c", "ls /proc/$$/fd"])
    equal(result.stdout.split(), ["0", "1", "2"])


async def the_same_id_runs_once(box: Box) -> None:
    """A repeated start finds the first execution; another command under its id is refused."""
    process_id = str(uuid4())
    first = await box.background("echo x >> count; exec sleep 30", process_id=process_id)
    again = await box.background("echo x >> count; exec sleep 30", process_id=process_id)
    equal(again.process_id, first.process_id)
    await refused(
        box.background("other", process_id=process_id), errors.ExecutionConflict, "execution-conflict"
    )
    await box.first_output(await box.stream("while ! test -s count; do sleep 0.01; done; echo there"))
    await first.kill()
    equal(await box.client.get_file(box.session_id, "count"), "x\n")


async def a_checked_result_raises_on_failure(box: Box) -> None:
    """A non-zero exit is data; `check()` makes it an error that carries the result."""
    result = await box.wait("echo said; exit 7")
    equal(result.exit_code, 7)
    try:
        result.check()
    except errors.CommandFailed as error:
        equal((error.result.exit_code, error.result.stdout), (7, "said\n"))
        return
    true(False, "check() must raise CommandFailed")


CHECKS = (
    a_stream_yields_both_outputs_and_then_the_exit_code,
    streams_can_be_opened_by_their_names,
    output_comes_while_the_command_runs,
    a_wait_gives_all_output_in_arrival_order,
    a_wait_returns_output_larger_than_a_message,
    a_wait_keeps_head_and_tail_of_too_much_output,
    streamed_bytes_are_exact,
    characters_split_between_pieces_come_out_whole,
    a_background_command_outlives_its_client_object,
    output_stays_readable_after_the_end,
    several_commands_run_at_once_in_one_session,
    a_list_runs_without_a_shell,
    text_runs_in_a_shell,
    a_path_runs_the_command_in_a_folder_of_the_session,
    standard_input_is_given_and_ends,
    the_environment_is_the_workspaces_alone,
    commands_get_three_descriptors,
    the_same_id_runs_once,
    a_checked_result_raises_on_failure,
)
