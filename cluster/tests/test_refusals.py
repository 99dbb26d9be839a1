"""Refusals: what they are, by status, reason and, where there is nothing else, by their words."""

import json
from typing import Any

import pytest

from kubebox_cluster import errors
from kubebox_cluster.refusals import read_refusal, read_status


def status(code: int, message: str, reason: str = "", /, **details: Any) -> bytes:
    said = {"kind": "Status", "code": code, "message": message, "reason": reason, "details": details}
    return json.dumps(said).encode()


CASES = {
    (401, "Unauthorized", "Unauthorized"): errors.Unauthorized,
    (404, "NotFound", 'pods "x" not found'): errors.NotFound,
    (409, "AlreadyExists", 'pods "x" already exists'): errors.AlreadyExists,
    (409, "Conflict", "the object has been modified"): errors.Conflict,
    (410, "Expired", "too old resource version: 1 (2)"): errors.Gone,
    (422, "Invalid", 'Pod "x" is invalid: spec.containers: Required value'): errors.Invalid,
    (400, "BadRequest", 'Pod in version "v1" cannot be handled as a Pod: unknown field "x"'): errors.Invalid,
    (400, "BadRequest", "container x is waiting to start"): errors.ApiRefused,
    (429, "TooManyRequests", "too many"): errors.TooManyRequests,
    (500, "InternalError", "etcdserver: leader changed"): errors.ServerFailing,
    (503, "ServiceUnavailable", "apiserver is shutting down"): errors.ServerFailing,
    (504, "Timeout", "Too large resource version: 9, current: 1"): errors.ServerFailing,
    (418, "", "a teapot"): errors.ApiRefused,
}


@pytest.mark.parametrize(("said", "kind"), CASES.items(), ids=lambda it: str(it)[:40])
def test_each_status_has_its_error(said: tuple[int, str, str], kind: type[errors.ApiRefused]) -> None:
    code, reason, message = said
    error = read_refusal(code, status(code, message, reason, name="x"))
    assert type(error) is kind
    assert (error.status, error.reason, error.message, error.details) == (
        code,
        reason,
        message,
        {"name": "x"},
    )
    assert str(error) == message


RIGHTS = {
    'pods is forbidden: User "u" cannot create resource "pods" in API group "" in the namespace "n"': (
        "create", "pods", "n", "u",
    ),
    'pods "x" is forbidden: User "u" cannot get resource "pods/log" in API group "" in the namespace "n"': (
        "get", "pods/log", "n", "u",
    ),
    'leases.coordination.k8s.io is forbidden: User "system:serviceaccount:n:a" cannot list resource "leases" in API group '
    '"coordination.k8s.io" at the cluster scope': (
        "list", "leases.coordination.k8s.io", "", "system:serviceaccount:n:a",
    ),
    'forbidden: User "u" cannot get path "/metrics"': ("get", "/metrics", "", "u"),
}  # fmt: skip


@pytest.mark.parametrize(("message", "parts"), RIGHTS.items())
def test_a_missing_right_is_taken_apart(message: str, parts: tuple[str, ...]) -> None:
    error = read_refusal(403, status(403, message, "Forbidden"))
    assert isinstance(error, errors.Forbidden)
    assert (error.verb, error.resource, error.namespace, error.user) == parts


RULES = {
    (403, 'pods "x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true'): "PodSecurity",
    (403, 'pods "x" is forbidden: maximum memory usage per Container is 1Gi, but limit is 2Gi'): "LimitRanger",
    (403, 'pods "x" is forbidden: failed quota: q: must specify limits.cpu for: only'): "ResourceQuota",
    (403, 'pods "x" is forbidden: error looking up service account n/a: serviceaccount "a" not found'): "ServiceAccount",
    (403, 'pods "x" is forbidden: unable to create new content in namespace n because it is being terminated'): (
        "NamespaceLifecycle"
    ),
    (403, 'pods "x" is forbidden: no PriorityClass with name y was found'): "Priority",
    (403, 'pods "x" is forbidden: pod rejected: RuntimeClass "y" not found'): "RuntimeClass",
    (400, 'admission webhook "rules.example.com" denied the request: no'): "rules.example.com",
    (422, "pods \"x\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no"): "p",
    (403, 'pods "x" is forbidden: nobody knows why'): "",
}  # fmt: skip


@pytest.mark.parametrize(("said", "by"), RULES.items(), ids=lambda it: str(it)[:60])
def test_a_rule_is_told_from_a_right(said: tuple[int, str], by: str) -> None:
    error = read_refusal(said[0], status(*said, "Forbidden"))
    assert isinstance(error, errors.AdmissionRefused)
    assert error.by == by


def test_a_full_quota_is_taken_apart() -> None:
    message = (
        'pods "x" is forbidden: exceeded quota: q, requested: limits.memory=2Gi,pods=1, '
        "used: limits.memory=3Gi,pods=3, limited: limits.memory=4Gi,pods=9"
    )
    error = read_refusal(403, status(403, message, "Forbidden"))
    assert isinstance(error, errors.QuotaExceeded)
    assert error.quota == "q"
    assert error.requested == {"limits.memory": "2Gi", "pods": "1"}
    assert error.used == {"limits.memory": "3Gi", "pods": "3"}
    assert error.limited == {"limits.memory": "4Gi", "pods": "9"}


@pytest.mark.parametrize(
    ("header", "details", "seconds"),
    [
        ("7", {}, 7.0),
        ("", {"retryAfterSeconds": 3}, 3.0),
        ("", {}, None),
        ("tomorrow", {}, None),
        ("-1", {}, 0.0),
    ],
)
def test_when_to_come_back_is_told(header: str, details: dict[str, int], seconds: float | None) -> None:
    error = read_refusal(429, status(429, "later", **details), header)
    assert isinstance(error, errors.TooManyRequests)
    assert error.retry_after == seconds


@pytest.mark.parametrize(
    "body", [b"", b"<html>Bad Gateway</html>", b"\xff\xfe", b"[]", b"null", b'{"kind": "Pod"}']
)
def test_an_answer_that_is_no_status_is_a_refusal_all_the_same(body: bytes) -> None:
    error = read_refusal(502, body)
    assert isinstance(error, errors.ServerFailing)
    assert (error.reason, error.details) == ("", {})
    assert str(error)


def test_a_page_is_not_kept_whole() -> None:
    assert len(str(read_refusal(502, b"x" * 100_000))) < 1000


@pytest.mark.parametrize(
    "said", [{}, {"code": "410"}, {"details": [], "message": 1, "reason": None, "code": 500}]
)
def test_a_malformed_status_is_the_servers_fault(said: dict[str, Any]) -> None:
    assert isinstance(read_status({"kind": "Status", **said}), errors.ServerFailing)
