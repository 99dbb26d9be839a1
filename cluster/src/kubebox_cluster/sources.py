"""Finding a kubeconfig: what was given, what the environment names, and how several files become one."""

import base64
import binascii
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias, cast

import yaml

from kubebox_cluster.errors import ConfigInvalid
from kubebox_cluster.sections import Section

Config: TypeAlias = str | Path | Mapping[str, Any]
"""A kubeconfig as a path, as YAML text, as base64 of that, or as a mapping."""

ENVIRONMENT_VARIABLE: Final = "KUBECONFIG"

MAX_BYTES: Final = 8 * 1024 * 1024
"""Bytes of one kubeconfig. Those with hundreds of clusters have one; a path that leads to something else is not read whole."""

MAX_SHOWN: Final = 200
"""Characters of text that is quoted as a path. What is longer may be a kubeconfig in some other form, secrets and all."""

BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]+=*")

Loader: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The one in C is ten times as fast, and not everywhere."""


@dataclass
class Kubeconfig:
    """What one or more files say together.

    Attributes:
        place: Where it was found, for messages.
        current: The current context's name.
        clusters: By name.
        users: By name.
        contexts: By name.
    """

    place: str
    current: str = ""
    clusters: dict[str, Section] = field(default_factory=dict[str, Section])
    users: dict[str, Section] = field(default_factory=dict[str, Section])
    contexts: dict[str, Section] = field(default_factory=dict[str, Section])

    def join(self, whole: Section) -> None:
        """Add what another file says. What an earlier one said counts, entry by entry, as with kubectl."""
        self.current = self.current or whole.text("current-context")
        self.clusters = whole.named("clusters", "cluster") | self.clusters
        self.users = whole.named("users", "user") | self.users
        self.contexts = whole.named("contexts", "context") | self.contexts


def read_given(config: Config) -> Kubeconfig:
    """Read a kubeconfig that was given: a path, text, base64 of text, or a mapping.

    Raises:
        ConfigInvalid: It is none of these.
    """
    if isinstance(config, Mapping):
        return _single(Section(config, "the kubeconfig", Path.cwd()))
    if isinstance(config, Path):
        return _single(_read_file(_path(config)))
    if _is_file(config):
        return _single(_read_file(_path(config.strip())))
    text = _decoded(config) or config
    if "\n" in text.strip() or text.lstrip().startswith("{"):
        return _single(_parse(text, "the kubeconfig", Path.cwd()))
    shown = f"{text.strip()!r} is" if len(text) <= MAX_SHOWN else "what was given is"
    raise ConfigInvalid(
        f"kubeconfig: {shown} neither a file that is there, nor YAML text, nor base64 of that"
    )


def read_default() -> Kubeconfig | None:
    """Read what `$KUBECONFIG` names, or else `~/.kube/config`; `None` where neither is there.

    Raises:
        ConfigInvalid: A file is malformed, or `$KUBECONFIG` names none that exists.
    """
    named = os.environ.get(ENVIRONMENT_VARIABLE, "")
    if named.strip(os.pathsep):
        paths = [_path(part) for part in named.split(os.pathsep) if part]
        there = [path for path in paths if path.exists()]
        if not there:
            raise ConfigInvalid(f"${ENVIRONMENT_VARIABLE}: there is no file at {named}")
        return _joined(there)
    path = _path("~/.kube/config")
    return _joined([path]) if path.exists() else None


def _joined(paths: list[Path]) -> Kubeconfig:
    whole = Kubeconfig(place=os.pathsep.join(map(str, paths)))
    for path in paths:
        whole.join(_read_file(path))
    return whole


def _single(section: Section) -> Kubeconfig:
    whole = Kubeconfig(place=section.place)
    whole.join(section)
    return whole


def _is_file(text: str) -> bool:
    name = text.strip()
    try:
        return name != "" and "\n" not in name and _path(name).exists()
    except (OSError, ValueError):
        return False  # too long, or a NUL


def _path(name: str | Path) -> Path:
    return Path(os.path.expanduser(name))  # unlike pathlib's, it takes a home that nobody has for a name


def _decoded(text: str) -> str | None:
    # What `base64` prints has line breaks, and so has YAML, which is never all of these characters.
    packed = "".join(text.split())
    if not BASE64.fullmatch(packed):
        return None
    try:
        decoded = base64.b64decode(packed.replace("-", "+").replace("_", "/"), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    return decoded if ":" in decoded else None


def _read_file(path: Path) -> Section:
    try:
        with path.open("rb") as file:  # it may be a pipe of the shell's, as in  <(…)
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigInvalid(f"kubeconfig: {path} cannot be read ({error.strerror})") from None
    if len(content) > MAX_BYTES:
        raise ConfigInvalid(f"kubeconfig: {path} is longer than {MAX_BYTES} bytes")
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise ConfigInvalid(f"kubeconfig: {path} is not UTF-8 text") from None
    return _parse(text, str(path), path.absolute().parent)


def _parse(text: str, place: str, folder: Path) -> Section:
    try:
        values = yaml.load(text, Loader=Loader)  # noqa: S506  # it is a safe loader
    except yaml.MarkedYAMLError as error:
        # The error's own text quotes the line, and that may hold a secret.
        mark = error.problem_mark
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigInvalid(f"{place} is not YAML: {error.problem or 'malformed'}{where}") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise ConfigInvalid(f"{place} is not YAML") from None
    if values is None:
        values = {}  # kubectl takes an empty file, too, and another one may say the rest
    if not isinstance(values, Mapping):
        raise ConfigInvalid(f"{place} is not a kubeconfig: it is no mapping")
    return Section(cast("Mapping[str, Any]", values), place, folder)
