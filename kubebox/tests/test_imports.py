"""What importing costs and needs: little, and nothing that only Unix has."""

import subprocess
import sys

import pytest

import kubebox

BLOCKED = ("fcntl", "termios", "pty", "resource", "grp", "pwd")
HEAVY = ("pydantic", "httpx2", "socketio", "aiohttp", "anyio", "cryptography", "cyclopts", "rich")
NETWORK = ("httpx2", "socketio", "aiohttp", "rich")

BLOCKING = f"""
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name in {BLOCKED!r}:
            raise ModuleNotFoundError(f"blocked: {{name}}", name=name)

for name in {BLOCKED!r}:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Blocker())
"""

WALK = """
import importlib, pkgutil

def walk(name):
    package = importlib.import_module(name)
    for found in pkgutil.iter_modules(package.__path__, name + "."):
        yield found.name
        if found.ispkg:
            yield from walk(found.name)
"""


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def loaded_by(module: str, names: tuple[str, ...]) -> str:
    return run(f"import sys, {module}; print([name for name in {names!r} if name in sys.modules])").strip()


def test_the_public_names_are_those_that_are_there() -> None:
    for name in kubebox.__all__:
        assert getattr(kubebox, name) is not None
    assert kubebox.__all__ == sorted(kubebox.__all__)
    assert set(kubebox.__all__) <= set(dir(kubebox))


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    assert not hasattr(kubebox, "nonsense")


def test_importing_kubebox_imports_nothing_heavy() -> None:
    assert loaded_by("kubebox", HEAVY) == "[]"


def test_importing_the_client_imports_no_http() -> None:
    assert loaded_by("kubebox.client", NETWORK) == "[]"


def test_importing_the_synchronous_classes_imports_and_starts_no_more() -> None:
    assert loaded_by("kubebox.sync", HEAVY) == "[]"
    assert loaded_by("kubebox.sync.client", NETWORK) == "[]"
    run("import threading, kubebox.sync.sandbox; assert threading.active_count() == 1")


def test_every_public_name_imports_without_modules_that_only_unix_has() -> None:
    run(f"{BLOCKING}\nimport kubebox, kubebox.cli.app\nfor name in kubebox.__all__: getattr(kubebox, name)")
    run(f"{BLOCKING}\nimport kubebox.sync\nfor name in kubebox.sync.__all__: getattr(kubebox.sync, name)")


@pytest.mark.parametrize("package", ["kubebox_protocol", "kubebox._transport", "kubebox.cli"])
def test_packages_import_without_modules_that_only_unix_has(package: str) -> None:
    run(f"{BLOCKING}{WALK}\nfor name in walk({package!r}): importlib.import_module(name)")
