"""Sandboxes for the tests that need a whole one: on this machine, or with `--place cluster` in a cluster."""

import os
from collections.abc import AsyncGenerator, AsyncIterator
from uuid import uuid4

import pytest

from kubebox import Kubebox, SandboxClient
from kubebox.testing import Box
from testcluster.fixtures import (
    images,
    kubeconfig,
    kubectl,
    namespace,
    pytest_collection_finish,
    pytest_sessionfinish,
    testcluster_place,
)
from tests.soak.places import PLACE_VARIABLE, Place, own_place, where

__all__ = [
    "images",
    "kubeconfig",
    "kubectl",
    "namespace",
    "pytest_collection_finish",
    "pytest_sessionfinish",
    "testcluster_place",
]

IN_PLACES = frozenset({"place", "shared", "box", "own", "line"})
"""Fixtures that give a sandbox; tests without one would be the same in any place."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--place", choices=["local", "cluster"], default="local", help="where sandboxes under test run"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a cluster run what a cluster makes different, and nothing that only this machine has."""
    if config.getoption("--place") != "cluster":
        return
    kept = [
        item
        for item in items
        if isinstance(item, pytest.Function)
        and IN_PLACES & set(item.fixturenames)
        and not item.get_closest_marker("on_this_machine")
    ]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


@pytest.fixture(scope="session")
def place(request: pytest.FixtureRequest) -> str:
    """Where sandboxes under test run: `local`, or a kubeconfig."""
    if request.config.getoption("--place") == "cluster" and PLACE_VARIABLE not in os.environ:
        os.environ[PLACE_VARIABLE] = str(request.getfixturevalue("kubeconfig"))
        request.getfixturevalue("images")
    return where()


@pytest.fixture(scope="session")
async def shared(anyio_backend: str, place: str) -> AsyncIterator[Place]:
    """One sandbox for all tests that leave it as they found it."""
    with Kubebox(place) as kubebox:
        pod = kubebox.create_pod(f"tests-{uuid4().hex[:8]}", lifetime=2 * 3600)
        service = kubebox.create_service(pod.name)
        await pod.wait_until_ready()
        url = f"http://{await service.get_external_ip()}"
        async with SandboxClient(private_key=kubebox.private_key, url=url) as client:
            yield Place(kubebox, url, client)
        await pod.destroy()


@pytest.fixture
async def box(shared: Place) -> AsyncGenerator[Box]:
    """A session of its own in the shared sandbox, where nothing of it goes on afterwards."""
    made = await shared.box()
    yield made
    await made.client.kill_all_processes(made.session_id)


@pytest.fixture
async def own(place: str) -> AsyncGenerator[Place]:
    """A sandbox of the test's own, for what breaks it or needs much."""
    async with own_place() as made:
        yield made
