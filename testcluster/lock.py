"""One at a time: several sessions of tests may share a machine."""

import fcntl
from collections.abc import Generator
from contextlib import contextmanager

from testcluster.place import CACHE


@contextmanager
def lock(name: str) -> Generator[None]:
    """Wait until nobody else does this; the kernel lets go of it however its holder ends.

    Args:
        name: What is done.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
