"""Reading the parts of a kubeconfig: each value has a type, and each complaint says where. No value is ever quoted."""

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from kubebox_cluster.errors import ConfigInvalid

PEM_BEGIN: Final = b"-----BEGIN "


@dataclass(frozen=True)
class Section:
    """A mapping of the kubeconfig.

    Attributes:
        values: The mapping.
        place: Where it stands, for messages.
        folder: What its relative paths are relative to.
    """

    values: Mapping[str, Any] = field(repr=False)
    place: str
    folder: Path

    def invalid(self, key: str, problem: str) -> ConfigInvalid:
        """The error for one of its values."""
        return ConfigInvalid(f"{self.place}: {key} {problem}")

    def text(self, key: str) -> str:
        """A text; empty where there is none."""
        value = self.values.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self.invalid(key, "is not text: put it in quotes")
        return value

    def flag(self, key: str) -> bool:
        """A yes or no; no where there is none."""
        value = self.values.get(key)
        if value is None:
            return False
        if not isinstance(value, bool):
            raise self.invalid(key, "is neither true nor false")
        return value

    def items(self, key: str) -> list[Any]:
        """A list; empty where there is none."""
        value = self.values.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.invalid(key, "is not a list")
        return cast("list[Any]", value)

    def texts(self, key: str) -> list[str]:
        """A list of texts."""
        values = self.items(key)
        if not all(isinstance(value, str) for value in values):
            raise self.invalid(key, "has something in it that is not text: put it in quotes")
        return cast("list[str]", values)

    def section(self, key: str) -> "Section | None":
        """A mapping within this one."""
        value = self.values.get(key)
        return None if value is None else self._within(value, key)

    def sections(self, key: str) -> list["Section"]:
        """A list of mappings."""
        return [self._within(value, f"{key}[{index}]") for index, value in enumerate(self.items(key))]

    def named(self, key: str, inner: str) -> dict[str, "Section"]:
        """A list of `name` and `inner`, as kubeconfigs have them; of two with one name the first counts."""
        found: dict[str, Section] = {}
        for entry in self.sections(key):
            name = entry.text("name")
            if not name:
                raise entry.invalid("name", "is missing")
            value = entry.values.get(inner)
            section = self._within({} if value is None else value, f"{key}[name={name}].{inner}")
            found.setdefault(name, section)
        return found

    def file(self, key: str) -> Path | None:
        """A path, relative to where the kubeconfig lies."""
        value = self.text(key)
        return self.folder / os.path.expanduser(value) if value else None

    def pem(self, key: str) -> bytes | Path | None:
        """Certificates or a key: base64 of it in `KEY-data`, which counts more, or a file in `KEY`."""
        encoded = self.text(f"{key}-data")
        if encoded:
            return self._pem_data(f"{key}-data", encoded)
        path = self.file(key)
        if path is None:
            return None
        if PEM_BEGIN not in self.content(key, path):
            raise self.invalid(key, f"leads to {path}, which is no PEM file")
        return path

    def content(self, key: str, path: Path) -> bytes:
        """The bytes of a file that this section names."""
        try:
            return path.read_bytes()
        except OSError as error:
            raise self.invalid(key, f"leads to {path}, which cannot be read ({error.strerror})") from None

    def _pem_data(self, key: str, encoded: str) -> bytes:
        try:
            data = base64.b64decode("".join(encoded.split()), validate=True)
        except (binascii.Error, ValueError):
            raise self.invalid(key, "is not base64") from None
        if PEM_BEGIN not in data:
            raise self.invalid(key, "is base64 of something that is not PEM")
        return data

    def _within(self, value: Any, step: str) -> "Section":
        place = f"{self.place}: {step}" if ": " not in self.place else f"{self.place}.{step}"
        if not isinstance(value, Mapping):
            raise ConfigInvalid(f"{place} is not a mapping")
        return Section(cast("Mapping[str, Any]", value), place, self.folder)
