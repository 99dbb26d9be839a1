"""The local backend in the user's program: starts one supervisor for each sandbox, and keeps the secrets they are given."""

import asyncio
import contextlib
import os
import secrets
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from kubebox._backend import FindPod, OwnKeys, PodSpecification, ServiceSpecification
from kubebox._listing import SandboxInfo
from kubebox.errors import (
    InvalidArgument,
    NotSupported,
)
from kubebox.local import installed, living
from kubebox.local.body import LocalBody
from kubebox.local.config import Config
from kubebox.local.diagnose import find_bubblewrap
from kubebox.local.possible import check
from kubebox.local.resources import Resources
from kubebox.local.way import LocalWay

MAX_EVENT_BYTES: Final = 4 * 1024 * 1024
"""Bytes of one event; the log is the largest."""


class LocalBackend:
    """Sandboxes on this machine.

    Attributes:
        where: Its name.
        outlived: They end with the program.
    """

    where = "local"
    outlived = False

    def __init__(self) -> None:
        self._secrets: dict[tuple[str, str], dict[str, str]] = {}

    async def start(self, specification: PodSpecification, own_keys: OwnKeys) -> LocalBody:
        """Start a sandbox's supervisor.

        Raises:
            NotSupported: It asks for what only a cluster has.
            LocalUnavailable: This machine cannot run it.
        """
        check(specification)
        public_keys = self._keys(specification) or await asyncio.to_thread(own_keys)
        search = os.environ.get("PATH", os.defpath)
        find_bubblewrap(search)  # again by the supervisor; here it spares a process
        server, init = installed.find_server()
        config = Config(
            sandbox_id=specification.name,
            sandbox_uid=secrets.token_hex(16),
            public_keys=public_keys,
            server=server,
            init=init,
            search=os.pathsep.join([search, "/usr/sbin", "/sbin"]),
            folder=tempfile.gettempdir(),
            hidden=hidden_paths(),
            owner=os.getpid(),
            network=specification.network if isinstance(specification.network, str) else "none",
            lifetime=specification.lifetime,
            resources=Resources.read(specification.resources),
            environment=dict(specification.env),
            secrets=self._variables(specification),
        )
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-I", "-S", str(Path(__file__).with_name("launch.py"))),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"PATH": os.defpath, "LANG": "C.UTF-8"},
            cwd="/",
            start_new_session=True,
            limit=MAX_EVENT_BYTES,
        )
        return LocalBody(process, config, specification.metadata)

    async def open(self, specification: ServiceSpecification, find_pod: FindPod) -> LocalWay:
        """See `Backend`."""
        return LocalWay(specification, find_pod)

    async def keep_secret(self, namespace: str, name: str, data: Mapping[str, str]) -> None:
        """See `Backend`."""
        self._secrets[namespace, name] = dict(data)

    async def drop_secret(self, namespace: str, name: str) -> None:
        """See `Backend`."""
        self._secrets.pop((namespace, name), None)

    async def admit(self, namespace: str, name: str, allowed_ips: tuple[str, ...] | None) -> None:
        """See `Backend`.

        Raises:
            NotSupported: Always.
        """
        raise NotSupported(
            'local sandboxes have no network policies: create_pod(network="none") chooses what one reaches',
            option="create_network_policy",
        )

    async def shut(self, namespace: str, name: str) -> None:
        """See `Backend`."""

    async def pods(self, namespace: str) -> Mapping[str, Callable[[], LocalBody]]:
        """See `Backend`; other programs' sandboxes are theirs alone."""
        return {}

    async def sandboxes(self, namespace: str, own_keys: OwnKeys, *, ended: bool) -> Sequence[SandboxInfo]:
        """See `Backend`; there is one namespace and one user here, and nobody remembers those that have ended."""
        return living.living()

    async def find(
        self, namespace: str, name: str, own_keys: OwnKeys
    ) -> tuple[SandboxInfo, Callable[[], LocalBody]]:
        """See `Backend`.

        Raises:
            NotSupported: Always.
        """
        raise NotSupported(
            f"local sandboxes belong to the program that made them, so {name!r} cannot be found by another one",
            option="find_pod",
        )

    async def services(self, namespace: str) -> Mapping[str, LocalWay]:
        """See `Backend`."""
        return {}

    async def collect(self, namespace: str) -> list[str]:
        """See `Backend`; a supervisor removes its sandbox, and what a killed one left, the next one does."""
        return []

    async def close(self) -> None:
        """See `Backend`."""

    def _variables(self, specification: PodSpecification) -> dict[str, str]:
        found: dict[str, str] = {}
        for name in specification.secrets:
            found |= self._secret(specification.namespace, name)
        return found

    def _keys(self, specification: PodSpecification) -> str | None:
        if specification.key_secret is None:
            return None
        name, entry = specification.key_secret
        keys = self._secret(specification.namespace, name).get(entry)
        if keys is None:
            raise InvalidArgument(f"secret {name!r} has no entry {entry!r} with a public key")
        return keys

    def _secret(self, namespace: str, name: str) -> dict[str, str]:
        try:
            return self._secrets[namespace, name]
        except KeyError:
            raise InvalidArgument(
                f"there is no secret {name!r} in {namespace!r}; create_secret() makes one"
            ) from None


def hidden_paths() -> list[str]:
    """Paths that no workspace may see: the user's home, or what is in it where the names are the same."""
    with contextlib.suppress(RuntimeError, OSError):
        home = Path.home().resolve()
        if home == Path("/home/user"):
            return [str(entry) for entry in sorted(home.iterdir())[:8]]
        if home.is_dir() and not home.is_relative_to("/usr") and home != Path("/"):
            return [str(home)]
    return []
