"""Real local sandboxes."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from kubebox import Kubebox
from kubebox_protocol.keys import new_private_key

from .boxes import Box, opened


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A temporary folder of the test's own, in which all sandboxes leave their traces."""
    folder = Path(tempfile.mkdtemp(prefix="kubebox-test-", dir="/tmp"))
    folder.chmod(0o711)
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    yield folder
    tempfile.tempdir = before
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def kubebox(place: Path) -> Iterator[Kubebox]:
    with Kubebox("local", private_key=new_private_key()) as made:
        yield made
    assert list(place.iterdir()) == []


@pytest.fixture(scope="module")
async def box(kubebox: Kubebox, anyio_backend: str) -> AsyncIterator[Box]:
    """One that the tests of a module share."""
    async with opened(kubebox) as made:
        yield made
