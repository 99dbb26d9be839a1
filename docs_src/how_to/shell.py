"""A shell that keeps its folder, its variables and its functions."""

import asyncio

from kubebox import Sandbox


async def main() -> None:
    async with Sandbox.create() as sandbox, sandbox.shell() as shell:
        await shell.run("mkdir project; cd project; export STAGE=test")
        print((await shell.run("basename $PWD; echo $STAGE")).stdout.split())
        print((await shell.run("false")).exit_code)
        late = await shell.run("sleep 60", timeout=0.3)
        print(late.verdict.kind, (await shell.run("echo still here")).stdout.strip())


if __name__ == "__main__":
    asyncio.run(main())
