"""The few calls to the Kubernetes API that the test cluster itself needs, on the standard library alone."""

import base64
import contextlib
import http.client
import json
import ssl
import tempfile
import time
from collections.abc import Callable, Collection, Generator, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from testcluster.errors import NotReady, TestClusterError

Manifest = dict[str, Any]

AGAIN_SECONDS: Final = 0.1
"""Between two tries to reach an API server that does not answer; nothing tells when it does."""

SILENCE_SECONDS: Final = 300.0
"""How long a watch may say nothing before it is taken for lost."""


class Refused(TestClusterError):
    """The API server answered, and refused.

    Args:
        status: HTTP's.
        message: The server's.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"the API server refused ({status}): {message}")
        self.status = status


class Api:
    """The Kubernetes API.

    Args:
        kubeconfig: A file as `certificates` writes it: JSON, one cluster, one user with a certificate.
    """

    def __init__(self, kubeconfig: Path) -> None:
        config: Manifest = json.loads(kubeconfig.read_text(encoding="utf-8"))
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self._address = urlsplit(str(cluster["server"]))
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self._tls = ssl.create_default_context(cadata=authority)
        with tempfile.NamedTemporaryFile() as pem:  # ssl takes files alone
            for part in ("client-certificate-data", "client-key-data"):
                pem.write(base64.b64decode(user[part]))
            pem.flush()
            self._tls.load_cert_chain(pem.name)

    def request(
        self, method: str, path: str, body: object = None, *, kind: str = "application/json"
    ) -> Manifest:
        """Make one request.

        Args:
            method: HTTP's.
            path: With its query.
            body: What to send, as JSON.
            kind: The body's content type.

        Returns:
            The answer.

        Raises:
            Refused: The server does not want to.
            OSError: It cannot be reached.
        """
        with self._open(method, path, body, kind) as response:
            return json.loads(response.read())

    def merge(self, path: str, body: object) -> Manifest:
        """Change an object by a merge patch. See `request`."""
        return self.request("PATCH", path, body, kind="application/merge-patch+json")

    def is_ready(self) -> bool:
        """Whether the API server answers and says so."""
        try:
            with self._open("GET", "/readyz") as response:
                return response.read() == b"ok"
        except (OSError, http.client.HTTPException, Refused):
            return False

    def wait_until_ready(self, seconds: float) -> None:
        """Wait until the API server is ready.

        Raises:
            NotReady: It is not, in that time.
        """
        deadline = time.monotonic() + seconds
        while not self.is_ready():
            if time.monotonic() > deadline:
                raise NotReady(f"the API server is not ready after {seconds:.0f} s")
            time.sleep(AGAIN_SECONDS)

    def follow(self, path: str, seconds: float | None = None) -> Iterator[Collection[Manifest]]:
        """Yield the objects of a collection, now and after each change, until the server ends the watch.

        Args:
            path: The collection's.
            seconds: How long; as long as the server likes unless given.

        Raises:
            Refused: The server does not want to.
            OSError: It cannot be reached.
        """
        listing = self.request("GET", path)
        objects: dict[str, Manifest] = {item["metadata"]["uid"]: item for item in listing["items"]}
        yield objects.values()
        watch = f"{path}?watch=1&resourceVersion={listing['metadata']['resourceVersion']}"
        if seconds is not None:
            watch += f"&timeoutSeconds={max(1, round(seconds))}"
        with self._open("GET", watch) as lines:
            for line in lines:
                event = json.loads(line)
                if event["type"] == "ERROR":  # what we know is too old: whoever follows begins anew
                    return
                changed = event["object"]
                if event["type"] == "DELETED":
                    objects.pop(changed["metadata"]["uid"], None)
                else:
                    objects[changed["metadata"]["uid"]] = changed
                yield objects.values()

    def wait_for(self, path: str, what: str, found: Callable[[Manifest], bool], seconds: float) -> None:
        """Wait until an object of a collection is as it should be.

        Args:
            path: The collection's.
            what: It is called in the error.
            found: Whether an object is the one.
            seconds: How long.

        Raises:
            NotReady: None is, in that time.
            Refused: The server does not want to tell.
        """
        for objects in self.follow(path, seconds):
            if any(found(item) for item in objects):
                return
        raise NotReady(f"{what} is not ready after {seconds:.0f} s")

    @contextlib.contextmanager
    def _open(
        self, method: str, path: str, body: object = None, kind: str = "application/json"
    ) -> Generator[http.client.HTTPResponse]:
        connection = http.client.HTTPSConnection(
            self._address.hostname or "", self._address.port, context=self._tls, timeout=SILENCE_SECONDS
        )
        with contextlib.closing(connection):
            sent = None if body is None else json.dumps(body)
            connection.request(method, path, sent, {"Content-Type": kind})
            response = connection.getresponse()
            if response.status >= 300:
                raise Refused(response.status, response.read().decode(errors="replace")[:2000])
            yield response
