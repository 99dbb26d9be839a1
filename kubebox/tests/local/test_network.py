"""What `network="internet"` opens, and what it does not."""

import ipaddress
import os

import pytest

from kubebox import Kubebox
from kubebox.errors import LocalUnavailable
from kubebox.local.network import NOT_PUBLIC, own_addresses, unreachable_route

from .boxes import PATIENCE, opened

pytestmark = pytest.mark.anyio

TRIE = """Local:
     +-- 127.0.0.0/8 2 0 2
           |-- 127.0.0.1
              /32 host LOCAL
     |-- 198.51.100.7
        /32 host LOCAL
     |-- 198.51.100.255
        /32 link BROADCAST
"""


async def test_only_public_addresses_have_a_way(kubebox: Kubebox) -> None:
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        pod = kubebox.create_pod("online", network="internet")
        with pytest.raises(LocalUnavailable) as refused:
            await pod.wait_until_ready(PATIENCE)
        assert refused.value.data["cause"] in ("tun-missing", "slirp4netns-missing")
        pytest.skip("this account may not use /dev/net/tun; that was said")
    async with opened(kubebox, "online", network="internet") as box:
        routes = (await box.run("cat /proc/net/route")).stdout.splitlines()
        assert any(line.startswith("tap0\t00000000\t") for line in routes)
        assert (await box.run("cat /etc/resolv.conf")).stdout == "nameserver 10.0.2.3\n"
        closed = [
            ipaddress.ip_network(network) for network in NOT_PUBLIC if not network.startswith(("127.", "0."))
        ]
        for network in closed:
            for address in {network[0], network[-1]}:
                result = await box.run(f"echo > /dev/tcp/{address}/80", timeout=5)
                assert result.exit_code == 1, address
        assert (await box.run(f"echo > /dev/tcp/10.0.2.2/{box.port}", timeout=5)).exit_code == 1
        assert (await box.run(f"echo > /dev/tcp/127.0.0.1/{box.port}", timeout=5)).exit_code == 1
        assert (await box.run("ip route del unreachable 192.168.0.0/16")).exit_code != 0


def test_the_hosts_own_addresses_are_closed_too() -> None:
    assert own_addresses(TRIE) == ["198.51.100.7/32"]


def test_a_route_to_nowhere_is_what_the_kernel_expects() -> None:
    message = unreachable_route(ipaddress.IPv4Network("192.168.0.0/16"), 7)
    assert len(message) == int.from_bytes(message[:4], "little" if message[0] else "big") == 36
    assert message[-4:] == bytes([192, 168, 0, 0])
