"""The first example of the README."""

import asyncio

from kubebox import Sandbox


async def main() -> None:
    """Write a file, run it, read what it did."""
    async with Sandbox.create() as sandbox:
        await sandbox.files.write("hello.py", "print('Hello from a sandbox')")
        result = await sandbox.run("python3 hello.py && uname -n")
        print(result.stdout, result.exit_code)


if __name__ == "__main__":
    asyncio.run(main())
