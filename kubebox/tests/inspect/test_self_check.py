"""Inspect's own self-check of sandbox environments, against a local sandbox."""

from collections.abc import AsyncIterator
from typing import Final

import pytest
from inspect_ai.util import SandboxEnvironment
from inspect_ai.util._sandbox import self_check

from kubebox.inspect import KubeboxConfig, KubeboxSandboxEnvironment

KNOWN: Final = {
    "test_exec_as_user": "a local sandbox has one account; clusters have others with profile `root`",
}
"""Checks that cannot pass, and why. One that passes again fails until it is taken out of here."""

for name in self_check.__all__:
    globals()[name] = getattr(self_check, name)


@pytest.fixture(scope="module")
async def environment(anyio_backend: str) -> AsyncIterator[SandboxEnvironment]:
    """One sandbox for all checks."""
    config = KubeboxConfig(where="local")
    made = await KubeboxSandboxEnvironment.sample_init("self-check", config, {})
    yield made["default"]
    await KubeboxSandboxEnvironment.sample_cleanup("self-check", config, made, False)


@pytest.fixture
def sandbox_env(request: pytest.FixtureRequest, environment: SandboxEnvironment) -> SandboxEnvironment:
    """The sandbox, and for a check that cannot pass the word that it cannot."""
    name = request.node.originalname
    if name in KNOWN:
        request.node.add_marker(pytest.mark.xfail(reason=KNOWN[name], strict=True))
    return environment


def test_what_is_known_to_fail_is_there() -> None:
    assert set(KNOWN) <= set(self_check.__all__)
