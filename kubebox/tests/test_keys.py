"""The private key: where it comes from, how it is made, and that it is never shown."""

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kubebox import errors
from kubebox.keys import PLACEHOLDER, default_key_path, resolve_private_key, write_private_key
from kubebox_protocol.keys import new_private_key, read_public_keys, thumbprint


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration folder of the test's own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("KUBEBOX_PRIVATE_KEY", raising=False)
    return tmp_path / "config"


@pytest.fixture
def pem() -> str:
    return new_private_key()


def kept(folder: Path, pem: str, mode: int = 0o600) -> Path:
    path = folder / "key.pem"
    path.write_text(pem, encoding="ascii")
    path.chmod(mode)
    return path


def test_a_key_is_taken_as_text(pem: str) -> None:
    key = resolve_private_key(pem)
    assert (key.pem, key.path) == (pem, None)
    assert thumbprint(read_public_keys(key.public_pem)[0]) == key.thumbprint


@pytest.mark.parametrize("form", [str, Path])
def test_a_key_is_taken_as_a_path(pem: str, tmp_path: Path, form: type[str | Path]) -> None:
    path = kept(tmp_path, pem)
    key = resolve_private_key(form(path))
    assert (key.pem, key.path) == (pem, path)


@pytest.mark.parametrize("nothing", [None, "", "  ", PLACEHOLDER])
def test_without_one_the_environment_counts(
    pem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nothing: str | None
) -> None:
    for value in (pem, str(kept(tmp_path, pem))):
        monkeypatch.setenv("KUBEBOX_PRIVATE_KEY", value)
        assert resolve_private_key(nothing).pem == pem


def test_without_any_one_is_made_for_the_owner_alone(config: Path) -> None:
    key = resolve_private_key("YOUR_PRIVATE_KEY")
    assert key.path is not None
    assert key.path == default_key_path() == config / "kubebox" / "private_key.pem"
    assert stat.S_IMODE(key.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.path.parent.stat().st_mode) == 0o700
    assert resolve_private_key() == key
    assert os.listdir(key.path.parent) == ["private_key.pem"]


def test_a_relative_config_folder_is_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_key_path() == tmp_path / ".config/kubebox/private_key.pem"


def test_processes_that_make_one_at_once_get_the_same() -> None:
    program = "from kubebox.keys import resolve_private_key as r; print(r().thumbprint)"

    def one(_: int) -> str:
        command = [sys.executable, "-c", program]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(one, range(4)))) == 1


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_file_that_others_can_read_is_refused_with_the_way_out(pem: str, tmp_path: Path, mode: int) -> None:
    path = kept(tmp_path, pem, mode)
    with pytest.raises(errors.KeyInvalid, match=f"chmod 600 {path}"):
        resolve_private_key(path)


def test_what_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(errors.KeyMissing, match=r"absent\.pem") as caught:
        resolve_private_key(tmp_path / "absent.pem")
    assert isinstance(caught.value, FileNotFoundError)


def test_what_is_missing_is_said_to_come_from_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(errors.KeyMissing, match=r"^private_key: "):
        resolve_private_key(tmp_path / "absent.pem")
    monkeypatch.setenv("KUBEBOX_PRIVATE_KEY", str(tmp_path / "absent.pem"))
    with pytest.raises(errors.KeyMissing, match=r"^\$KUBEBOX_PRIVATE_KEY: "):
        resolve_private_key()


def test_a_folder_and_a_fifo_are_no_keys(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)
    for path in (tmp_path, tmp_path / "fifo"):
        with pytest.raises((errors.KeyInvalid, errors.KeyMissing)):
            resolve_private_key(path)


def test_no_message_quotes_a_key(pem: str) -> None:
    body = pem.splitlines()[1]
    cut = f"-----BEGIN PRIVATE KEY-----\n{body[:-8]}\n-----END PRIVATE KEY-----\n"
    for value in (cut, body, body * 100, f"{body}\n"):
        with pytest.raises(errors.ConfigurationError) as caught:
            resolve_private_key(value)
        assert body[:16] not in f"{caught.value!r} {caught.value.data} {caught.value.__cause__!r}"
    assert body not in repr(resolve_private_key(pem))


def test_a_key_that_is_there_is_replaced_only_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "key.pem"
    first = write_private_key(path)
    assert write_private_key(path) == first
    assert write_private_key(path, replace=True) != first


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.KeyMissing, match="cannot make"):
        write_private_key(tmp_path / "file" / "key.pem")
