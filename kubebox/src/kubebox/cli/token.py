"""`kubebox token`: a token for curl."""

from typing import Final

from kubebox.cli.app import write

CONNECT_SECONDS: Final = 5.0
"""Seconds to go on trying: a person who waits would rather know."""


async def token(method: str, target: str, *, url: str = "http://localhost:80") -> None:
    """Print a token for one request, good once and for a minute.

    curl -H "Authorization: Bearer $(kubebox token GET /v1/sessions --url URL)" URL/v1/sessions

    Args:
        method: The request's method.
        target: Its path with its query, exactly as it is sent.
        url: The sandbox's server.
    """
    from kubebox.client import SandboxClient

    client = SandboxClient(url=url)
    await client.connect(CONNECT_SECONDS)
    try:
        write(await client.sign_token(method.upper(), target))
    finally:
        await client.disconnect()
