"""A folder's changes, as they come."""

import asyncio

from kubebox import Sandbox


async def main() -> None:
    async with Sandbox.create() as sandbox, sandbox.files.watch() as changes:
        await sandbox.run("mkdir out && echo done > out/log.txt")
        async for change in changes:
            if change.path == "out/log.txt":
                print(change.type, change.path)
                break


if __name__ == "__main__":
    asyncio.run(main())
