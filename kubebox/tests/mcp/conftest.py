"""Servers of the tests' own."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from .servers import Guest, Mcp


@pytest.fixture(scope="module")
def shared_mcp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mcp]:
    yield from _mcp(tmp_path_factory.mktemp("mcp"))


@pytest.fixture
def mcp(tmp_path: Path) -> Iterator[Mcp]:
    yield from _mcp(tmp_path)


@pytest.fixture(scope="module")
async def guest(shared_mcp: Mcp, anyio_backend: str) -> AsyncIterator[Guest]:
    """A client over pipes that the tests of a module share."""
    async with shared_mcp.stdio() as guest:
        yield guest


@pytest.fixture(scope="module")
async def sandbox(guest: Guest) -> str:
    """A sandbox of its."""
    return await guest.create()


def _mcp(folder: Path) -> Iterator[Mcp]:
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    place = Path(tempfile.mkdtemp(prefix="kubebox-test-", dir="/tmp"))
    place.chmod(0o711)
    yield Mcp(folder, place)
    shutil.rmtree(place, ignore_errors=True)
