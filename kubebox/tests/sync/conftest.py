"""A sandbox of this machine, without `await`."""

from collections.abc import Iterator

import pytest

from kubebox.sync import Sandbox


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """One that the tests of a module share."""
    with Sandbox.create("local") as made:
        yield made
