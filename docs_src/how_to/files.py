"""Single files: write, look, change, and only over what you have seen."""

import asyncio

from kubebox import Sandbox
from kubebox.errors import FileChanged


async def main() -> None:
    async with Sandbox.create() as sandbox:
        files = sandbox.files
        await files.write("notes/today.txt", "buy milk\n")
        await files.append("notes/today.txt", "buy bread\n")
        edited = await files.edit("notes/today.txt", "buy", "get", count=2)
        print(edited.replaced, (await files.read("notes/today.txt")).split("\n"))

        known = await files.stat("notes/today.txt")
        await sandbox.run("echo 'call Ada' >> notes/today.txt")
        try:
            await files.write("notes/today.txt", "nothing to do\n", expected=known.version)
        except FileChanged as error:
            print(error.code)

        await files.copy("notes/today.txt", "notes/copy.txt")
        await files.rename("notes/copy.txt", "archive/yesterday.txt")
        print(await files.list_paths())
        await files.remove("notes", recursive=True)
        print(await files.exists("notes/today.txt"))


if __name__ == "__main__":
    asyncio.run(main())
