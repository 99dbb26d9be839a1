"""The canary: no command is started before the network has been seen to be closed.

A NetworkPolicy is a wish. Some clusters do not enforce it, others seconds after the pod has started. So the server, which shares
the workspace's network, tries what the workspace must not reach, and only lets commands start when none of it connects.
"""

import asyncio
import errno
import ipaddress
import logging
import os
import socket
from collections.abc import Sequence
from typing import Final, Literal

from kubebox_protocol.errors import ErrorCode, Refused

logger = logging.getLogger(__name__)

Address = tuple[str, int]
"""An IP address, of either version, and a port."""

API_SERVER: Final = "api"
"""Stands for the cluster's API server, as Kubernetes tells each container."""

ANSWER_SECONDS: Final = 1.0
"""Seconds without an answer that show an address to be closed: what is open inside of a cluster answers within milliseconds, and
policies drop what they refuse."""

FIRST_PAUSE_SECONDS: Final = 0.25
LONGEST_PAUSE_SECONDS: Final = 5.0
"""Between two rounds while something is open: a policy that comes late comes within seconds. Doubled up to the longest."""

ROUND_SECONDS: Final = 5.0
"""Seconds that a command waits for the end of the first round, which takes one where the server is not short of anything."""


def read_address(word: str) -> Address:
    """Read `HOST:PORT`, or `api`. A name is none: where names do not resolve, that proves nothing of the network.

    Raises:
        ValueError: It is neither.
    """
    if word == API_SERVER:
        host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT")
        if not host or not port:
            raise ValueError("`api` needs KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT")
    else:
        host, _, port = word.rpartition(":")
    try:
        address = str(ipaddress.ip_address(host.removeprefix("[").removesuffix("]")))
        number = int(port)
    except ValueError:
        raise ValueError(f"needs IP addresses with their ports, not {word!r}") from None
    if not 0 < number < 65536:
        raise ValueError(f"no such port: {word!r}")
    return address, number


SILENT_ROUNDS: Final = 2
"""Rounds in a row in which nothing answered: one alone may have come before the pod's address was known to the network, which
lets nothing through until then, and everything afterwards."""

REFUSED_ROUNDS: Final = 3
"""The same, where something was refused: some networks refuse what they close, and so does the machine of an API server
that is just restarting."""


class Canary:
    """Tries what must not be reached, until it is closed.

    Args:
        addresses: What must not be reached. With none, nothing is tried, and everything may start.
    """

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._addresses = addresses
        self._reached: list[Address] = []
        self._tried = asyncio.Event()
        self._closed_rounds = 0
        self._held = not addresses

    @property
    def refusal(self) -> Refused | None:
        """Why nothing may start yet; `None` once the network was seen to be closed, which holds for good."""
        if self._held:
            return None
        if not self._tried.is_set():
            return Refused(
                ErrorCode.NETWORK_OPEN,
                "the network has not been seen to be closed yet; try again in a moment",
            )
        reached = [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self._reached]
        return Refused(
            ErrorCode.NETWORK_OPEN,
            f"the sandbox reaches {', '.join(reached)}, which it must not, so no command is started: the cluster does not "
            "enforce NetworkPolicy, or not yet. An operator can allow it by the namespace's label "
            "kubebox.dev/open-network=allowed",
            reached=reached,
        )

    @property
    def status(self) -> str:
        """`ok`, `network-open`, or `network-unproven` before the first round is over."""
        if self._held:
            return "ok"
        return "network-open" if self._tried.is_set() else "network-unproven"

    async def holds(self) -> None:
        """Return where commands may start. Waits for the first round.

        Raises:
            Refused: `network-open`.
        """
        if self._held:
            return
        if not self._tried.is_set():
            try:
                async with asyncio.timeout(ROUND_SECONDS):
                    await self._tried.wait()
            except TimeoutError:
                pass  # The refusal says so.
        if self.refusal is not None:
            raise self.refusal

    async def keep_trying(self) -> None:
        """Try until everything is closed."""
        pause = FIRST_PAUSE_SECONDS
        while not self._held:
            try:
                await self._try_all()
            except OSError as error:  # The server has no descriptor left: nothing was tried.
                logger.warning("the network could not be tried: %s", error.strerror)
            if not self._held:
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _try_all(self) -> None:
        found = await asyncio.gather(*(_reaches(address) for address in self._addresses))
        reached = [address for address, how in zip(self._addresses, found, strict=True) if how == "open"]
        if reached != self._reached:
            logger.warning("the network is %s", f"open: {reached}" if reached else "closed by now")
        self._reached = reached
        self._closed_rounds = 0 if reached else self._closed_rounds + 1
        self._held = self._closed_rounds >= (REFUSED_ROUNDS if "refused" in found else SILENT_ROUNDS)
        if self._held or reached:
            self._tried.set()


async def _reaches(address: Address) -> Literal["open", "refused", "silent"]:
    host, _ = address
    try:
        connection = socket.socket(
            socket.AF_INET6 if ":" in host else socket.AF_INET,
            socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC,
        )
    except OSError as error:
        if error.errno == errno.EAFNOSUPPORT:  # What the kernel does not speak, nobody reaches.
            return "silent"
        raise
    with connection:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await asyncio.get_running_loop().sock_connect(connection, address)
        except ConnectionRefusedError:
            return "refused"
        except (OSError, TimeoutError):
            return "silent"
    return "open"
