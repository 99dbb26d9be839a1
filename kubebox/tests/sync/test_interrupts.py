"""Ctrl-C, as the kernel sends it, while a call waits."""

import os
import signal

from .watching import descendants, finish, line_of, start

RUN = """
with Sandbox.create("local") as sandbox:
    try:
        sandbox.run("echo on; sleep 600 & exec sleep 600", on_stdout=lambda text: print(text, end=""))
    except KeyboardInterrupt:
        last = sandbox.client.list_commands(sandbox.session_id)[-1]
        print("interrupted", last.verdict.kind)
        print(sandbox.run("pgrep -c sleep").stdout.strip())
    else:
        print("not interrupted")
"""

WAIT = """
with Sandbox.create("local") as sandbox:
    sandbox.run("mkfifo /tmp/on").check()
    threading.Thread(target=lambda: print(sandbox.run("cat /tmp/on").stdout, end="")).start()
    try:
        sandbox.run("echo on > /tmp/on; exec sleep 600")
    except KeyboardInterrupt:
        commands = sandbox.client.list_commands(sandbox.session_id)
        print("interrupted", *[each.verdict.kind for each in commands if "sleep" in each.command])
"""

STREAM = """
with Sandbox.create("local") as sandbox:
    stream = sandbox.stream("echo on; read line; echo $line", open_stdin=True)
    try:
        for output in stream:
            print(output.output, end="")
    except KeyboardInterrupt:
        print("interrupted", stream.status().state)
        stream.write("off\\n")
        print([output.output for output in stream])
"""

CREATE = """
class Variables(dict):
    # It is read where the loop runs, when this thread waits already.
    def items(self):
        print("on")
        return super().items()

try:
    Sandbox.create("local", env=Variables())
except KeyboardInterrupt:
    print("interrupted")
print([thread.name for thread in threading.enumerate()])
"""


def interrupted(program: str) -> list[str]:
    """What a program writes that gets a SIGINT after its first line; it must leave nothing, and complain of nothing."""
    started = start(program)
    assert line_of(started) == "on"
    processes = descendants(started.pid)
    os.kill(started.pid, signal.SIGINT)
    out, err, code = finish(started)
    assert (err, code) == ("", 0)
    assert not [pid for pid in processes if os.path.exists(f"/proc/{pid}")]
    return out.splitlines()


def test_a_command_with_callbacks_is_killed_with_all_that_it_started() -> None:
    assert interrupted(RUN) == ["interrupted killed", "0"]


def test_a_command_that_is_waited_for_is_killed() -> None:
    assert interrupted(WAIT) == ["interrupted killed"]


def test_a_stream_is_left_and_goes_on() -> None:
    assert interrupted(STREAM) == ["interrupted running", "['off\\n']"]


def test_a_sandbox_that_is_being_made_is_not() -> None:
    assert interrupted(CREATE) == ["interrupted", "['MainThread']"]
