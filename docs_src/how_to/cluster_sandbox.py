"""One sandbox in a cluster, of an image of yours."""

import asyncio

from kubebox import Sandbox

KUBECONFIG = "~/.kube/config"


async def main() -> None:
    async with Sandbox.create(
        KUBECONFIG,
        namespace="agents",
        image="python:3.13-slim",
        resources={"cpu": 2, "memory": "4Gi", "disk": "8Gi"},
        lifetime=2 * 3600,
        network="internet",
        metadata={"job": "demo"},
    ) as sandbox:
        print((await sandbox.run(["python3", "--version"])).stdout)


if __name__ == "__main__":
    asyncio.run(main())
