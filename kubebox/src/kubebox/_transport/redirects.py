"""Redirects, which nothing of ours follows."""

import aiohttp

from kubebox.errors import AnswerInvalid


def refusing_redirects(url: str) -> aiohttp.TraceConfig:
    """Have aiohttp follow none: the token would go to whoever is there, who has proven nothing.

    Args:
        url: The server's, for the message.
    """

    async def refuse(*_: object) -> None:
        raise AnswerInvalid(f"{url}: the server redirects the connection; give the URL that it leads to")

    tracing = aiohttp.TraceConfig()
    tracing.on_request_redirect.append(refuse)
    return tracing
