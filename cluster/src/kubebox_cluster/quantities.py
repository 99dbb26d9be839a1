"""Quantities as Kubernetes writes them: `500m`, `1Gi`, `2e3`."""

import re
from collections.abc import Mapping
from typing import Final

_UNITS: Final[Mapping[str, float]] = {
    "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50, "Ei": 2.0**60,
}  # fmt: skip
_QUANTITY: Final = re.compile(
    r"([+-]?[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?", re.ASCII
)


def quantity(text: str) -> float:
    """A quantity as a number.

    Raises:
        ValueError: It is none.
    """
    found = _QUANTITY.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a quantity")
    return float(found[1]) * _UNITS[found[2] or ""]


def never_fits(requested: Mapping[str, str], limited: Mapping[str, str]) -> bool:
    """Whether a quota could not even hold what is requested if it were empty.

    Args:
        requested: Quantities by resource.
        limited: What the quota has at all, likewise.
    """
    both = requested.keys() & limited.keys()
    try:
        return any(quantity(requested[name]) > quantity(limited[name]) for name in both)
    except ValueError:
        return False
