"""Which cluster is meant: the kubeconfig that is given, or what OpenTofu's outputs say."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from kubebox import Kubebox
from kubebox.cluster.configuration import default_image, read_configuration
from kubebox.errors import ConfigurationError

CONFIG: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "here",
    "clusters": [{"name": "a", "cluster": {"server": "https://203.0.113.5:6443"}}],
    "users": [{"name": "a", "user": {"token": "t"}}],
    "contexts": [{"name": "here", "context": {"cluster": "a", "user": "a"}}],
}


@pytest.fixture
def tofu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of OpenTofu's name that prints the file `outputs` of the folder that it is told."""
    program = tmp_path / "bin/tofu"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nexec cat "${1#-chdir=}/outputs"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("KUBEBOX_IMAGE", raising=False)
    return tmp_path


def outputs(folder: Path, **values: Any) -> None:
    content = {name: {"value": value, "sensitive": False} for name, value in values.items()}
    (folder / "outputs").write_text(json.dumps(content))


def test_the_outputs_say_which_cluster_and_which_image(tofu: Path) -> None:
    outputs(tofu, kubeconfig=json.dumps(CONFIG), sandbox_image="registry.example/sandbox:1", node_count=3)
    found = read_configuration(None, tofu)
    assert (found.target.context, found.image) == ("here", "registry.example/sandbox:1")


def test_what_is_given_counts_more(tofu: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs(tofu, kubeconfig="not this one", sandbox_image="nor this one")
    monkeypatch.setenv("KUBEBOX_IMAGE", "mine")
    found = read_configuration(CONFIG, tofu)
    assert (found.target.context, found.image) == ("here", "mine")


@pytest.mark.parametrize("printed", ["", "no json", "[]", '{"kubeconfig": "no object"}'])
def test_outputs_that_are_none(tofu: Path, printed: str) -> None:
    (tofu / "outputs").write_text(printed)
    with pytest.raises(ConfigurationError, match="outputs"):
        read_configuration(None, tofu)


def test_a_folder_without_outputs(tofu: Path) -> None:
    with pytest.raises(ConfigurationError, match="outputs"):
        read_configuration(None, tofu / "there-is-none")


def test_nothing_to_read_outputs_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match="OpenTofu"):
        read_configuration(None, tmp_path)


def test_the_api_server_is_closed_to_sandboxes_and_what_the_operator_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KUBEBOX_CLOSED_NETWORKS", "198.51.100.0/24, 192.0.2.7")
    assert read_configuration(CONFIG, None).closed == ("198.51.100.0/24", "192.0.2.7/32", "203.0.113.5/32")
    monkeypatch.setenv("KUBEBOX_CLOSED_NETWORKS", "everything")
    with pytest.raises(ConfigurationError, match="KUBEBOX_CLOSED_NETWORKS"):
        read_configuration(CONFIG, None)


def test_the_image_is_this_versions_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBEBOX_IMAGE", raising=False)
    assert read_configuration(CONFIG, None).image == default_image()


@pytest.mark.parametrize("config", ["/there/is/none", "no kubeconfig", {"apiVersion": "v1"}])
def test_configs_that_are_none(config: Any) -> None:
    with pytest.raises(ConfigurationError):
        Kubebox(config)


def test_this_machine_has_no_outputs(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cluster"):
        Kubebox("local", terraform_path=tmp_path)
