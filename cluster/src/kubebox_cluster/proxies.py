"""Which proxy is on the way, by the same environment variables as kubectl's."""

import ipaddress
import os
from typing import Final
from urllib.parse import urlsplit

SCHEMES: Final = ("http", "https")


def proxy_for(server: str) -> str | None:
    """The proxy for a server's URL, by `$HTTPS_PROXY` or `$HTTP_PROXY`, and `$NO_PROXY`; `None` for none.

    `$NO_PROXY` has names (with all below them), addresses and networks: inside clusters the API server is most often
    excepted by its network, which Python's own rules do not know.
    """
    parts = urlsplit(server)
    proxy = _variable(f"{parts.scheme}_proxy")
    host = parts.hostname or ""
    if not proxy or _excepted(host, parts.port, _variable("no_proxy")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _variable(name: str) -> str:
    return os.environ.get(name.upper(), "") or os.environ.get(name, "")


def _excepted(host: str, port: int | None, exceptions: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    if address is not None and address.is_loopback:
        return True
    return any(_matches(host, port, address, entry.strip()) for entry in exceptions.split(","))


def _matches(
    host: str, port: int | None, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None, entry: str
) -> bool:
    if entry == "*":
        return True
    if address is not None:
        try:
            return address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            pass  # a name, or an address with a port
    name, _, only = entry.lower().rpartition(":") if entry.count(":") == 1 else (entry.lower(), "", "")
    if only and only != str(port):
        return False
    name = name.removeprefix("*")
    bare = name.removeprefix(".")
    return bool(bare) and (host.lower() == bare or host.lower().endswith(f".{bare}"))
