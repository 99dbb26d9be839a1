"""The tree of errors: closed, stable, and well behaved where a class is a standard error too."""

import copy
import pickle
import re
from collections.abc import Iterator
from typing import Any

import pytest

from kubebox import errors
from kubebox._transport.refusals import ERRORS, read_refusal, refusal
from kubebox.errors import KubeboxError
from kubebox_protocol.errors import ErrorBody, ErrorCode
from kubebox_protocol.verdicts import Verdict


def below(kind: type[KubeboxError]) -> Iterator[type[KubeboxError]]:
    for child in kind.__subclasses__():
        yield child
        yield from below(child)


def name(kind: type[KubeboxError]) -> str:
    return kind.__name__


PUBLIC = sorted({kind for kind in below(KubeboxError) if not kind.__name__.startswith("_")}, key=name)

REQUIRED: dict[type[KubeboxError], dict[str, Any]] = {
    errors.CommandFailed: {"result": "R"},
    errors.CommandTimeout: {"result": "R"},
    errors.ListingIncomplete: {"paths": ["a"]},
}


def test_every_code_of_the_protocol_has_a_class() -> None:
    assert set(ERRORS) == set(ErrorCode)


def test_every_class_in_the_table_has_the_code_it_stands_for() -> None:
    assert {code: kind.code for code, kind in ERRORS.items()} == {code: code.value for code in ErrorCode}


def test_codes_are_kebab_case_and_each_is_one_class() -> None:
    codes = [kind.code for kind in PUBLIC]
    assert [code for code in codes if not re.fullmatch(r"[a-z]+(-[a-z]+)*", code)] == []
    assert len(set(codes)) == len(codes)


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = set(re.findall(r"\b[A-Z][A-Za-z]+\b", errors.__doc__ or ""))
    assert {kind.__name__ for kind in PUBLIC} <= drawn


@pytest.mark.parametrize("kind", PUBLIC, ids=name)
def test_errors_print_their_message_and_survive_pickling(kind: type[KubeboxError]) -> None:
    error = kind("what happened", limit=7, **REQUIRED.get(kind, {}))
    for each in (error, pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (str(each), each.code, each.data) == ("what happened", kind.code, {"limit": 7})
        assert type(each) is kind
    assert repr(error) == f"{kind.__name__}('what happened')"


@pytest.mark.parametrize(
    ("kind", "standard"),
    [
        (errors.SandboxFileNotFound, FileNotFoundError),
        (errors.SandboxIsADirectory, IsADirectoryError),
        (errors.SandboxPermissionDenied, PermissionError),
        (errors.CommandTimeout, TimeoutError),
        (errors.ConnectionLost, ConnectionError),
        (errors.SessionNotFound, LookupError),
        (errors.InvalidArgument, ValueError),
        (errors.FileNotText, ValueError),
        (errors.NoSpace, OSError),
    ],
)
def test_errors_are_standard_errors_too(kind: type[KubeboxError], standard: type[Exception]) -> None:
    assert issubclass(kind, standard)


def test_a_newer_servers_code_is_a_server_error_with_that_code() -> None:
    error = refusal(ErrorBody(code="moon-phase", message="wrong", data={"message": 1, "self": 2}))
    assert (type(error), error.code) == (errors.ServerError, "moon-phase")
    assert error.data == {"message": 1, "self": 2}
    assert errors.ServerError.code == "internal-error"


def test_who_has_no_processes_left_is_told_how_to_have_more() -> None:
    error = refusal(ErrorBody(code="workspace-exhausted", message="no processes left"))
    assert "resources=" in error.message


@pytest.mark.parametrize("value", [None, 7, [], {}, {"code": 1, "message": "x"}, {"code": "x"}])
def test_what_is_no_error_body_is_not_made_one(value: object) -> None:
    assert read_refusal(value) is None


def test_a_loss_carries_its_verdict() -> None:
    verdict = Verdict(kind="workspace-restarted", message="it went")
    error = pickle.loads(pickle.dumps(errors.SandboxLost("it went", verdict=verdict)))
    assert error.verdict == verdict
