"""`network="internet"`: public addresses through slirp4netns, an IP stack in a process, and nothing else.

Everything here happens while the workspace's first process still waits. Routes are set from a child that joins its
namespaces, over the kernel's own interface: `ip` would lose its capabilities when it is executed, since no root is
mapped there.
"""

import ctypes
import fcntl
import ipaddress
import os
import re
import signal
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kubebox.errors import LocalUnavailable
from kubebox.local.diagnose import find_program
from kubebox.local.enclosure import Enclosed
from kubebox.local.loop import Loop, Receive
from kubebox.local.processes import Start, start

INTERFACE: Final = "tap0"
NAMESERVER: Final = "10.0.2.3"
"""slirp4netns's own, which asks the host's resolver."""

GATEWAY: Final = "10.0.2.2"
"""slirp4netns's name for the host; with --disable-host-loopback nothing answers there."""

METADATA: Final = "169.254.169.254"
"""Where clouds hand out credentials."""

MTU: Final = 65520
"""Bytes of a packet; the largest that slirp4netns takes, and the fastest."""

NOT_PUBLIC: Final = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4",
)  # fmt: skip
"""Routed nowhere. IPv6 needs no list: slirp4netns has none unless asked."""

NS_GET_USERNS: Final = 0xB701
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWNET: Final = 0x40000000

RTM_NEWROUTE: Final = 24
NLM_F_REQUEST_ACK_CREATE: Final = 0x1 | 0x4 | 0x400
RTN_UNREACHABLE: Final = 7
RT_TABLE_MAIN: Final = 254
RTPROT_STATIC: Final = 4
RTA_DST: Final = 1
NLMSG_ERROR: Final = 2


@dataclass(frozen=True)
class Tools:
    """What the host needs for it.

    Attributes:
        slirp: The path of slirp4netns.
        closed: Networks that are routed nowhere.
    """

    slirp: str
    closed: Sequence[str]


def find_tools(search: str) -> Tools:
    """Find what `network="internet"` needs.

    Args:
        search: Folders, as in PATH.

    Raises:
        LocalUnavailable: Something is missing; the message says what.
    """
    slirp = find_program("slirp4netns", search)
    if slirp is None:
        raise LocalUnavailable(
            'network="internet" needs slirp4netns: `sudo apt install slirp4netns` (Debian, Ubuntu), '
            "`sudo dnf install slirp4netns` (Fedora)",
            cause="slirp4netns-missing",
        )
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        raise LocalUnavailable(
            'network="internet" needs /dev/net/tun, which is not there or not for this account: '
            "`sudo modprobe tun`, then `sudo chmod 666 /dev/net/tun`, as distributions have it",
            cause="tun-missing",
        )
    return Tools(slirp, (*NOT_PUBLIC, *own_addresses(Path("/proc/net/fib_trie").read_text(encoding="ascii"))))


def own_addresses(trie: str) -> list[str]:
    """The host's own addresses, public ones among them: what listens there may count on a firewall in front.

    Args:
        trie: The kernel's `/proc/net/fib_trie`.
    """
    found = re.findall(r"\|-- ([0-9.]+)\n\s+/32 host LOCAL", trie)
    return sorted({f"{address}/32" for address in found if not address.startswith("127.")})


def connect_while_it_lives(
    loop: Loop,
    tools: Tools,
    enclosed: Enclosed,
    say: Receive,
    ended: Callable[[], None],
    lost: Callable[[], None],
) -> None:
    """Give a held program its network, let it go, and end the network with it.

    Args:
        loop: The supervisor's.
        tools: See `find_tools`.
        enclosed: The program.
        say: Gets what slirp4netns says.
        ended: Called when the program has ended.
        lost: Called when slirp4netns has ended before.
    """
    lives = True
    network: list[int] = []

    def made(process: int) -> None:
        reader, writer = os.pipe()
        slirp = _connect(loop, tools, process, writer, enclosed.release)
        os.close(writer)
        network.append(slirp)
        loop.read(reader, say)
        loop.when_ended(slirp, lambda: lost() if lives else None)

    def end() -> None:
        nonlocal lives
        lives = False
        for slirp in network:  # a child that nobody has reaped: the id is still its own
            os.kill(slirp, signal.SIGKILL)
        ended()

    enclosed.when_made(made)
    enclosed.when_ended(end)


def _connect(loop: Loop, tools: Tools, process: int, output: int, ready: Callable[[], None]) -> int:
    net = os.open(f"/proc/{process}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    # Whose capabilities count for that network: not always the process's own user namespace.
    user = fcntl.ioctl(net, NS_GET_USERNS)
    told, telling = os.pipe()
    namespaces = [
        "--netns-type=path",
        f"--userns-path=/proc/self/fd/{user}",
        f"/proc/self/fd/{net}",
        INTERFACE,
    ]
    walls = ["--disable-host-loopback", "--enable-sandbox", "--enable-seccomp"]
    try:
        slirp = start(
            Start(
                arguments=[
                    tools.slirp,
                    "--configure",
                    f"--mtu={MTU}",
                    f"--ready-fd={telling}",
                    *walls,
                    *namespaces,
                ],
                environment={"PATH": os.defpath},
                descriptors=[net, user, telling],
                output=output,
            )
        )
    finally:
        os.close(telling)

    def configured(data: bytes) -> None:
        # At its end without a word slirp4netns has failed, and its own end says so.
        if data:
            try:
                close_networks(user, net, tools.closed)
                ready()
            finally:
                os.close(user)
                os.close(net)

    loop.read(told, configured)
    return slirp


def close_networks(user: int, net: int, networks: Sequence[str]) -> None:
    """Route networks nowhere.

    Args:
        user: The user namespace that owns the network.
        net: The network namespace.
        networks: IPv4 networks.

    Raises:
        LocalUnavailable: The kernel refused; nothing may run then.
    """
    child = os.fork()
    if child == 0:
        code = 1
        try:
            _join(user, CLONE_NEWUSER)
            _join(net, CLONE_NEWNET)
            _set_routes(networks)
            code = 0
        finally:
            os._exit(code)
    if os.waitpid(child, 0)[1] != 0:
        raise LocalUnavailable(
            'network="internet": private networks could not be closed off, so nothing runs',
            cause="routes-refused",
        )


def _join(namespace: int, kind: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(namespace, kind) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "setns")


def _set_routes(networks: Sequence[str]) -> None:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        for number, network in enumerate(networks, start=1):
            kernel.send(unreachable_route(ipaddress.IPv4Network(network), number))
            answer = kernel.recv(65536)
            kind = struct.unpack_from("=H", answer, 4)[0]
            error = -struct.unpack_from("=i", answer, 16)[0]
            if kind != NLMSG_ERROR or error:
                raise OSError(error, os.strerror(error), network)


def unreachable_route(network: ipaddress.IPv4Network, number: int) -> bytes:
    """The kernel's message (rtnetlink(7)) that adds a route to nowhere.

    Args:
        network: Where to.
        number: Of the message.
    """
    # struct rtmsg: family, lengths of destination and source, TOS, table, protocol, scope, type, flags.
    route = struct.pack(
        "=BBBBBBBBI",
        socket.AF_INET,
        network.prefixlen,
        0,
        0,
        RT_TABLE_MAIN,
        RTPROT_STATIC,
        0,
        RTN_UNREACHABLE,
        0,
    )
    attribute = struct.pack("=HH", 8, RTA_DST) + network.network_address.packed
    length = 16 + len(route) + len(attribute)
    return (
        struct.pack("=IHHII", length, RTM_NEWROUTE, NLM_F_REQUEST_ACK_CREATE, number, 0) + route + attribute
    )
