"""What a sandbox may use, as its creator asks for it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from kubebox.errors import InvalidArgument

MEBIBYTE: Final = 1024 * 1024
GIBIBYTE: Final = 1024 * MEBIBYTE

MIN_MEMORY: Final = 64 * MEBIBYTE
"""Bytes. With less, init and one interpreter do not fit."""

MIN_DISK: Final = 16 * MEBIBYTE
"""Bytes. It is divided among four folders, and each needs a few pages for its own records."""

MIN_PROCESSES: Final = 64
"""Processes and threads. init has about thirty threads of its own, which count."""

_UNITS: Final = {
    "": 1, "k": 1000, "M": 1000**2, "G": 1000**3, "T": 1000**4,
    "Ki": 1024, "Mi": 1024**2, "Gi": 1024**3, "Ti": 1024**4,
}  # fmt: skip
_QUANTITY: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(k|M|G|T|Ki|Mi|Gi|Ti)?", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What a sandbox may use. Sizes are bytes, or text as in Kubernetes: `"512Mi"`, `"2Gi"`.

    Args:
        cpu: Processors, also fractions of one; `None` for as many as there are.
        memory: Bytes of memory. The default of 2 GiB fits a compiler or a test suite, and four of them a
            laptop.
        disk: Bytes of files, all writable folders together. The default of 4 GiB fits a repository with its
            dependencies; the files lie in memory that may be swapped, so more should be asked for on purpose.
        processes: Processes and threads at a time. The default of 512 is far above what builds need, and what
            a fork bomb reaches in a blink.

    Raises:
        InvalidArgument: A value is not a size, or smaller than what a sandbox needs to run at all.
    """

    cpu: float | None = None
    memory: int = 2 * GIBIBYTE
    disk: int = 4 * GIBIBYTE
    processes: int = 512

    def __post_init__(self) -> None:
        if self.cpu is not None:
            object.__setattr__(self, "cpu", _cpu(self.cpu))
        for name, minimum in (("memory", MIN_MEMORY), ("disk", MIN_DISK), ("processes", MIN_PROCESSES)):
            value = _whole(name, getattr(self, name))
            if value < minimum:
                raise InvalidArgument(
                    f"resources: {name} is {value}; a sandbox needs at least {minimum}", limit=minimum
                )
            object.__setattr__(self, name, value)

    @classmethod
    def read(cls, value: "Resources | Mapping[str, Any] | None") -> "Resources":
        """Take what a caller gave: resources, a dict of them, or nothing for the defaults.

        Args:
            value: As given to `create_pod(resources=…)`.

        Raises:
            InvalidArgument: A name or a value that is none.
        """
        if isinstance(value, Resources):
            return value
        names = {field.name for field in fields(cls)}
        given: dict[str, Any] = dict(value or {})
        unknown = ", ".join(sorted(set(given) - names))
        if unknown:
            raise InvalidArgument(f"resources: {unknown} is unknown; there are {', '.join(sorted(names))}")
        return cls(**given)


def _cpu(value: object) -> float:
    if isinstance(value, str):
        number = value.removesuffix("m")
        if re.fullmatch(r"[0-9]+(\.[0-9]+)?", number, re.ASCII):
            value = float(number) / (1000 if value.endswith("m") else 1)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.01 <= value <= 4096:
        raise InvalidArgument(
            f"resources: cpu is {value!r}; it is a number of processors from 0.01, such as 1.5"
        )
    return float(value)


def _whole(name: str, value: object) -> int:
    if isinstance(value, str) and (found := _QUANTITY.fullmatch(value)):
        value = int(float(found[1]) * _UNITS[found[2] or ""])
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidArgument(f'resources: {name} is {value!r}; it is a whole number, or text such as "2Gi"')
    return value
