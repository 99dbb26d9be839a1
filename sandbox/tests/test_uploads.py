"""Files that come in parts, and parts of files: what is there already is left out, and what is not wanted is told in time."""

import hashlib
import os
import time
from typing import Any
from uuid import uuid4

import anyio
import pytest

from kubebox_sandbox.files import uploads

from .conftest import Sandbox, eventually

FILES = "/v1/sessions/main/files"
UPLOADS = f"{FILES}/uploads"
CONTENT = os.urandom(1_500_000)
SOON = 8.0
"""Seconds for what takes milliseconds on a machine that does nothing else."""


async def begin(sandbox: Sandbox, path: str = "file", size: int = len(CONTENT), **fields: Any) -> Any:
    body = {"upload_id": str(uuid4()), "path": path, "size": size, **fields}
    answer = await sandbox.request("POST", UPLOADS, json=body)
    return {**body, "status": answer.status_code, **answer.json()}


async def put(sandbox: Sandbox, upload: Any, content: bytes, offset: int = 0) -> Any:
    path = f"{UPLOADS}/{upload['upload_id']}"
    return (await sandbox.request("PUT", path, params={"offset": offset}, content=content)).json()


async def again(sandbox: Sandbox, upload: Any) -> Any:
    asked = {name: upload[name] for name in ("upload_id", "path", "size", "mode") if name in upload}
    return (await sandbox.request("POST", UPLOADS, json=asked)).json()


async def test_a_file_comes_in_parts(sandbox: Sandbox) -> None:
    (sandbox.workspace / "file").write_text("old")
    upload = await begin(sandbox, mode=0o640)
    assert (upload["status"], upload["offset"], upload["written"]) == (200, 0, None)
    part = await put(sandbox, upload, CONTENT[:600_000])
    assert (part["code"], part["data"]["offset"]) == ("upload-conflict", 600_000)
    assert (await again(sandbox, upload))["offset"] == 600_000
    assert (sandbox.workspace / "file").read_text() == "old"
    gap = await put(sandbox, upload, CONTENT[700_000:], 700_000)
    assert (gap["code"], gap["data"]["offset"]) == ("upload-conflict", 600_000)
    written = await put(sandbox, upload, CONTENT[500_000:], 500_000)  # what is there already is left out
    assert written["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert (sandbox.workspace / "file").read_bytes() == CONTENT
    assert (sandbox.workspace / "file").stat().st_mode & 0o777 == 0o640
    assert (await again(sandbox, upload))["written"] == written
    assert await put(sandbox, upload, CONTENT) == written
    assert os.listdir(sandbox.workspace) == ["file"]


async def test_what_came_before_a_cut_is_kept_and_the_next_request_has_its_turn(sandbox: Sandbox) -> None:
    upload = await begin(sandbox)
    target = f"{UPLOADS}/{upload['upload_id']}?offset=0"
    head = (
        f"PUT {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {sandbox.token('PUT', target)}\r\n"
        f"Content-Length: {len(CONTENT)}\r\n\r\n"
    )
    async with await anyio.connect_tcp("127.0.0.1", sandbox.port) as silent:
        await silent.send(head.encode() + CONTENT[:700_000])  # and not a byte more, nor its end

        async def has_come() -> bool:
            return (await again(sandbox, upload))["offset"] > 0

        with anyio.fail_after(SOON):
            await eventually(has_come)
            offset = (await again(sandbox, upload))["offset"]
            written = await put(sandbox, upload, CONTENT[offset:], offset)
        assert written["sha256"] == hashlib.sha256(CONTENT).hexdigest()


async def test_uploads_that_cannot_be(sandbox: Sandbox) -> None:
    (sandbox.workspace / "folder").mkdir()
    upload = await begin(sandbox, size=3)
    for path, code in (
        ("folder", "is-a-directory"),
        ("../x", "path-outside"),
        ("", "path-invalid"),
        ("a/b", "file-not-found"),
    ):
        assert (await begin(sandbox, path))["code"] == code
    assert (await begin(sandbox, size=1 << 39))["code"] == "no-space"
    assert (await begin(sandbox, size=1 << 60))["code"] == "invalid-request"
    assert (await begin(sandbox, mode=0o4755))["code"] == "invalid-request"
    assert (await begin(sandbox, upload_id=upload["upload_id"], path="other"))["code"] == "upload-conflict"
    assert (await put(sandbox, {"upload_id": uuid4()}, b""))["code"] == "upload-not-found"
    assert (await put(sandbox, {"upload_id": "none"}, b""))["code"] == "invalid-request"
    assert (await put(sandbox, upload, b"four"))["code"] == "invalid-request"
    assert (await put(sandbox, upload, b"one"))["code"] == "invalid-request"  # what has failed stays so
    assert os.listdir(sandbox.workspace) == ["folder"]


async def test_an_upload_that_is_given_up_leaves_nothing(sandbox: Sandbox) -> None:
    upload = await begin(sandbox)
    await put(sandbox, upload, CONTENT[:10])
    assert len(os.listdir(sandbox.workspace)) == 1
    path = f"{UPLOADS}/{upload['upload_id']}"
    for _ in range(2):
        assert (await sandbox.request("DELETE", path)).status_code == 204
    assert os.listdir(sandbox.workspace) == []
    assert (await put(sandbox, upload, b""))["code"] == "upload-not-found"


async def test_nobody_can_hold_all_that_there_is(sandbox: Sandbox) -> None:
    begun = [await begin(sandbox, f"file{number}") for number in range(uploads.MAX_OPEN)]
    assert (await begin(sandbox))["code"] == "too-many-requests"
    assert (await sandbox.request("PUT", FILES, params={"path": "plain"}, content=b"x")).status_code == 200
    await sandbox.request("DELETE", f"{UPLOADS}/{begun[0]['upload_id']}")
    assert (await begin(sandbox))["status"] == 200


async def test_what_nobody_comes_back_for_is_removed(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "KEEP_SECONDS", 0.0)
    monkeypatch.setattr(uploads, "SWEEP_SECONDS", 0.01)
    upload = await begin(sandbox)
    with anyio.fail_after(uploads.SWEEP_SECONDS + 20):  # it sleeps already, for as long as it did
        await eventually(lambda: os.listdir(sandbox.workspace) == [])
    assert (await put(sandbox, upload, b""))["code"] == "upload-not-found"


async def test_hostile_ranges_are_answered_at_once(sandbox: Sandbox) -> None:
    """H40: one range is honoured, and no other form; none costs more than the file."""
    (sandbox.workspace / "file").write_bytes(bytes(200))
    ranges = {
        "bytes=" + ",".join(f"{number}-" for number in range(9_000)): 200,
        "bytes=0-99,50-149,0-": 200,
        "bytes=" + "0-," * 15_000: 200,
        "bytes=0-" + "9" * 18: 206,
        "bytes=200-": 416,
        "bytes=" + "9" * 18 + "-": 416,
    }
    for wanted, status in ranges.items():
        began = time.monotonic()
        answer = await sandbox.request("GET", FILES, params={"path": "file"}, headers={"range": wanted})
        assert time.monotonic() - began < SOON
        assert (answer.status_code, len(answer.content) <= 200 or status == 416) == (status, True)


async def test_a_part_is_of_the_version_that_was_asked_for(sandbox: Sandbox) -> None:
    (sandbox.workspace / "file").write_bytes(bytes(range(200)))

    async def get(**headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await sandbox.request("GET", FILES, params={"path": "file"}, headers=named)

    tag = (await get()).headers["etag"]
    part = await get(range="bytes=10-19", if_match=tag)
    assert (part.status_code, part.content) == (206, bytes(range(10, 20)))
    assert (await get(range="bytes=10-19", if_range=tag)).status_code == 206
    for other in ('"other"', "Sat, 29 Oct 2033 19:43:31 GMT", f"W/{tag}"):
        assert len((await get(range="bytes=10-19", if_range=other)).content) == 200
    (sandbox.workspace / "file").write_bytes(bytes(100))
    refused = await get(range="bytes=10-19", if_match=tag)
    assert (refused.status_code, refused.json()["code"]) == (412, "file-changed")
    assert (await get(if_match="*")).status_code == 200
