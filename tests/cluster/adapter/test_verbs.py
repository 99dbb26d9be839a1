"""What can be done with objects."""

from uuid import uuid4

import pytest

from kubebox_cluster import errors, kinds
from kubebox_cluster.api import Api
from tests.cluster.adapter.pods import idle, pod, until


async def test_an_object_is_made_read_changed_and_deleted(api: Api, namespace: str) -> None:
    made = await api.create(kinds.SECRETS, {"metadata": {"name": "s"}, "stringData": {"a": "1"}}, namespace)
    assert await api.get(kinds.SECRETS, "s", namespace) == made
    patched = await api.patch(kinds.SECRETS, "s", namespace, {"metadata": {"labels": {"x": "y"}}})
    assert patched["metadata"]["labels"] == {"x": "y"}
    with pytest.raises(errors.Conflict):
        await api.replace(kinds.SECRETS, "s", made, namespace)
    replaced = await api.replace(kinds.SECRETS, "s", {**patched, "data": {"b": "Mg=="}}, namespace)
    assert replaced["data"] == {"b": "Mg=="}
    await api.delete(kinds.SECRETS, "s", namespace)
    with pytest.raises(errors.NotFound):
        await api.get(kinds.SECRETS, "s", namespace)


async def test_every_kind_of_patch(api: Api, namespace: str) -> None:
    applied = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "1"}}
    assert (await api.patch(kinds.CONFIG_MAPS, "c", namespace, applied, how="apply"))["data"] == {"a": "1"}
    operations = [{"op": "replace", "path": "/data/a", "value": "2"}]
    assert (await api.patch(kinds.CONFIG_MAPS, "c", namespace, operations, how="json"))["data"] == {"a": "2"}
    merged = await api.patch(kinds.CONFIG_MAPS, "c", namespace, {"data": {"b": "3"}}, how="strategic")
    assert merged["data"] == {"a": "2", "b": "3"}


async def test_only_the_object_that_is_meant_is_deleted(api: Api, namespace: str) -> None:
    made = await api.create(kinds.CONFIG_MAPS, {"metadata": {"name": "d"}}, namespace)
    uid, version = made["metadata"]["uid"], made["metadata"]["resourceVersion"]
    with pytest.raises(errors.Conflict):
        await api.delete(kinds.CONFIG_MAPS, "d", namespace, uid=str(uuid4()))
    with pytest.raises(errors.Conflict):
        await api.delete(kinds.CONFIG_MAPS, "d", namespace, uid=uid, resource_version="1")
    await api.delete(kinds.CONFIG_MAPS, "d", namespace, uid=uid, resource_version=version)


async def test_a_long_list_is_read_in_pages(api: Api, room: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubebox_cluster.api.PAGE_ITEMS", 3)
    for number in range(8):
        labels = {"even": str(number % 2 == 0).lower()}
        await api.create(kinds.LEASES, {"metadata": {"name": f"l{number}", "labels": labels}}, room)
    listing = await api.list(kinds.LEASES, room)
    assert [item["metadata"]["name"] for item in listing.items] == [f"l{number}" for number in range(8)]
    assert {(item["apiVersion"], item["kind"]) for item in listing.items} == {
        ("coordination.k8s.io/v1", "Lease")
    }
    assert listing.resource_version
    assert len((await api.list(kinds.LEASES, room, labels="even=true")).items) == 4
    assert len((await api.list(kinds.LEASES, room, fields="metadata.name=l1")).items) == 1


async def test_a_dry_run_makes_nothing(api: Api, namespace: str) -> None:
    made = await api.create(kinds.PODS, idle("dry"), namespace, dry_run=True)
    assert made["metadata"]["uid"]
    with pytest.raises(errors.NotFound):
        await api.get(kinds.PODS, "dry", namespace)


async def test_what_a_container_printed(api: Api, namespace: str, image: str) -> None:
    await api.create(
        kinds.PODS, pod("talks", image, "printf", "one\ntwo\n\xff\n", restartPolicy="Never"), namespace
    )
    await until(api, kinds.PODS, namespace, "talks", lambda it: it["status"]["phase"] == "Succeeded")
    assert (await api.logs(namespace, "talks", "only")).startswith("one\ntwo\n")
    assert (await api.logs(namespace, "talks", "only", tail_lines=2)).startswith("two\n")
    assert await api.logs(namespace, "talks", "only", limit_bytes=5) == "one\nt"
    with pytest.raises(errors.ApiRefused, match="previous terminated container"):
        await api.logs(namespace, "talks", "only", previous=True)


async def test_the_version_is_told(api: Api) -> None:
    assert (await api.version())["major"] == "1"
