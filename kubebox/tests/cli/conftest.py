"""The command line, at a server that is there and by itself."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command_line import Cli

from ..conftest import Server


@pytest.fixture
def cli(server: Server, tmp_path: Path) -> Cli:
    """The command line of somebody whose sandbox is there already."""
    return Cli(
        {
            "XDG_CONFIG_HOME": str(tmp_path),
            "KUBEBOX_PRIVATE_KEY": server.private_key,
            "KUBEBOX_URL": server.url,
        }
    )


@pytest.fixture
def place() -> Iterator[Path]:
    """A temporary folder in which local sandboxes leave their traces."""
    folder = Path(tempfile.mkdtemp(prefix="kubebox-test-", dir="/tmp"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def alone(place: Path, tmp_path: Path) -> Cli:
    """The command line of somebody who has set nothing."""
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    return Cli({"XDG_CONFIG_HOME": str(tmp_path), "TMPDIR": str(place)})
