"""Many sandboxes: a fresh one for each program, two at a time."""

import asyncio

from kubebox import Sandbox

PROGRAMS = ["print(6 * 7)", "print(1 / 0)"]


async def grade(sandbox: Sandbox, program: str) -> bool:
    """Whether a program runs."""
    await sandbox.files.write("answer.py", program)
    return (await sandbox.run("python3 answer.py")).exit_code == 0


async def main() -> None:
    """Grade them all."""
    async with Sandbox.map(grade, PROGRAMS, concurrency=2) as outcomes:
        async for outcome in outcomes:
            print(outcome.item, outcome.check())


if __name__ == "__main__":
    asyncio.run(main())
