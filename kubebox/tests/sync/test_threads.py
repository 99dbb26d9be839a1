"""Many threads, loops that run already, and nothing left of it."""

import asyncio
import gc
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from kubebox.sync import Sandbox, errors

from .watching import PATIENCE, descendants, finish, line_of, loops, start


def test_one_is_used_in_four_threads_at_once() -> None:
    together = threading.Barrier(4, timeout=PATIENCE)

    def use(number: int) -> list[str]:
        together.wait()
        seen = [sandbox.run(["echo", f"{number}-{turn}"]).stdout for turn in range(10)]
        seen += [output.output for output in sandbox.stream(f"echo {number}-last")]
        return seen

    with Sandbox.create("local") as sandbox, ThreadPoolExecutor(4) as pool:
        for number, seen in enumerate(pool.map(use, range(4))):
            assert seen == [f"{number}-{turn}\n" for turn in [*range(10), "last"]]
        assert len(loops()) == 1
    assert loops() == []


def test_each_thread_has_its_own_and_nothing_is_left() -> None:
    together = threading.Barrier(4, timeout=PATIENCE)
    before = set(threading.enumerate())

    def use(number: int) -> str:
        with Sandbox.create("local") as sandbox:
            together.wait()
            assert len(loops()) == 1
            return sandbox.run(f"echo {number}").stdout

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(use, range(4))) == [f"{number}\n" for number in range(4)]
    assert set(threading.enumerate()) == before


def test_a_loop_may_run_in_the_calling_thread() -> None:
    async def cell() -> str:
        with Sandbox.create("local") as sandbox:
            return sandbox.run("echo notebook").stdout

    assert asyncio.run(cell()) == "notebook\n"


def test_what_is_killed_leaves_no_thread_and_what_is_asked_later_neither() -> None:
    before = set(threading.enumerate())
    with Sandbox.create("local") as sandbox:
        assert len(loops()) == 1
    assert set(threading.enumerate()) == before
    verdict = sandbox.verdict()
    assert verdict is not None
    assert verdict.kind == "destroyed"
    assert set(threading.enumerate()) == before


def test_what_could_not_be_made_leaves_no_thread(unused_port: int) -> None:
    before = set(threading.enumerate())
    with pytest.raises(errors.SandboxUnreachable):
        Sandbox.create(f"http://127.0.0.1:{unused_port}", timeout=0.3)
    assert set(threading.enumerate()) == before


def test_what_is_thrown_away_ends() -> None:
    before = set(threading.enumerate())
    sandbox = Sandbox.create("local")
    (loop,) = loops()
    processes = descendants(os.getpid())
    assert processes
    sandbox.stream("exec sleep 600")
    del sandbox
    gc.collect()
    loop.join(PATIENCE)
    assert set(threading.enumerate()) == before
    assert not set(processes) & set(descendants(os.getpid()))


def test_a_program_that_ends_without_a_goodbye_leaves_and_says_nothing() -> None:
    program = start(
        """
sandbox = Sandbox.create("local")
stream = sandbox.stream("exec sleep 600")

def wait():
    try:
        sandbox.run("exec sleep 600")
    except errors.NotConnected as error:
        assert "program ends" in str(error)

threading.Thread(target=wait, daemon=True).start()
print("ready")
sys.stdin.readline()
"""
    )
    assert line_of(program) == "ready"
    processes = descendants(program.pid)
    assert processes
    assert program.stdin is not None
    program.stdin.write("end\n")
    assert finish(program) == ("", "", 0)
    assert not [pid for pid in processes if os.path.exists(f"/proc/{pid}")]


def test_a_fork_is_told_that_it_has_no_loop_and_makes_its_own() -> None:
    program = start(
        """
with Sandbox.create("local") as sandbox:
    child = os.fork()
    if child == 0:
        try:
            sandbox.run("true")
        except errors.WrongEventLoop as error:
            print("forked" in str(error))
        with Sandbox.create("local") as own:
            print(own.run("echo own").stdout, end="")
        os._exit(0)
    os.waitpid(child, 0)
    print(sandbox.run("echo parent").stdout, end="")
"""
    )
    assert finish(program) == ("True\nown\nparent\n", "", 0)
