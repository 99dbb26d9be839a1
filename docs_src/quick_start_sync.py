"""The quick start of the README, without `await`."""

import os

from kubebox.sync import CommandMode, Kubebox, SandboxClient

KUBEBOX_CONFIG = os.environ.get("KUBEBOX_CONFIG", "local")  # "local", or a kubeconfig


def main() -> None:
    """A sandbox, a session, a command whose output streams, and files."""
    kubebox = Kubebox(KUBEBOX_CONFIG)
    pod = kubebox.create_pod("test-pod", username="test-user")
    service = kubebox.create_service("test-pod", username="test-user")
    pod.wait_until_ready()
    service.wait_until_ready()
    ip = service.get_external_ip()

    client = SandboxClient(private_key="YOUR_PRIVATE_KEY", url=f"http://{ip}")
    client.connect()
    client.initialize_session("test-session", "workspace")

    result = client.run_command("test-session", "echo 'Hello World'", mode=CommandMode.STREAM)
    for output in result:
        print(output.output)

    client.write_file("test-session", "path/to/file", "content", make_dirs=True)
    content = client.get_file("test-session", "path/to/file")
    exists = client.file_exists("test-session", "path/to/file")
    print(content, exists)

    client.disconnect()
    pod.destroy()


if __name__ == "__main__":
    main()
