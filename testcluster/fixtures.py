"""A cluster for pytest: the one that `KUBECONFIG` names, or else the test cluster, up for as long as the tests run.

What takes minutes happens before the first test, since it may be nobody's time that runs out. A conftest.py takes from here
what it needs, by name: the fixtures, and `pytest_collection_finish` and `pytest_sessionfinish` with them.
"""

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from testcluster import cluster, compile, requirements
from testcluster.errors import TestClusterError
from testcluster.images import build_images
from testcluster.load import load_images
from testcluster.place import Place, here
from testcluster.recipes import RECIPES, SANDBOX_IMAGE
from testcluster.run import run

KUBECONFIG_VARIABLE: Final = "KUBECONFIG"

IMAGE_VARIABLE: Final = "KUBEBOX_IMAGE"
"""Names the sandbox's image: for Kubebox itself, and here for that of another cluster, which must be able to pull it."""

Kubectl = Callable[..., str]
"""Runs kubectl with some arguments, and returns what it printed."""


@dataclass(frozen=True)
class Target:
    """The cluster that tests use.

    Attributes:
        kubeconfig: How to reach it.
        place: Where it is, if it is the test cluster; `None` for another one.
        started: Whether this session has started it, and shall take it down.
    """

    kubeconfig: Path
    place: Place | None
    started: bool


@dataclass(frozen=True)
class Unavailable:
    """There is no cluster, or there are no images.

    Attributes:
        reason: Why.
    """

    reason: str


CLUSTER: Final = pytest.StashKey[Target | Unavailable]()
IMAGES: Final = pytest.StashKey[Mapping[str, str] | Unavailable]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Bring up what the collected tests will ask for."""
    if session.config.getoption("collectonly"):
        return
    asked = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    if session.config.getoption("--place", None) == "cluster" and session.items:
        asked |= {"kubeconfig", "images"}
    if "kubeconfig" in asked:
        # What is compiled and built is said at once: the first time, it takes minutes.
        capture: Any = session.config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
            target = _target(session.config)
            if "images" in asked and isinstance(target, Target):
                _images(session.config, target)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Take down what was brought up."""
    target = session.config.stash.get(CLUSTER, None)
    if isinstance(target, Target) and target.place is not None and target.started:
        session.config.stash[CLUSTER] = Unavailable("it has been taken down")
        cluster.down(target.place)


@pytest.fixture(scope="session")
def kubeconfig(pytestconfig: pytest.Config) -> Path:
    """The kubeconfig of the cluster that tests use."""
    target = _target(pytestconfig)
    if isinstance(target, Unavailable):
        pytest.skip(target.reason)
    return target.kubeconfig


@pytest.fixture(scope="session")
def testcluster_place(pytestconfig: pytest.Config, kubeconfig: Path) -> Place:
    """Where the test cluster is, for tests that take hold of its inside."""
    target = _target(pytestconfig)
    if isinstance(target, Unavailable) or target.place is None:
        pytest.skip(f"{kubeconfig} leads to another cluster than the test cluster")
    return target.place


@pytest.fixture(scope="session")
def images(pytestconfig: pytest.Config, kubeconfig: Path) -> Mapping[str, str]:
    """The images that the cluster has, by short names: "sandbox", "server", and in the test cluster "musl" and so on."""
    target = _target(pytestconfig)
    if isinstance(target, Unavailable):
        pytest.skip(target.reason)
    made = _images(pytestconfig, target)
    if isinstance(made, Unavailable):
        pytest.fail(made.reason)  # it is the sources' fault, and not this machine's
    return made


@pytest.fixture(scope="session")
def kubectl(kubeconfig: Path) -> Kubectl:
    """kubectl for the cluster; it raises `CommandFailed` where kubectl fails."""  # noqa: D403 - its name
    compiled = compile.kubectl()
    program = str(compiled) if compiled.exists() else shutil.which("kubectl")
    if program is None:
        pytest.skip("there is no kubectl: `.venv/bin/python -m testcluster build` compiles one")

    def ask(*arguments: str, given: str | None = None) -> str:
        return run(program, f"--kubeconfig={kubeconfig}", *arguments, given=given)

    return ask


@pytest.fixture(scope="module")
def namespace(request: pytest.FixtureRequest, kubectl: Kubectl) -> Iterator[str]:
    """A namespace of the module's own, gone afterwards."""
    module = re.sub(r"[^a-z0-9]+", "-", request.node.name.rpartition("/")[2].removesuffix(".py").lower())
    name = f"{module}-{secrets.token_hex(3)}"
    kubectl("create", "namespace", name)
    yield name
    # Its pods get no time to say farewell, and nobody waits until they are gone.
    kubectl("delete", "pods", "--all", "--namespace", name, "--grace-period=0", "--force", "--wait=false")
    kubectl("delete", "namespace", name, "--wait=false")


def _target(config: pytest.Config) -> Target | Unavailable:
    target = config.stash.get(CLUSTER, None)
    if target is None:
        config.stash[CLUSTER] = target = _find_target()
    return target


def _find_target() -> Target | Unavailable:
    place = here()
    given = os.environ.get(KUBECONFIG_VARIABLE)
    if given and Path(given).absolute() != place.kubeconfig:
        return Target(Path(given.split(os.pathsep)[0]).absolute(), None, started=False)
    was_up = cluster.is_up(place)
    try:
        requirements.check()
        cluster.up(place)
    except TestClusterError as error:
        return Unavailable(str(error))
    return Target(place.kubeconfig, place, started=not was_up)


def _images(config: pytest.Config, target: Target) -> Mapping[str, str] | Unavailable:
    made = config.stash.get(IMAGES, None)
    if made is None:
        try:
            made = _make_images(target)
        except TestClusterError as error:
            made = Unavailable(f"the images cannot be built: {error}")
        config.stash[IMAGES] = made
    return made


def _make_images(target: Target) -> Mapping[str, str]:
    if target.place is None:
        given = os.environ.get(IMAGE_VARIABLE)
        return {"sandbox": given} if given else {}
    requirements.check(images=True)
    names = build_images()
    load_images(target.place, names)
    os.environ[IMAGE_VARIABLE] = SANDBOX_IMAGE
    return {re.sub(r".*/kubebox-(test-)?|:.*", "", name): name for name in RECIPES}
