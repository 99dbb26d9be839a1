"""Servers that are older than this client, and do not know what it asks."""

from collections.abc import Generator
from contextlib import contextmanager

from kubebox.errors import InvalidRequest, NotSupported, RouteNotFound


@contextmanager
def told_of_older_servers(what: str, field: str = "") -> Generator[None]:
    """Tell of a server that does not know a route, or a field.

    Args:
        what: What it is asked for, for the message.
        field: The field of the request that older servers do not know; none unless given.

    Raises:
        NotSupported: It is such a one.
    """
    try:
        yield
    except RouteNotFound as error:
        raise _older(what) from error
    except InvalidRequest as error:
        if field and f"'field': '{field}'" in str(error.data.get("fields")):
            raise _older(what) from error
        raise


def _older(what: str) -> NotSupported:
    return NotSupported(
        f"this sandbox's server is older than this client, and knows no {what}; make the sandbox anew"
    )
