"""What cannot be: permanent failures within seconds, each with its kind; what may pass is waited for, with its reason."""

import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from kubebox import Kubebox, errors
from testcluster.place import REGISTRY_PORT, Place
from tests.cluster.places import manager

Kubectl = Callable[..., str]
SOON_SECONDS = 20.0


@pytest.fixture(scope="module")
async def kubebox(kubeconfig: Path, restricted: str, images: object) -> AsyncIterator[Kubebox]:
    async with manager(kubeconfig, restricted) as made:
        yield made


async def refused(kubebox: Kubebox, name: str, **options: Any) -> errors.KubeboxError:
    """The error of a pod that cannot be; and nothing of it is left."""
    pod = kubebox.create_pod(name, **options)
    started = time.monotonic()
    with pytest.raises(errors.KubeboxError) as caught:
        await pod.wait_until_ready(60)
    assert time.monotonic() - started < SOON_SECONDS
    await pod.destroy()
    return caught.value


async def not_ready(kubebox: Kubebox, name: str, seconds: float = 8, **options: Any) -> str:
    """The reason of a pod that may yet come."""
    pod = kubebox.create_pod(name, **options)
    try:
        with pytest.raises(errors.PodNotReady) as caught:
            await pod.wait_until_ready(seconds)
        return str(caught.value)
    finally:
        await pod.destroy()


async def test_a_namespace_that_is_not_there(kubebox: Kubebox) -> None:
    error = await refused(kubebox, "homeless", namespace="there-is-no-such-namespace")
    assert isinstance(error, errors.NamespaceNotFound)


async def test_an_image_name_that_is_none(kubebox: Kubebox) -> None:
    error = await refused(kubebox, "misnamed", image="UPPER/case:tag")
    assert isinstance(error, errors.ImageUnavailable)


@pytest.fixture
async def registry(testcluster_place: Place) -> AsyncIterator[Callable[[int], str]]:
    """A registry that has nothing, and says so with a status; gives the name of an image of its."""
    status = 404

    async def refuse(request: web.Request) -> web.Response:
        if request.path == "/v2/":
            return web.Response(headers={"Docker-Distribution-Api-Version": "registry/2.0"})
        code = "MANIFEST_UNKNOWN" if status == 404 else "TOOMANYREQUESTS"
        return web.json_response({"errors": [{"code": code, "message": code.lower()}]}, status=status)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", refuse)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, testcluster_place.host_address, REGISTRY_PORT).start()

    def answering(wanted: int) -> str:
        nonlocal status
        status = wanted
        return f"{testcluster_place.host_address}:{REGISTRY_PORT}/there/is:none"

    yield answering
    await runner.cleanup()


async def test_an_image_that_is_not_there(kubebox: Kubebox, registry: Callable[[int], str]) -> None:
    error = await refused(kubebox, "imageless", image=registry(404))
    assert isinstance(error, errors.ImageUnavailable)


async def test_a_registry_that_is_busy_is_waited_for(
    kubebox: Kubebox, registry: Callable[[int], str]
) -> None:
    assert "429" in await not_ready(kubebox, "patient", image=registry(429))


async def test_a_registry_that_is_not_there_is_waited_for(kubebox: Kubebox) -> None:
    assert "registry.invalid" in await not_ready(kubebox, "unpulled", image="registry.invalid/none:1")


async def test_a_runtime_class_that_is_not_there(kubebox: Kubebox) -> None:
    error = await refused(kubebox, "classless", runtime_class="there-is-no-such-class")
    assert isinstance(error, errors.AdmissionRefused)


async def test_a_secret_that_is_not_there(kubebox: Kubebox) -> None:
    error = await refused(kubebox, "secretless", secrets=["there-is-no-such-secret"])
    assert "there-is-no-such-secret" in error.message


async def test_root_where_nobody_allowed_it(kubebox: Kubebox) -> None:
    error = await refused(kubebox, "rootless", profile="root")
    assert isinstance(error, errors.ConfigurationError)
    assert "kubectl label namespace" in error.message


async def test_a_pod_that_no_node_can_take_is_waited_for(kubebox: Kubebox) -> None:
    said = await not_ready(kubebox, "huge", pod={"spec": {"nodeSelector": {"there-is": "none"}}})
    assert "no node takes it" in said
    assert "node(s) didn't match" in said


async def test_a_quota_that_is_too_small_and_one_that_is_used_up(
    kubebox: Kubebox, kubectl: Kubectl, restricted: str
) -> None:
    kubectl("create", "quota", "small", "--hard=limits.memory=3Gi", f"--namespace={restricted}")
    try:
        error = await refused(kubebox, "too-much", resources={"memory": "4Gi"})
        assert isinstance(error, errors.QuotaExceeded)
        kubebox_one = kubebox.create_pod("first")
        await kubebox_one.wait_until_ready(60)
        assert "quota is used up" in await not_ready(kubebox, "second")
        second = kubebox.create_pod("second")
        await kubebox_one.destroy()
        await second.wait_until_ready(60)
        await second.destroy()
    finally:
        kubectl("delete", "quota", "small", f"--namespace={restricted}")


async def test_a_webhook_or_policy_that_refuses(kubebox: Kubebox, kubectl: Kubectl, restricted: str) -> None:
    """The namespace takes only `restricted` pods, so profile root is refused by Pod Security itself."""
    kubectl("label", "namespace", restricted, "kubebox.dev/root-profile=allowed")
    try:
        error = await refused(kubebox, "unwelcome", profile="root")
        assert isinstance(error, errors.AdmissionRefused)
        assert "restricted" in error.message
    finally:
        kubectl("label", "namespace", restricted, "kubebox.dev/root-profile-")


def config_of(kubeconfig: Path) -> dict[str, Any]:
    return json.loads(kubeconfig.read_text())


async def test_an_api_server_that_does_not_answer(kubeconfig: Path, restricted: str) -> None:
    config = config_of(kubeconfig)
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    async with Kubebox(config, namespace=restricted) as kubebox:
        with pytest.raises(errors.ClusterUnreachable):
            await kubebox.create_pod("unheard").wait_until_ready(60)


async def test_credentials_that_are_wrong(kubeconfig: Path, restricted: str) -> None:
    config = config_of(kubeconfig)
    config["users"][0]["user"] = {"token": "wrong"}
    async with Kubebox(config, namespace=restricted) as kubebox:
        with pytest.raises(errors.ClusterUnauthorized):
            await kubebox.create_pod("unknown").wait_until_ready(30)
        with pytest.raises(errors.ClusterUnauthorized):
            await kubebox.get_all_pods()


@pytest.mark.parametrize("name", ["UPPER", "a_b", "-a", "a" * 64, "", "a/b", "ä"])
async def test_names_that_kubernetes_refuses(kubebox: Kubebox, name: str) -> None:
    with pytest.raises(errors.InvalidArgument):
        kubebox.create_pod(name)


async def test_a_service_whose_name_cannot_be_one(kubebox: Kubebox) -> None:
    """Kubernetes lets pods begin with a digit, and Services not."""
    with pytest.raises(errors.InvalidArgument):
        await kubebox.create_service("1-begins-with-a-digit").wait_until_ready(20)
