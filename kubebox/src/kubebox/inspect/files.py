"""Files anywhere in a sandbox, as its own account may use them: Inspect knows no folder that is all there is.

The server gives and takes files beneath the workspace, and no others. So what lies elsewhere goes by way of a file there.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Final, NoReturn
from uuid import uuid4

from kubebox import Sandbox
from kubebox.errors import (
    FileError,
    KubeboxError,
    NoSpace,
    PathOutside,
    SandboxFileNotFound,
    SandboxIsADirectory,
    SandboxPermissionDenied,
)

SHELL: Final = "/bin/sh"
"""By its own path: what PATH leads to may be the agent's."""

SECURE_PATH: Final = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}

NOT_THERE: Final = 41
IS_A_FOLDER: Final = 42
NOT_ALLOWED: Final = 43
NO_ROOM: Final = 44
"""Exit codes of the two programs below."""

PUT: Final = f"""
if [ -d "$2" ]; then exit {IS_A_FOLDER}; fi
folder=$(dirname -- "$2")
mkdir -p -- "$folder" || exit {NOT_ALLOWED}
if [ -e "$2" ]; then [ -w "$2" ] || exit {NOT_ALLOWED}; else [ -w "$folder" ] || exit {NOT_ALLOWED}; fi
cat -- "$1" > "$2" || exit {NO_ROOM}
"""
"""Gives a file the content of another one, and keeps what it is otherwise: its account, its mode, the links to it."""

GET: Final = f"""
if [ -d "$1" ]; then exit {IS_A_FOLDER}; fi
[ -e "$1" ] || exit {NOT_THERE}
[ -r "$1" ] || exit {NOT_ALLOWED}
if [ "$3" -ge 0 ] && [ "$(wc -c < "$1")" -gt "$3" ]; then wc -c < "$1"; exit 0; fi
cat -- "$1" > "$2" || exit {NO_ROOM}
wc -c < "$2"
"""
"""Copies a file, unless it is larger than `$3`, and prints its size."""


async def put_file(sandbox: Sandbox, path: str, content: bytes) -> None:
    """Write a file, with the folders that it needs.

    Raises:
        SandboxIsADirectory: There is a folder.
        SandboxPermissionDenied: The sandbox's account may not.
        NoSpace: There is no room for it.
    """
    async with _between(sandbox, content) as between:
        await _run(sandbox, PUT, path, between, _absolute(path))


async def get_file(sandbox: Sandbox, path: str, limit: int) -> bytes | None:
    """Read a file.

    Args:
        sandbox: Where.
        path: Its path.
        limit: Bytes that it may have.

    Returns:
        Its content; `None` where it has more.

    Raises:
        SandboxFileNotFound: There is none.
        SandboxIsADirectory: It is a folder.
        SandboxPermissionDenied: The sandbox's account may not.
    """
    try:
        if (await sandbox.files.stat(path)).size > limit:
            return None
        return await sandbox.files.read_bytes(path)
    except PathOutside:
        return await _get_elsewhere(sandbox, path, limit)


async def _get_elsewhere(sandbox: Sandbox, path: str, limit: int) -> bytes | None:
    async with _between(sandbox, b"") as between:
        size = await _run(sandbox, GET, path, _absolute(path), between, str(limit))
        return None if int(size) > limit else await sandbox.files.read_bytes(between)


async def _run(sandbox: Sandbox, program: str, path: str, *arguments: str) -> str:
    command = [SHELL, "-c", program, SHELL, *arguments]
    result = await sandbox.run(command, env=SECURE_PATH)
    if result.exit_code != 0:
        _refuse(result.exit_code, path, result.stderr)
    return result.stdout


def _refuse(exit_code: int | None, path: str, words: str) -> NoReturn:
    said = f" ({words.strip()[-200:]})" if words.strip() else ""
    if exit_code == IS_A_FOLDER:
        raise SandboxIsADirectory(f"{path}: is a directory", path=path)
    if exit_code == NOT_THERE:
        raise SandboxFileNotFound(f"{path}: no such file", path=path)
    if exit_code == NOT_ALLOWED:
        raise SandboxPermissionDenied(f"{path}: permission denied{said}", path=path)
    if exit_code == NO_ROOM:
        raise NoSpace(f"{path}: cannot be written{said}", path=path)
    raise FileError(f"{path}: a command that was to copy it ended with {exit_code}{said}", path=path)


def _absolute(path: str) -> str:
    # No program is to take a name for an option, and the commands run where relative paths begin.
    return path if path.startswith("/") else f"./{path}"


@asynccontextmanager
async def _between(sandbox: Sandbox, content: bytes) -> AsyncGenerator[str]:
    """A file in the workspace, for a moment."""
    path = f".kubebox-{uuid4().hex}"
    await sandbox.files.write(path, content)
    try:
        yield path
    finally:
        with suppress(
            KubeboxError
        ):  # somebody in the sandbox may have removed it, or the sandbox may be gone
            await sandbox.files.remove(path)
