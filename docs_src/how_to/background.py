"""A command that goes on, and a second client that finds it again."""

import asyncio

from kubebox import Sandbox, SandboxClient

WORK = "for n in 1 2 3; do echo line $n; done; read -r answer; echo got $answer"


async def main() -> None:
    async with Sandbox.create() as sandbox:
        process = await sandbox.start(WORK, open_stdin=True)
        seen = 0
        async for output in process.attach():
            seen = output.offset + len(output.data)
            if "line 3" in output.output:
                break  # Whatever becomes of this program: id and offset are all that the next one needs.

        async with SandboxClient(url=sandbox.client.url) as client:
            again = client.get_process(sandbox.session_id, process.process_id)
            print((await again.status()).state)
            await again.write("an answer\n")
            async for output in again.attach(offset=seen):
                print(output.output.strip())
            print((await again.wait()).message)


if __name__ == "__main__":
    asyncio.run(main())
