"""Commands that run to their end."""

import asyncio

from kubebox import Sandbox


async def main() -> None:
    async with Sandbox.create(env={"GREETING": "Hello"}) as sandbox:
        result = await sandbox.run("echo $GREETING; echo oops >&2; exit 3")
        print(result.exit_code, repr(result.stdout), repr(result.stderr))

        exact = await sandbox.run(["printf", "%s", "$HOME; no shell"])
        print(exact.stdout)

        counted = await sandbox.run("wc -c", stdin=b"\x00\xff")
        print(counted.stdout.strip(), counted.stdout_bytes)

        await sandbox.files.make_dir("deep/down")
        where = await sandbox.run("pwd; echo $COLOUR", path="deep/down", env={"COLOUR": "blue"})
        print(where.stdout.split())

        late = await sandbox.run("echo begun; sleep 60", timeout=0.3)
        print(late.verdict.kind, late.stdout.strip())


if __name__ == "__main__":
    asyncio.run(main())
