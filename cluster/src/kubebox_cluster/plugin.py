"""Running an exec plugin: a program that prints credentials, without a terminal and with a time limit."""

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, cast

from kubebox_cluster.errors import CredentialsUnavailable
from kubebox_cluster.target import Plugin

LIMIT_SECONDS: Final = 60.0
"""Seconds that a plugin may take. Clouds' own command lines take up to ten on a slow machine; one that waits for
somebody to log in waits for ever."""

MAX_OUTPUT_BYTES: Final = 1024 * 1024
"""Bytes of a plugin's answer; a token has a few thousand."""

SHOWN_BYTES: Final = 500
"""Bytes of a plugin's complaint that a message quotes: its last, where the reason stands."""


@dataclass(frozen=True)
class Given:
    """What a plugin gave.

    Attributes:
        token: A bearer token; empty where it gave a certificate.
        certificate: A client certificate and its key as PEM, one after the other.
        until: When it expires, in seconds since 1970; `None` for as long as it is accepted.
    """

    token: str = field(default="", repr=False)
    certificate: bytes | None = field(default=None, repr=False)
    until: float | None = None


async def ask_plugin(plugin: Plugin) -> Given:
    """Run the plugin and read what it gives.

    Raises:
        CredentialsUnavailable: It is not there, fails, takes too long, or answers what it must not.
    """
    output = await _run(plugin)
    try:
        said = _mapping(json.loads(output))
    except ValueError:
        raise _failure(plugin, "printed no JSON") from None
    if said is None or said.get("kind") != "ExecCredential":
        raise _failure(plugin, "printed something else than an ExecCredential")
    if said.get("apiVersion") != plugin.api_version:
        raise _failure(plugin, f"does not answer in the form that is configured, {plugin.api_version}")
    status = _mapping(said.get("status"))
    if status is None:
        raise _failure(plugin, "gave no credentials (no status)")
    return _read(plugin, status)


def _mapping(value: Any) -> Mapping[str, Any] | None:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else None


def _read(plugin: Plugin, status: Mapping[str, Any]) -> Given:
    texts = {
        name: status.get(name) or ""
        for name in ("token", "clientCertificateData", "clientKeyData", "expirationTimestamp")
    }
    wrong = [name for name, value in texts.items() if not isinstance(value, str)]
    if wrong:
        raise _failure(plugin, f"gave a status.{wrong[0]} that is not text")
    certificate, key = texts["clientCertificateData"], texts["clientKeyData"]
    if bool(certificate) != bool(key):
        raise _failure(plugin, "gave only one of clientCertificateData and clientKeyData")
    if not certificate and not texts["token"]:
        raise _failure(plugin, "gave neither a token nor a certificate")
    return Given(
        token=texts["token"],
        certificate=f"{certificate.strip()}\n{key.strip()}\n".encode() if certificate else None,
        until=_until(plugin, texts["expirationTimestamp"]),
    )


def _until(plugin: Plugin, stamp: str) -> float | None:
    if not stamp:
        return None
    try:
        when = datetime.fromisoformat(stamp)
    except ValueError:
        raise _failure(plugin, "gave a status.expirationTimestamp that is no time") from None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


async def _run(plugin: Plugin) -> bytes:
    try:
        process = await asyncio.create_subprocess_exec(
            plugin.command,
            *plugin.arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **plugin.environment, "KUBERNETES_EXEC_INFO": _exec_info(plugin)},
            # A session of its own has no terminal to ask on, and is a group that can be killed whole.
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "an argument or a variable has a NUL"
        hint = f". {plugin.install_hint}" if plugin.install_hint else ""
        raise _failure(plugin, f"cannot be run ({reason}){hint}") from None
    started = time.monotonic()
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            output, complaint = await _both(process)
            code = await process.wait()
    except TimeoutError:
        raise _failure(plugin, f"did not end within {time.monotonic() - started:.0f} s") from None
    finally:
        await _end(process)
    if code != 0:
        reason = complaint[-SHOWN_BYTES:].decode("utf-8", "replace").strip()
        raise _failure(plugin, f"failed (exit code {code}){f': {reason}' if reason else ''}")
    if len(output) > MAX_OUTPUT_BYTES:
        raise _failure(plugin, f"printed more than {MAX_OUTPUT_BYTES} bytes")
    return output


async def _both(process: asyncio.subprocess.Process) -> tuple[bytes, bytes]:
    async with asyncio.TaskGroup() as group:
        output = group.create_task(_read_bounded(process.stdout, MAX_OUTPUT_BYTES + 1))
        complaint = group.create_task(_read_bounded(process.stderr, MAX_OUTPUT_BYTES))
    return output.result(), complaint.result()


async def _read_bounded(stream: asyncio.StreamReader | None, limit: int) -> bytes:
    """Read to the end, keeping the last bytes: who prints on must not be blocked by us."""
    kept = bytearray()
    while stream is not None and (piece := await stream.read(limit)):
        kept += piece
        del kept[:-limit]
    return bytes(kept)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill it where it still runs, and whatever it has started: but not the browser of one that has done its work."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    await process.wait()


def _exec_info(plugin: Plugin) -> str:
    spec: dict[str, Any] = {"interactive": False}
    if plugin.cluster is not None:
        spec["cluster"] = plugin.cluster
    return json.dumps({"apiVersion": plugin.api_version, "kind": "ExecCredential", "spec": spec})


def _failure(plugin: Plugin, problem: str) -> CredentialsUnavailable:
    return CredentialsUnavailable(f"{plugin.place}: the plugin {plugin.command} {problem}")
