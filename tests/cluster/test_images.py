"""Any image is a workspace: without a shell, with musl, with a USER and ENTRYPOINT of its own, as benchmarks have them."""

from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest

from kubebox import Kubebox, errors
from tests.cluster.places import boxed, manager, running

Kubectl = Callable[..., str]
Images = Mapping[str, str]


@pytest.fixture(scope="module")
async def kubebox(kubeconfig: Path, restricted: str, images: Images) -> AsyncIterator[Kubebox]:
    async with manager(kubeconfig, restricted) as made:
        yield made


@pytest.fixture(scope="module")
async def rooted(kubeconfig: Path, namespace: str, kubectl: Kubectl) -> AsyncIterator[Kubebox]:
    """A namespace where profile root is allowed."""
    name = "kubebox-rooted"
    kubectl("create", "namespace", name)
    kubectl("label", "namespace", name, "kubebox.dev/root-profile=allowed")
    async with manager(kubeconfig, name) as made:
        yield made
    kubectl("delete", "namespace", name, "--wait=false")


async def test_an_image_without_shell_or_python(kubebox: Kubebox, images: Images) -> None:
    async with running(kubebox, image=images["static"]) as pod, boxed(kubebox, pod) as box:
        with pytest.raises(errors.ProgramNotFound):
            await box.wait("echo hello")
        await box.client.write_file(box.session_id, "file", "content")
        assert await box.client.get_file(box.session_id, "file") == "content"


async def test_an_image_with_musl(kubebox: Kubebox, images: Images) -> None:
    async with running(kubebox, image=images["musl"]) as pod, boxed(kubebox, pod) as box:
        assert (await box.wait("echo $HOME; id -u")).stdout == "/home/user\n10001\n"


async def test_an_image_with_a_user_and_an_entrypoint_of_its_own(kubebox: Kubebox, images: Images) -> None:
    """Its ENV and what lies in its /workspace hold; its ENTRYPOINT and its USER are replaced."""
    async with running(kubebox, image=images["user"]) as pod, boxed(kubebox, pod, ".") as box:
        assert (
            await box.wait('id -u; whoami; touch "$HOME"/x && echo writable')
        ).stdout == "10001\nuser\nwritable\n"
        assert await box.client.get_all_file_paths(box.session_id)


async def test_profile_root_installs_packages(rooted: Kubebox, images: Images) -> None:
    async with (
        running(rooted, image=images["benchmark"], profile="root", roots=["/testbed", "/workspace"]) as pod,
        boxed(rooted, pod, "/testbed") as box,
    ):
        assert (await box.wait("id -u; pwd")).stdout == "0\n/testbed\n"
        # What apt-get does to a system, without a network: it unpacks, changes owners and permissions, and runs scripts as root.
        result = await box.wait(
            "apt-get --version | head -1 | cut -d' ' -f1;"
            "touch /usr/bin/x && chown 33:33 /usr/bin/x && chmod u+s /usr/bin/x && echo owned"
        )
        assert result.stdout.split() == ["apt", "owned"]


async def test_a_benchmarks_image(rooted: Kubebox, images: Images) -> None:
    """A root-owned repository in /testbed, an environment that ENV PATH chooses: edit, install, diff, test."""
    async with (
        running(rooted, image=images["benchmark"], profile="root", roots=["/testbed"]) as pod,
        boxed(rooted, pod, "/testbed") as box,
    ):
        assert (await box.wait("which python")).stdout.startswith("/opt/env")
        assert (await box.wait("git status --short")).stdout == ""
        before = await box.wait("python -m pytest -q 2>&1 | tail -1")
        assert "failed" in before.stdout
        installed = await box.wait(
            "pip install --no-build-isolation --no-deps -q -e . 2>&1 | tail -3; echo $?"
        )
        assert installed.stdout.split()[-1] == "0", installed.stdout
        source = next(
            path
            for path in await box.client.get_all_file_paths(box.session_id, [r"\.py$"])
            if "test" not in path and "setup" not in path
        )
        await box.wait(f"sed -i 's/(len(numbers) - 1)/len(numbers)/' {source}")
        assert source in (await box.wait("git diff --stat")).stdout
        assert "passed" in (await box.wait("python -m pytest -q 2>&1 | tail -1")).stdout
