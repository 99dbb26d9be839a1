"""A program that runs in a pod of the cluster, as its ServiceAccount, and makes a sandbox; see test_inside.py."""

import asyncio
import sys
from pathlib import Path

from kubebox import CommandMode, Kubebox, SandboxClient
from kubebox_protocol.keys import new_private_key

NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace").read_text()
"""Where Kubernetes tells each pod its own."""


async def main() -> None:
    """Nothing says where the cluster is."""
    async with Kubebox(namespace=NAMESPACE, private_key=new_private_key()) as kubebox:
        pod = kubebox.create_pod("from-inside")
        try:
            await pod.wait_until_ready()
            service = kubebox.create_service("from-inside")
            for access in ("tunnel", *sys.argv[1:]):
                address = await service.get_external_ip(access=access)
                async with SandboxClient(kubebox.private_key, f"http://{address}") as client:
                    await client.initialize_session("session", "workspace")
                    result = await client.run_command("session", ["echo", access], CommandMode.WAIT)
                    sys.stdout.write(result.check().stdout)
        finally:
            await pod.destroy()


asyncio.run(main())
