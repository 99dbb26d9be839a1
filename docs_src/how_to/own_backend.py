"""The contract, run against sandboxes of your own making."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from kubebox import Sandbox, SandboxClient
from kubebox.testing import run_contract


@asynccontextmanager
async def open_client() -> AsyncGenerator[SandboxClient]:
    async with (
        Sandbox.create() as sandbox
    ):  # In its place: whatever makes yours, and a client that is connected.
        yield sandbox.client


async def main() -> None:
    async for outcome in run_contract(open_client, only="files.text"):
        print("ok  " if outcome.failure is None else "FAIL", outcome.name)


if __name__ == "__main__":
    asyncio.run(main())
