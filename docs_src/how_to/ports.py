"""A web server in the sandbox, asked from here."""

import asyncio

import aiohttp

from kubebox import Sandbox

SERVER = ["python3", "-m", "http.server", "8000", "--bind", "127.0.0.1"]


async def main() -> None:
    async with Sandbox.create() as sandbox:
        await sandbox.files.write("index.html", "Hello from a sandbox")
        await sandbox.start(SERVER)
        await sandbox.ports.wait(8000)
        url = await sandbox.ports.url(8000)
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            print(answer.status, await answer.text())


if __name__ == "__main__":
    asyncio.run(main())
