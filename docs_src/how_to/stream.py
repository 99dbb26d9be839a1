"""Output as it comes, by iteration or by callbacks, and input on the way."""

import asyncio

from kubebox import Sandbox

DOUBLE = "import sys; [print(2 * int(line), flush=True) for line in sys.stdin]"


async def main() -> None:
    async with Sandbox.create() as sandbox:
        stream = await sandbox.stream("echo one; sleep 0.1; echo two >&2")
        async for output in stream:
            print(output.offset, output.type, output.output.strip())
        stream.check()

        await sandbox.run("seq 3", on_stdout=lambda text: print(text.split()))

        double = await sandbox.stream(["python3", "-c", DOUBLE], open_stdin=True)
        await double.write("21\n")
        async for output in double:
            print(output.output.strip())
            await double.close_stdin()


if __name__ == "__main__":
    asyncio.run(main())
