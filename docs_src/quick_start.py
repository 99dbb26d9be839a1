"""The quick start of the README."""

import asyncio
import os

from kubebox import CommandMode, Kubebox, SandboxClient

KUBEBOX_CONFIG = os.environ.get("KUBEBOX_CONFIG", "local")  # "local", or a kubeconfig


async def main() -> None:
    """A sandbox, a session, a command whose output streams, and files."""
    kubebox = Kubebox(KUBEBOX_CONFIG)
    pod = kubebox.create_pod("test-pod", username="test-user")
    service = kubebox.create_service("test-pod", username="test-user")
    await pod.wait_until_ready()
    await service.wait_until_ready()
    ip = await service.get_external_ip()

    client = SandboxClient(private_key="YOUR_PRIVATE_KEY", url=f"http://{ip}")
    await client.connect()
    await client.initialize_session("test-session", "workspace")

    result = await client.run_command("test-session", "echo 'Hello World'", mode=CommandMode.STREAM)
    async for output in result:
        print(output.output)

    await client.write_file("test-session", "path/to/file", "content", make_dirs=True)
    content = await client.get_file("test-session", "path/to/file")
    exists = await client.file_exists("test-session", "path/to/file")
    print(content, exists)

    await client.disconnect()
    await pod.destroy()


if __name__ == "__main__":
    asyncio.run(main())
