"""How long a sandbox lives, what it may use, and by what it is known."""

import asyncio

from kubebox import Sandbox
from kubebox.errors import SandboxLost


async def main() -> None:
    async with Sandbox.create(
        lifetime=600,
        resources={"cpu": 1, "memory": "512Mi", "disk": "1Gi", "processes": 200},
        metadata={"job": "demo"},
    ) as sandbox:
        found = await Sandbox.list(metadata={"job": "demo"})
        print(len(found), found[0].state, found[0].id == sandbox.id)
        await sandbox.set_timeout(0.5)  # From now on; on this machine its end may also be put off.
        try:
            await sandbox.run("sleep 60")
        except SandboxLost as error:
            print(error.verdict and error.verdict.kind)


if __name__ == "__main__":
    asyncio.run(main())
