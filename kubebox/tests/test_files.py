"""Files against a real server: streamed both ways, exact, typed."""

import os
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from kubebox import errors
from kubebox.client import SandboxClient
from kubebox_protocol.executions import CommandMode


async def test_text_and_bytes_come_back(client: SandboxClient, session: str) -> None:
    content = os.urandom(3_000_000)
    await client.write_file(session, "text", "Grüße\n")
    written = await client.write_file(session, "bytes", content)
    assert written.size == len(content)
    assert await client.get_file(session, "text") == "Grüße\n"
    assert await client.get_file(session, "bytes", encoding=None) == content
    assert await client.get_file(session, "text", encoding="latin-1") == "GrÃ¼Ã\x9fe\n"


@pytest.mark.parametrize(
    "path", ["with space", "50%", "a?b=c&d#e", "käse", "a+b", "line\nbreak", "%2e%2e", "\\"]
)
async def test_odd_names_are_just_names(client: SandboxClient, session: str, path: str) -> None:
    await client.write_file(session, path, path)
    assert await client.get_file(session, path) == path
    assert await client.get_all_file_paths(session) == [path]
    await client.delete_file(session, path)


async def test_a_file_of_this_machine_and_an_iterable_are_streamed(
    client: SandboxClient, session: str, tmp_path: Path
) -> None:
    content = os.urandom(1_000_000)
    (tmp_path / "local").write_bytes(content)

    async def pieces() -> AsyncGenerator[bytes]:
        for start in range(0, len(content), 300_000):
            yield content[start : start + 300_000]

    for source in (tmp_path / "local", pieces(), memoryview(content), bytearray(content)):
        await client.write_file(session, "copy", source)
        assert await client.get_file(session, "copy", encoding=None) == content


async def test_what_cannot_be_decoded_is_typed(client: SandboxClient, session: str) -> None:
    await client.write_file(session, "binary", b"abc\xff")
    with pytest.raises(errors.FileNotText) as caught:
        await client.get_file(session, "binary")
    assert caught.value.data == {"path": "binary", "offset": 3}
    with pytest.raises(errors.InvalidArgument):
        await client.get_file(session, "binary", encoding="klingon")


async def test_folders_and_deletion(client: SandboxClient, session: str) -> None:
    await client.make_dirs(session, "a/b")
    await client.write_file(session, "c/d/e", "x", make_dirs=True)
    assert await client.file_exists(session, "a/b")
    with pytest.raises(errors.SandboxIsADirectory):
        await client.delete_file(session, "c")
    await client.delete_file(session, "c", recursive=True)
    assert not await client.file_exists(session, "c")


async def test_a_files_status(client: SandboxClient, session: str) -> None:
    await client.write_file(session, "file", "12345")
    status = await client.stat_file(session, "file")
    assert (status.path, status.type, status.size) == ("file", "file", 5)


async def test_listings(client: SandboxClient, session: str) -> None:
    for path in ("a.py", "src/b.py", "src/c.txt"):
        await client.write_file(session, path, "x", make_dirs=True)
    assert await client.get_all_file_paths(session, [r"\.py$"]) == ["a.py", "src/b.py"]
    listing = await client.list_files(session, "src")
    assert [entry.path for entry in listing.entries] == ["b.py", "c.txt"]
    with pytest.raises(errors.RegexInvalid):
        await client.get_all_file_paths(session, ["("])


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("missing", errors.SandboxFileNotFound),
        ("../x", errors.PathOutside),
        ("/etc/passwd", errors.PathOutside),
        ("folder", errors.SandboxIsADirectory),
        ("a\0b", errors.PathInvalid),
    ],
)
async def test_refusals_are_typed(
    client: SandboxClient, session: str, path: str, error: type[errors.KubeboxError]
) -> None:
    await client.make_dirs(session, "folder")
    with pytest.raises(error) as caught:
        await client.get_file(session, path)
    assert isinstance(caught.value, OSError)


async def test_a_refused_write_of_megabytes_is_told(client: SandboxClient, session: str) -> None:
    with pytest.raises(errors.PathOutside):
        await client.write_file(session, "../x", bytes(20_000_000))
    assert (await client.run_command(session, "true", CommandMode.WAIT)).exit_code == 0


async def test_wrong_arguments_are_told(client: SandboxClient, session: str) -> None:
    for call in (
        client.write_file(session, "x", 7),  # pyright: ignore[reportArgumentType] - wrong on purpose
        client.get_file(session, 7),  # pyright: ignore[reportArgumentType, reportCallIssue] - wrong on purpose
        client.get_file(session, b"x"),  # pyright: ignore[reportArgumentType, reportCallIssue] - wrong on purpose
        client.get_file(session, "\ud800"),
        client.get_file("a b", "x"),
        client.get_all_file_paths(session, "x"),
        client.get_all_file_paths(session, ["x" * 2000]),
        client.get_all_file_paths(session, [7]),  # pyright: ignore[reportArgumentType] - wrong on purpose
    ):
        with pytest.raises(errors.InvalidArgument):
            await call
