"""Leave a sandbox, find it again from another program, end it."""

import asyncio

from kubebox import Sandbox

KUBECONFIG = "~/.kube/config"


async def leave_one() -> None:
    sandbox = await Sandbox.create(KUBECONFIG, lifetime=8 * 3600, metadata={"job": "nightly"})
    await sandbox.start("make all")
    await sandbox.disconnect()


async def come_back() -> None:
    for info in await Sandbox.list(KUBECONFIG, metadata={"job": "nightly"}):
        async with Sandbox.connect(info.id, where=KUBECONFIG) as sandbox:
            for command in await sandbox.client.list_commands(sandbox.session_id):
                print(info.id, command.command, command.state)
            await sandbox.kill()


async def main() -> None:
    await leave_one()
    await come_back()


if __name__ == "__main__":
    asyncio.run(main())
