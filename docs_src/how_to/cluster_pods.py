"""Pods, services and secrets by name: for whoever wants each of them in hand."""

import asyncio

from kubebox import CommandMode, Kubebox, SandboxClient


async def main() -> None:
    async with Kubebox("~/.kube/config", namespace="agents") as kubebox:
        kubebox.create_secret("registry", {"TOKEN": "from your vault"})
        pod = kubebox.create_pod(
            "builder",
            secrets=["registry"],
            network=["203.0.113.0/24"],
            runtime_class="gvisor",
            pod={"spec": {"nodeSelector": {"pool": "agents"}}},
        )
        service = kubebox.create_service("builder", allowed_ips=["198.51.100.7"])
        await pod.wait_until_ready()
        print(pod.phases, pod.limits)

        url = f"http://{await service.get_external_ip()}"
        async with SandboxClient(kubebox.private_key, url, identity=pod.identity) as client:
            await client.initialize_session("work", "")
            result = await client.run_command("work", "test -n $TOKEN", CommandMode.WAIT)
            print(result.exit_code)
        await pod.destroy()


if __name__ == "__main__":
    asyncio.run(main())
