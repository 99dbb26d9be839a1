"""Services: who comes in through the load balancer, and who does not."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kubebox import Kubebox, SandboxClient, errors
from tests.cluster.places import READY_SECONDS, manager, running

ELSEWHERE = ["203.0.113.0/24"]
HERE = ["198.18.0.0/15"]
"""The addresses of this machine, as the test cluster's node sees them."""


@pytest.fixture(scope="module")
async def kubebox(kubeconfig: Path, restricted: str, images: object) -> AsyncIterator[Kubebox]:
    async with manager(kubeconfig, restricted) as made:
        yield made


async def comes_in(kubebox: Kubebox, address: str, patience: float = 8) -> bool:
    client = SandboxClient(kubebox.private_key, f"http://{address}")
    try:
        await client.connect(patience)
        await client.initialize_session("a", "a")
        return True
    except errors.SandboxUnreachable:
        return False
    finally:
        await client.disconnect()


async def test_one_allowed_and_one_refused_client(kubebox: Kubebox) -> None:
    async with running(kubebox, "chosen"):
        service = kubebox.create_service("chosen", allowed_ips=ELSEWHERE)
        address = await service.get_external_ip(READY_SECONDS)
        assert not await comes_in(kubebox, address)
        await service.update_network_policy(HERE)
        assert await comes_in(kubebox, address, 20)
        await service.update_network_policy(ELSEWHERE)
        assert not await comes_in(kubebox, address)
        await service.update_network_policy(None)
        assert await comes_in(kubebox, address, 20)


async def test_without_a_service_nobody_comes_in_but_through_the_tunnel(kubebox: Kubebox) -> None:
    async with running(kubebox, "closed") as pod:
        service = kubebox.create_service("closed")
        address = await service.get_external_ip(READY_SECONDS)
        assert await comes_in(kubebox, address, 20)
        await service.destroy()
        assert not await comes_in(kubebox, address)
        assert await comes_in(kubebox, await pod.address())


async def test_a_policy_alone_lets_clients_in_without_a_load_balancer(kubebox: Kubebox) -> None:
    async with running(kubebox, "policied"):
        policy = kubebox.create_network_policy("policied", allowed_ips=HERE)
        await policy.wait_until_ready(10)
        await policy.destroy()


async def test_other_ports_and_ways(kubebox: Kubebox) -> None:
    async with running(kubebox, "ported"):
        service = kubebox.create_service("ported", ports=[8443])
        address = await service.get_external_ip(READY_SECONDS)
        assert address.endswith(":8443")
        assert await comes_in(kubebox, address, 20)
        assert (await service.get_external_ip(access="tunnel")).startswith("127.0.0.1:")
        with pytest.raises(errors.NotSupported):
            await service.get_external_ip(access="carrier-pigeon")


async def test_the_same_service_again_is_the_same_and_is_found(kubebox: Kubebox) -> None:
    async with running(kubebox, "serviced"):
        service = kubebox.create_service("serviced")
        await service.wait_until_ready(READY_SECONDS)
        assert kubebox.create_service("serviced") is service
        assert service in await kubebox.get_all_services()
        await service.destroy()
        assert "serviced" not in [one.name for one in await kubebox.get_all_services()]


async def test_addresses_that_are_none(kubebox: Kubebox) -> None:
    with pytest.raises(errors.InvalidArgument):
        await kubebox.create_service("misaddressed", allowed_ips=["300.1.1.1"]).wait_until_ready(10)
