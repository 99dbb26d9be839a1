"""Copies of collections that a thread each keeps up to date, for components that react to what is there."""

import http.client
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from testcluster.kubernetes import Api, Manifest, Refused

AGAIN_SECONDS: Final = 0.5
"""After a watch was lost: the API server is restarted in tests, and shall not be rushed."""


class Mirror:
    """A collection.

    Args:
        api: Where it is.
        path: The collection's.
        changed: Called in the thread after each change.
    """

    def __init__(self, api: Api, path: str, changed: Callable[[], None]) -> None:
        self._api, self._path, self._changed = api, path, changed
        self._objects: tuple[Manifest, ...] | None = None
        # Nothing has to be left in order: it ends with its process.
        threading.Thread(target=self._keep, daemon=True).start()

    @property
    def objects(self) -> Sequence[Manifest] | None:
        """The objects; `None` until they are known."""
        return self._objects

    def _keep(self) -> None:
        while True:
            try:
                for objects in self._api.follow(self._path):
                    # One assignment: whoever reads sees all of it or nothing.
                    self._objects = tuple(objects)
                    self._changed()
            except (OSError, http.client.HTTPException, ValueError, Refused) as problem:
                print(f"{self._path}: {problem!r}; listing again", flush=True)
            time.sleep(AGAIN_SECONDS)
