"""Variables of a command, as flags."""

import os
from collections.abc import Sequence
from typing import Annotated, TypeAlias

from cyclopts import Parameter

from kubebox.errors import InvalidArgument

Variables: TypeAlias = Annotated[tuple[str, ...], Parameter(name=("--env", "-e"))]
"""The flag, which may be repeated."""


def read_variables(given: Sequence[str]) -> dict[str, str]:
    """Variables from `K=V`, or `K` for what this process has under that name: a secret need not stand in a command line.

    Raises:
        InvalidArgument: There is no such variable here.
    """
    variables: dict[str, str] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals and name not in os.environ:
            raise InvalidArgument(f"--env {name}: there is no such variable here; give --env {name}=VALUE")
        variables[name] = value if equals else os.environ[name]
    return variables
