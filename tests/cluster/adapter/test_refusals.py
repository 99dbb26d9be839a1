"""What Kubernetes refuses, and how that is told apart; who asks."""

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from kubebox_cluster import errors, kinds
from kubebox_cluster.api import Api
from kubebox_cluster.target import Plugin, Target, User
from tests.cluster.adapter.pods import NOWHERE, idle, limited, pod, until


async def test_what_kubernetes_does_not_take_is_told_apart(api: Api, namespace: str) -> None:
    with pytest.raises(errors.Invalid, match=r'unknown field "spec\.contianers"'):
        await api.create(kinds.PODS, pod("x", NOWHERE, contianers=[]), namespace)
    with pytest.raises(errors.Invalid) as caught:
        await api.create(kinds.PODS, idle("Not_A_Name"), namespace)
    assert caught.value.details["causes"][0]["field"] == "metadata.name"
    with pytest.raises(errors.NotFound, match='namespaces "nowhere" not found'):
        await api.create(kinds.PODS, idle("x"), "nowhere")
    with pytest.raises(errors.AlreadyExists):
        await api.create(kinds.NAMESPACES, {"metadata": {"name": namespace}})
    with pytest.raises(errors.NotFound):
        await api.list(kinds.Kind("nowhere.kubebox.dev", "v1", "things", "Thing"), namespace)


async def test_the_rules_of_a_namespace_are_named(api: Api, room: str) -> None:
    level = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    await api.patch(kinds.NAMESPACES, room, None, level)
    with pytest.raises(errors.AdmissionRefused, match="allowPrivilegeEscalation") as caught:
        await api.create(kinds.PODS, idle("x"), room)
    assert caught.value.by == "PodSecurity"
    await api.patch(
        kinds.NAMESPACES, room, None, {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": None}}}
    )
    limit = {"type": "Container", "max": {"memory": "1Gi"}}
    await api.create(kinds.LIMIT_RANGES, {"metadata": {"name": "l"}, "spec": {"limits": [limit]}}, room)
    heavy = idle("x")
    heavy["spec"]["containers"][0]["resources"] = {"limits": {"memory": "2Gi"}}
    with pytest.raises(errors.AdmissionRefused) as caught:
        await api.create(kinds.PODS, heavy, room)
    assert caught.value.by == "LimitRanger"
    with pytest.raises(errors.AdmissionRefused) as caught:
        await api.create(kinds.PODS, pod("x", NOWHERE, runtimeClassName="nowhere"), room)
    assert caught.value.by == "RuntimeClass"


async def test_a_full_quota_says_what_it_has(api: Api, room: str) -> None:
    hard = {"pods": "1", "count/secrets": "0"}
    await api.create(kinds.RESOURCE_QUOTAS, {"metadata": {"name": "q"}, "spec": {"hard": hard}}, room)
    await until(api, kinds.RESOURCE_QUOTAS, room, "q", lambda it: it.get("status", {}).get("used"))
    await api.create(kinds.PODS, idle("first"), room)
    with pytest.raises(errors.QuotaExceeded) as caught:
        await api.create(kinds.PODS, idle("second"), room)
    error = caught.value
    assert (error.quota, error.requested, error.used, error.limited) == (
        "q",
        {"pods": "1"},
        {"pods": "1"},
        {"pods": "1"},
    )


async def test_a_missing_right_is_named(api: Api, target: Target, namespace: str) -> None:
    token = await limited(api, namespace, "nobody")
    async with Api(replace(target, user=User(token=token))) as other:
        with pytest.raises(errors.Forbidden) as caught:
            await other.create(kinds.LEASES, {"metadata": {"name": "x"}}, namespace)
        error = caught.value
        assert (error.verb, error.resource) == ("create", "leases.coordination.k8s.io")
        assert (error.namespace, error.user) == (namespace, f"system:serviceaccount:{namespace}:nobody")
        with pytest.raises(errors.Forbidden) as caught:
            await other.list(kinds.NODES)
        assert (caught.value.verb, caught.value.resource, caught.value.namespace) == ("list", "nodes", "")
        assert not await other.may("get", kinds.PODS, namespace, subresource="log")
    assert await api.may("get", kinds.PODS, namespace, subresource="log")


async def test_rights_are_used_as_somebody_else(api: Api, target: Target, namespace: str) -> None:
    user = replace(target.user, impersonate=(("Impersonate-User", "somebody"),))
    async with Api(replace(target, user=user)) as other:
        with pytest.raises(errors.Forbidden) as caught:
            await other.list(kinds.PODS, namespace)
    assert caught.value.user == "somebody"


async def test_wrong_credentials_are_told(target: Target) -> None:
    async with Api(replace(target, user=User(token="wrong"))) as api:
        with pytest.raises(errors.Unauthorized):
            await api.version()


async def test_a_plugins_token_is_asked_for_again_when_it_is_refused(
    api: Api, target: Target, namespace: str, tmp_path: Path
) -> None:
    (tmp_path / "right").write_text(await limited(api, namespace, "plugin"))
    program = tmp_path / "plugin"
    program.write_text(
        "#!/bin/sh\n"
        'printf \'{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1",'
        '"status":{"token":"%s"}}\' "$(cat ' + str(tmp_path) + '/token)"\n'
        "cp " + str(tmp_path) + "/right " + str(tmp_path) + "/token\n"
    )
    program.chmod(stat.S_IRWXU)
    (tmp_path / "token").write_text("expired")
    plugin = Plugin(api_version="client.authentication.k8s.io/v1", command=str(program))
    async with Api(replace(target, user=User(plugin=plugin))) as other:
        assert not await other.may("list", kinds.PODS, namespace)
