"""Output as it comes, and a server that goes on in the background."""

import asyncio

from kubebox import Sandbox

BUILD = "for step in one two three; do echo step $step; sleep 0.1; done; echo a warning >&2; exit 3"
SERVER = "python3 -u -m http.server 8000 --bind 127.0.0.1"
ASK = "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:8000').status)"


async def main() -> None:
    async with Sandbox.create() as sandbox:
        build = await sandbox.stream(BUILD)
        async for output in build:
            print(f"{output.type}: {output.output}", end="")
        print("exit code", build.exit_code)

        server = await sandbox.start(SERVER)
        async for _ in server.attach():
            break  # Its first output says that it listens.
        print((await sandbox.run(["python3", "-c", ASK])).stdout.strip())
        verdict = await server.kill()
        print(verdict.kind, "by", verdict.by)


if __name__ == "__main__":
    asyncio.run(main())
