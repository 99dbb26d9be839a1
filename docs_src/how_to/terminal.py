"""A program in a terminal, and somebody who types."""

import asyncio

from kubebox import Sandbox

PROGRAM = "stty size; read -r name; echo Hello $name"


async def main() -> None:
    async with Sandbox.create() as sandbox, sandbox.terminal(PROGRAM, rows=40, columns=120) as terminal:
        await terminal.write("Ada\n")
        shown = b"".join([data async for data in terminal]).decode()
        print("40 120" in shown, shown.split()[-2:], terminal.exit_code)


if __name__ == "__main__":
    asyncio.run(main())
