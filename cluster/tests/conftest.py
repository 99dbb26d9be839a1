"""What the tests of what is asked of Kubernetes share."""

import pytest

from .certificates import Authority


@pytest.fixture(scope="session")
def authority() -> Authority:
    """Who vouches for everybody."""
    return Authority()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of this machine's on the way."""
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
