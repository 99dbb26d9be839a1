"""`make demo`: the quick start, and then a real job in front of your eyes, on this machine."""

import asyncio
import sys
from pathlib import Path

from rich.console import Console

sys.path.insert(0, str(Path(__file__).parent.parent))

from docs_src import quick_start
from kubebox import CommandStream, Sandbox

console = Console(highlight=False, soft_wrap=True)

PROJECT = {
    "prices.py": """\
def total(prices, discount=0.0):
    return round(sum(prices) * (1 - discount), 2)
""",
    "test_prices.py": """\
import sys, unittest
from prices import total

class Prices(unittest.TestCase):
    def test_sum(self):
        print("adding up")
        self.assertEqual(total([1, 2, 3]), 6)

    def test_discount(self):
        print("a careful discount", file=sys.stderr)
        self.assertEqual(total([100], discount=0.1), 90)

    def test_that_is_wrong_on_purpose(self):
        self.assertEqual(total([1, 1]), 3)
""",
}
PORT = 8000
PUBLIC_ADDRESS = ("192.0.2.1", 80)
"""An address of the range kept for documentation (RFC 5737): nothing answers there, but a sandbox cannot even try."""


async def main() -> None:
    """Run every step; a step that does not go as told ends the demo with an error."""
    step("The quick start of the README")
    await quick_start.main()
    step("A sandbox of our own")
    async with Sandbox.create("local") as sandbox:
        await run_failing_tests(sandbox)
        await fix_and_run_again(sandbox)
        await serve_and_ask(sandbox)
        await try_to_get_out(sandbox)
    step("Done: the sandboxes are gone, with everything in them")


async def run_failing_tests(sandbox: Sandbox) -> None:
    """Write a project through the file API and stream its tests; one fails, and the exit code says so."""
    for path, content in PROJECT.items():
        await sandbox.files.write(f"shop/{path}", content)
    console.print("wrote", ", ".join(await sandbox.files.list_paths()))
    step("Its tests, streamed: stdout plain, stderr in red")
    stream = await sandbox.stream("python3 -uB -m unittest -q", path="shop")
    await show(stream)
    require(stream.exit_code == 1, f"one test is wrong on purpose, so the exit code is 1: {stream.exit_code}")


async def fix_and_run_again(sandbox: Sandbox) -> None:
    """Edit the file that was wrong; the same command then succeeds."""
    step("The wrong test, corrected")
    tests = await sandbox.files.read("shop/test_prices.py")
    await sandbox.files.write("shop/test_prices.py", tests.replace("total([1, 1]), 3", "total([1, 1]), 2"))
    result = await sandbox.run("python3 -B -m unittest -q 2>&1 >/dev/null | tail -1", path="shop")
    require(result.stdout == "OK\n", f"all tests pass now: {result.stdout!r}")


async def serve_and_ask(sandbox: Sandbox) -> None:
    """Start a web server in the background, ask it, kill it."""
    step("A web server in the background")
    server = await sandbox.start(f"python3 -u -m http.server {PORT} --bind 127.0.0.1", path="shop")
    async for _ in server.attach():
        break  # its first line says that it listens
    ask = f"import urllib.request as u; print(u.urlopen('http://127.0.0.1:{PORT}/prices.py').status)"
    result = await sandbox.run(["python3", "-c", ask])
    require(result.stdout == "200\n", f"it answered: {result.stdout!r} {result.stderr[-200:]}")
    verdict = await server.kill()
    require(verdict.kind == "killed", f"it was killed: {verdict.message}")


async def try_to_get_out(sandbox: Sandbox) -> None:
    """Try to read the user's home and to reach the network: both must fail."""
    step("Attempts to get out")
    result = await sandbox.run(["ls", "-a", str(Path.home())])
    require(result.exit_code != 0, f"your home is not there: {result.stderr.strip()}")
    result = await sandbox.run(
        ["python3", "-c", f"import socket; socket.create_connection({PUBLIC_ADDRESS}, 5)"]
    )
    require("unreachable" in result.stderr, f"no network: {result.stderr.strip().splitlines()[-1]}")


async def show(stream: CommandStream) -> None:
    """Print a command's output as it comes."""
    async for output in stream:
        console.print(output.output, end="", style="red" if output.type == "stderr" else None, markup=False)


def step(title: str) -> None:
    """Print a heading."""
    console.rule(f"[bold]{title}", align="left")


def require(condition: bool, what: str) -> None:
    """Print what was shown, or end the demo."""
    if not condition:
        raise SystemExit(f"demo: not as promised: {what}")
    console.print(f"[green]ok[/] {what}")


if __name__ == "__main__":
    asyncio.run(main())
