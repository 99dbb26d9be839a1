"""`kubebox keys`, `token` and `version`, and what all commands have in common."""

import stat
import urllib.request
from pathlib import Path

import pytest

from kubebox.cli.app import EXIT_ERROR, EXIT_OK, EXIT_USAGE, run
from kubebox_protocol.keys import read_public_keys

from ..conftest import Server


@pytest.fixture(autouse=True)
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the user's key will lie."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("KUBEBOX_PRIVATE_KEY", raising=False)
    return tmp_path / "kubebox" / "private_key.pem"


def test_a_key_is_made_once_and_replaced_on_demand(key: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["keys", "generate"]) == EXIT_OK
    first = capsys.readouterr()
    assert read_public_keys(first.out)
    assert str(key) in first.err
    assert stat.S_IMODE(key.stat().st_mode) == 0o600

    assert run(["keys", "generate"]) == EXIT_ERROR
    refused = capsys.readouterr()
    assert "invalid-argument" in refused.err
    assert "--force" in refused.err

    assert run(["keys", "generate", "--force"]) == EXIT_OK
    assert capsys.readouterr().out != first.out


def test_a_key_is_made_elsewhere(tmp_path: Path, key: Path) -> None:
    assert run(["keys", "generate", "--output", str(tmp_path / "other.pem")]) == EXIT_OK
    assert (tmp_path / "other.pem").exists()
    assert not key.exists()


def test_showing_a_key_makes_none(key: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["keys", "show"]) == EXIT_ERROR
    assert "kubebox: key-missing: " in capsys.readouterr().err
    assert not key.exists()


def test_no_folder_is_made_for_a_key_that_goes_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["keys", "generate", "--output", str(tmp_path / "absent" / "key.pem")]) == EXIT_ERROR
    assert "kubebox: invalid-argument: " in capsys.readouterr().err
    assert not (tmp_path / "absent").exists()


def test_the_list_of_commands_says_what_each_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == run(["keys", "--help"]) == EXIT_OK
    shown = capsys.readouterr().out
    for words in ("Print a token", "Make a new private key", "Print the public key", "Print the versions"):
        assert words in shown


def test_only_the_public_half_is_shown(key: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["keys", "generate"]) == EXIT_OK
    capsys.readouterr()
    assert run(["keys", "show"]) == EXIT_OK
    shown = capsys.readouterr()
    assert read_public_keys(shown.out)
    assert "PRIVATE KEY-----" not in shown.out + shown.err
    assert str(key) in shown.err


def test_a_token_opens_one_request(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBEBOX_PRIVATE_KEY", server.private_key)
    assert run(["token", "get", "/v1/sessions", "--url", server.url]) == EXIT_OK
    token = capsys.readouterr().out.strip()
    request = urllib.request.Request(
        f"{server.url}/v1/sessions", headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200


def test_errors_have_a_code_and_no_traceback(
    unused_port: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubebox.cli.token.CONNECT_SECONDS", 0)
    assert run(["token", "GET", "/", "--url", f"http://127.0.0.1:{unused_port}"]) == EXIT_ERROR
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "kubebox: sandbox-unreachable: " in shown.err
    assert "Traceback" not in shown.err


def test_a_wrong_command_line_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["nonsense"], ["keys", "nonsense"], ["token"]):
        assert run(arguments) == EXIT_USAGE
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "arguments", [["version"], ["--version"], ["--help"], ["keys", "--help"], ["token", "--help"]]
)
def test_versions_and_help_are_told(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == EXIT_OK
    assert capsys.readouterr().out
