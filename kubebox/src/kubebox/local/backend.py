"""The local backend in the user's program: drives one supervisor for each sandbox, over its streams."""

import asyncio
import contextlib
import importlib.util
import json
import os
import secrets
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from kubebox._backend import FindPod, OwnKeys, PodSpecification, Ready, ServiceSpecification
from kubebox.errors import InvalidArgument, KubeboxError, LocalUnavailable, NotSupported, PodFailed
from kubebox.local.config import Config
from kubebox.local.diagnose import find_bubblewrap
from kubebox.local.resources import Resources
from kubebox.local.way import LocalWay
from kubebox_protocol.verdicts import Verdict

DESTROY_SECONDS: Final = 10.0
"""How long a supervisor may take to remove everything before it is killed, which ends its processes too."""

MAX_EVENT_BYTES: Final = 4 * 1024 * 1024
"""Bytes of one event; the log is the largest."""

_REFUSALS: Final[Mapping[str, type[KubeboxError]]] = {
    error.code: error for error in (InvalidArgument, LocalUnavailable, NotSupported, PodFailed)
}


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

    async def start(self, specification: PodSpecification, own_keys: OwnKeys) -> "LocalBody":
        """Start a sandbox's supervisor.

        Raises:
            NotSupported: It asks for what only a cluster has.
            LocalUnavailable: This machine cannot run it.
        """
        check(specification)
        public_keys = self._keys(specification) or await asyncio.to_thread(own_keys)
        search = os.environ.get("PATH", os.defpath)
        find_bubblewrap(search)  # again by the supervisor; here it spares a process
        server, init = find_server()
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
        return LocalBody(process, config)

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

    async def pods(self, namespace: str) -> Mapping[str, "Callable[[], LocalBody]"]:
        """See `Backend`; other programs' sandboxes are theirs alone."""
        return {}

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


class LocalBody:
    """A sandbox's supervisor.

    Args:
        process: The supervisor.
        config: What it is told.
    """

    def __init__(self, process: asyncio.subprocess.Process, config: Config) -> None:
        self._process = process
        self._ready: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
        self._ready.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._logs: asyncio.Queue[str] = asyncio.Queue()
        self._asking = asyncio.Lock()
        self._last_log = ""
        self._verdict: Verdict | None = None
        self._send(config.line())
        self._following = asyncio.create_task(self._follow())

    async def ready(self) -> Ready:
        """See `Body`."""
        return await asyncio.shield(self._ready)

    async def destroy(self) -> None:
        """See `Body`."""
        self._request("destroy")
        done, _ = await asyncio.wait({self._following}, timeout=DESTROY_SECONDS)
        if not done:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await asyncio.wait({self._following})

    async def abandon(self) -> None:
        """See `Body`."""
        await self.destroy()

    async def logs(self) -> str:
        """See `Body`."""
        async with self._asking:
            if not self._following.done():
                self._request("logs")
                answer = asyncio.create_task(self._logs.get())
                await asyncio.wait({answer, self._following}, return_when=asyncio.FIRST_COMPLETED)
                if answer.done():
                    return answer.result()
                answer.cancel()
            return self._last_log

    async def ended(self) -> None:
        """See `Body`."""
        await asyncio.wait({self._following})

    def verdict(self) -> Verdict | None:
        """See `Body`."""
        return self._verdict

    def progress(self) -> str:
        """See `Body`; a start takes a second at most, so there is nothing to tell."""
        return ""

    def _request(self, operation: str) -> None:
        self._send(json.dumps({"op": operation}).encode() + b"\n")

    def _send(self, line: bytes) -> None:
        stdin = self._process.stdin
        if stdin is not None and not stdin.is_closing():
            stdin.write(line)

    async def _follow(self) -> None:
        process = self._process
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None  # noqa: S101, PT018
        complaints = asyncio.create_task(process.stderr.read())
        async for line in process.stdout:
            self._take(json.loads(line))
        await process.wait()
        said = (await complaints).decode(errors="replace").strip()
        process.stdin.close()
        with contextlib.suppress(ConnectionError):
            await process.stdin.wait_closed()
        if self._verdict is None:
            self._verdict = Verdict(kind="unknown", message="its supervisor was killed, and it with it")
        if not self._ready.done():
            why = f": {said[-2000:]}" if said else ""
            self._ready.set_exception(
                PodFailed(f"the sandbox's supervisor ended early{why}", verdict=self._verdict)
            )

    def _take(self, event: dict[str, Any]) -> None:
        match event.pop("event"):
            case "ready":
                if not self._ready.done():
                    address = f"127.0.0.1:{event['port']}"
                    ready = Ready(
                        address=address,
                        identity=event["identity"],
                        limits=event["limits"],
                        phases=event["phases"],
                    )
                    self._ready.set_result(ready)
            case "refused":
                if not self._ready.done():
                    kind = _REFUSALS.get(event["code"], PodFailed)
                    self._ready.set_exception(kind(event["message"], **event["data"]))
            case "logs":
                self._logs.put_nowait(event["text"])
            case "ended":
                self._verdict = Verdict(kind=event["kind"], message=event["message"])
                self._last_log = event["log"]
            case _:
                pass  # of a newer supervisor


def check(specification: PodSpecification) -> None:
    """Refuse what a local sandbox cannot be.

    Raises:
        NotSupported: With what to do instead.
    """
    cluster = "use a cluster"
    reasons = {
        "roots": (specification.roots, f"sessions lie beneath /workspace; to choose where, {cluster}"),
        "image": (
            specification.image,
            f"a local workspace shows this machine's own system; to choose an image, {cluster}",
        ),
        "ports": (specification.ports, f"a local sandbox opens no port but its server's; {cluster}"),
        "runtime_class": (specification.runtime_class, f"runtime classes are Kubernetes'; {cluster}"),
        "pod": (specification.pod, f"there is no Pod to merge it into; {cluster}"),
        'profile="root"': (
            specification.profile == "root",
            f"a local workspace has no root; install into its home (`pip install --user`), or {cluster}",
        ),
    }
    for option, (given, instead) in reasons.items():
        if given:
            raise NotSupported(f"local sandboxes have no {option}: {instead}", option=option)
    if specification.network not in ("none", "internet"):
        raise NotSupported(
            'a local sandbox has network="none" or "internet"; a list of networks needs a cluster',
            option="network",
        )


def find_server() -> tuple[list[str], str]:
    """The server's argv and init's path.

    Raises:
        LocalUnavailable: They are not installed.
    """
    # The server is started by its command line; its package is located, never imported.
    found = importlib.util.find_spec("kubebox_sandbox")
    folder = (
        Path(next(iter(found.submodule_search_locations)))
        if found and found.submodule_search_locations
        else None
    )
    if folder is None:
        raise LocalUnavailable(
            'the sandbox\'s server is not installed: `pip install "kubebox[local]"`', cause="server-missing"
        )
    init = folder / "bin" / "init"
    if not init.is_file():
        raise LocalUnavailable(
            f"the sandbox's server is installed without init ({init}): this machine may have no wheel. "
            'In a checkout, `make setup` builds it; else `pip install --force-reinstall "kubebox[local]"`',
            cause="init-missing",
        )
    return [sys.executable, "-I", "-m", "kubebox_sandbox"], str(init)


def hidden_paths() -> list[str]:
    """Paths that no workspace may see: the user's home, or what is in it where the names are the same."""
    with contextlib.suppress(RuntimeError, OSError):
        home = Path.home().resolve()
        if home == Path("/home/user"):
            return [str(entry) for entry in sorted(home.iterdir())[:8]]
        if home.is_dir() and not home.is_relative_to("/usr") and home != Path("/"):
            return [str(home)]
    return []
