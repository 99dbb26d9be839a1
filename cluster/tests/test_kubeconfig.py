"""Kubeconfigs: every form, kubectl's rules, and what is said when something is wrong."""

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubebox_cluster.errors import ConfigInvalid
from kubebox_cluster.kubeconfig import in_cluster, read_target

PEM = b"-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n"
SECRET = "a-secret-token"


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def config(
    cluster: dict[str, Any] | None = None, user: dict[str, Any] | None = None, **context: Any
) -> dict[str, Any]:
    """A kubeconfig of one cluster, one user and one context."""
    return {
        "current-context": "here",
        "clusters": [{"name": "c", "cluster": {"server": "https://10.0.0.1:6443", **(cluster or {})}}],
        "users": [{"name": "u", "user": {"token": SECRET} if user is None else user}],
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", **context}}],
    }


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without any kubeconfig."""
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def as_path(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text)
    return path


FORMS: dict[str, Callable[[Path, str], Any]] = {
    "path": as_path,
    "path as text": lambda folder, text: str(as_path(folder, text)),
    "YAML": lambda _, text: text,
    "JSON": lambda _, text: json.dumps(yaml.safe_load(text)),
    "base64": lambda _, text: encoded(text.encode()),
    "base64 with line breaks": lambda _, text: base64.encodebytes(text.encode()).decode(),
    "base64 of JSON": lambda _, text: encoded(json.dumps(yaml.safe_load(text)).encode()),
    "mapping": lambda _, text: yaml.safe_load(text),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_kubeconfig_comes_in_every_form(tmp_path: Path, form: Callable[[Path, str], Any]) -> None:
    target = read_target(form(tmp_path, yaml.safe_dump(config(namespace="mine"))))
    assert (target.server, target.context, target.namespace) == ("https://10.0.0.1:6443", "here", "mine")
    assert target.user.token == SECRET
    assert SECRET not in repr(target)


def test_a_path_may_begin_at_home(home: Path) -> None:
    home.mkdir()
    (home / "mine.yaml").write_text(yaml.safe_dump(config()))
    assert read_target("~/mine.yaml").context == "here"


def test_a_pipe_of_the_shell_is_read_too() -> None:
    reading, writing = os.pipe()
    os.write(writing, yaml.safe_dump(config()).encode())
    os.close(writing)
    assert read_target(f"/dev/fd/{reading}").context == "here"
    os.close(reading)


def test_without_one_the_environment_counts_then_home(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / ".kube").mkdir(parents=True)
    (home / ".kube" / "config").write_text(yaml.safe_dump(config(namespace="home")))
    assert read_target(None).namespace == "home"
    (tmp_path / "env").write_text(yaml.safe_dump(config(namespace="environment")))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "env"))
    assert read_target(None).namespace == "environment"


def test_several_files_are_one_and_the_first_that_says_something_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "1" / "config", tmp_path / "2" / "config"
    first.parent.mkdir()
    second.parent.mkdir()
    (first.parent / "token").write_text("first")
    (second.parent / "token").write_text("second")
    first.write_text(
        yaml.safe_dump({**config(user={"tokenFile": "token"}), "current-context": "", "contexts": None})
    )
    other = config(cluster={"server": "https://other"}, user={"tokenFile": "token"})
    other["users"].append({"name": "v", "user": {"tokenFile": "token"}})
    other["contexts"].append({"name": "there", "context": {"cluster": "c", "user": "v"}})
    second.write_text(yaml.safe_dump(other))
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(["", str(tmp_path / "none"), str(first), str(second)]))
    target = read_target(None)
    assert (target.context, target.server) == ("here", "https://10.0.0.1:6443")
    assert target.user.token_file == first.parent / "token"
    assert read_target(None, context="there").user.token_file == second.parent / "token"


def test_a_context_is_chosen_by_name() -> None:
    both = config()
    both["contexts"].append({"name": "there", "context": {"cluster": "c", "namespace": "other"}})
    target = read_target(both, context="there")
    assert (target.context, target.namespace, target.user.token) == ("there", "other", "")


def test_the_only_context_needs_no_name() -> None:
    assert read_target({**config(), "current-context": ""}).context == "here"


def test_paths_are_relative_to_the_kubeconfig(tmp_path: Path) -> None:
    for name in ("ca.crt", "client.crt", "client.key"):
        (tmp_path / name).write_bytes(PEM)
    said = config(
        cluster={"certificate-authority": "ca.crt"},
        user={"client-certificate": "client.crt", "client-key": "./client.key"},
    )
    target = read_target(as_path(tmp_path, yaml.safe_dump(said)))
    assert target.authority == PEM
    assert target.user.certificate == tmp_path / "client.crt"
    assert target.user.key == tmp_path / "client.key"


def test_data_counts_more_than_files() -> None:
    said = config(
        cluster={"certificate-authority": "/nowhere", "certificate-authority-data": encoded(PEM)},
        user={
            "client-certificate": "/nowhere",
            "client-certificate-data": encoded(PEM),
            "client-key": "/nowhere",
            "client-key-data": encoded(PEM),
        },
    )
    target = read_target(said)
    assert target.authority == target.user.certificate == target.user.key == PEM
    assert "MII" not in repr(target)


def test_everything_else_that_a_cluster_can_say() -> None:
    target = read_target(
        config(
            cluster={
                "server": "https://host/k8s/clusters/c-1/",
                "insecure-skip-tls-verify": True,
                "tls-server-name": "kubernetes",
                "proxy-url": "http://name:password@proxy:3128",
            },
            user={"username": "u", "password": "p-secret"},
        )
    )
    assert target.server == "https://host/k8s/clusters/c-1"
    assert (target.verify, target.tls_server_name) == (False, "kubernetes")
    assert target.proxy == "http://name:password@proxy:3128"
    assert (target.user.username, target.user.password) == ("u", "p-secret")
    assert "password@" not in repr(target)
    assert "p-secret" not in repr(target)


def test_whose_rights_to_use_is_not_forgotten() -> None:
    user = {"token": SECRET, "as": "other", "as-groups": ["a", "b"], "as-user-extra": {"scopes": ["x"]}}
    assert read_target(config(user=user)).user.impersonate == (
        ("Impersonate-User", "other"),
        ("Impersonate-Group", "a"),
        ("Impersonate-Group", "b"),
        ("Impersonate-Extra-scopes", "x"),
    )


def test_a_plugin_is_read_whole(tmp_path: Path) -> None:
    said = config(
        cluster={
            "certificate-authority-data": encoded(PEM),
            "extensions": [{"name": "client.authentication.k8s.io/exec", "extension": {"audience": "x"}}],
        },
        user={
            "exec": {
                "apiVersion": "client.authentication.k8s.io/v1",
                "command": "./bin/plugin",
                "args": ["get", "token"],
                "env": [{"name": "PROFILE", "value": "mine"}],
                "installHint": "brew install plugin",
                "provideClusterInfo": True,
                "interactiveMode": "IfAvailable",
            }
        },
    )
    plugin = read_target(as_path(tmp_path, yaml.safe_dump(said))).user.plugin
    assert plugin is not None
    assert (Path(plugin.command), plugin.arguments) == (tmp_path / "bin/plugin", ("get", "token"))
    assert (plugin.environment, plugin.install_hint) == ({"PROFILE": "mine"}, "brew install plugin")
    assert plugin.cluster == {
        "server": "https://10.0.0.1:6443",
        "certificate-authority-data": encoded(PEM),
        "config": {"audience": "x"},
    }


def test_inside_a_pod_its_service_account_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ca.crt").write_bytes(PEM)
    (tmp_path / "token").write_text(SECRET)
    (tmp_path / "namespace").write_text("mine\n")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "6443")
    target = in_cluster(tmp_path)
    assert (target.server, target.namespace) == ("https://[fd00::1]:6443", "mine")
    assert (target.authority, target.user.token_file) == (PEM, tmp_path / "token")


def test_a_pod_without_credentials_is_told_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    with pytest.raises(ConfigInvalid, match="automountServiceAccountToken"):
        read_target(None)


def test_nowhere_at_all_says_where_was_looked() -> None:
    with pytest.raises(ConfigInvalid, match=r"\$KUBECONFIG nor ~/.kube/config"):
        read_target(None)


def test_an_environment_that_names_no_file_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nowhere/config")
    with pytest.raises(ConfigInvalid, match="no file at /nowhere/config"):
        read_target(None)


PLUGIN = {"apiVersion": "client.authentication.k8s.io/v1", "command": "plugin"}

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no server": (config(cluster={"server": ""}), r"clusters\[name=c\].cluster: server is missing"),
    "no scheme": (config(cluster={"server": "host:6443"}), "server is no address: it has to look like https"),
    "port": (config(cluster={"server": "https://host:x"}), "server is no address"),
    "password in the URL": (config(cluster={"server": "https://a:hush@host"}), "server holds a password"),
    "proxy": (config(cluster={"proxy-url": "socks5://a:hush@host"}), "proxy-url is not of the form"),
    "no base64": (config(cluster={"certificate-authority-data": "%%%"}), "authority-data is not base64"),
    "no PEM": (config(cluster={"certificate-authority-data": encoded(b"x")}), "something that is not PEM"),
    "no file": (config(cluster={"certificate-authority": "/nowhere"}), "leads to /nowhere, which cannot be"),
    "both": (
        config(cluster={"insecure-skip-tls-verify": True, "certificate-authority-data": encoded(PEM)}),
        "insecure-skip-tls-verify contradicts",
    ),
    "flag": (config(cluster={"insecure-skip-tls-verify": "hush"}), "is neither true nor false"),
    "number": (config(user={"token": 12345}), r"users\[name=u\].user: token is not text: put it in quotes"),
    "two ways in": (config(user={"token": "hush", "username": "u"}), "username contradicts token"),
    "no key": (config(user={"client-certificate-data": encoded(PEM)}), "client-key is missing"),
    "no certificate": (config(user={"client-key-data": encoded(PEM)}), "client-certificate is missing"),
    "token's file": (config(user={"tokenFile": "/nowhere"}), "tokenFile leads to /nowhere"),
    "auth-provider": (config(user={"auth-provider": {"name": "gcp"}}), "exec plugin of your cloud"),
    "plugin's version": (config(user={"exec": {**PLUGIN, "apiVersion": "v2"}}), "apiVersion is none of"),
    "no command": (config(user={"exec": {**PLUGIN, "command": ""}}), "exec: command is missing"),
    "interactive": (config(user={"exec": {**PLUGIN, "interactiveMode": "Always"}}), "needs a terminal"),
    "arguments": (config(user={"exec": {**PLUGIN, "args": [1]}}), "args has something in it that is not text"),
    "variable": (config(user={"exec": {**PLUGIN, "env": [{"value": "hush"}]}}), "entry without a name"),
    "no such context": ({**config(), "current-context": "x"}, "no context is named 'x'; there is here"),
    "no such cluster": ({**config(), "clusters": [{"name": "c2"}]}, "no cluster is named 'c'; there is c2"),
    "no such user": ({**config(), "users": None}, "no user is named 'u'; there is none"),
    "no context": ({"clusters": []}, "current-context is not set"),
    "a list": ({**config(), "clusters": {}}, "clusters is not a list"),
    "a mapping": ({**config(), "clusters": ["hush"]}, r"clusters\[0\] is not a mapping"),
    "a name": ({**config(), "clusters": [{"cluster": {}}]}, r"clusters\[0\]: name is missing"),
}  # fmt: skip


@pytest.mark.parametrize(("said", "complaint"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said_with_its_place_and_no_secret(said: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigInvalid, match=complaint) as caught:
        read_target(said)
    assert "hush" not in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_line_that_is_no_yaml_is_not_quoted(tmp_path: Path) -> None:
    path = as_path(tmp_path, "users:\n- token: hush: hush\n")
    with pytest.raises(ConfigInvalid, match=r"config.yaml is not YAML: .* in line 2, column") as caught:
        read_target(path)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "nowhere.yaml", encoded(b"hush" * 200), "\0", "a: b"])
def test_text_that_is_no_kubeconfig_is_refused(text: str) -> None:
    with pytest.raises(ConfigInvalid, match="neither a file that is there, nor YAML text, nor base64"):
        read_target(text)


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff\xfe", b"text\n", b"a: *b\n"])
def test_a_file_that_is_no_kubeconfig_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config"
    path.write_bytes(content)
    with pytest.raises(ConfigInvalid, match=str(path)):
        read_target(path)


def test_a_folder_is_no_kubeconfig(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="cannot be read"):
        read_target(tmp_path)
