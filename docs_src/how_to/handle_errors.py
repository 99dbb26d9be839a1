"""Errors are typed, and often the built-in one too."""

import asyncio

from kubebox import KubeboxError, Sandbox
from kubebox.errors import CommandTimeout


async def main() -> None:
    async with Sandbox.create() as sandbox:
        try:
            await sandbox.files.read("missing.txt")
        except FileNotFoundError as error:
            print(error)
        try:
            (await sandbox.run("sleep 60", timeout=0.2)).check()
        except CommandTimeout as error:
            print(error.code, error.result.verdict.kind)
        try:
            await sandbox.run(["no-such-program"])
        except KubeboxError as error:
            print(error.code, error.transient)


if __name__ == "__main__":
    asyncio.run(main())
