"""Judging a wall by what a probe behind it saw. Versions and settings promise; the probe tells."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from kubebox.errors import LocalUnavailable
from kubebox.local.bubblewrap import WORKSPACE_UID

CANARY: Final = {"WALL_CANARY": "the host's environment"}
"""All that bubblewrap itself is started with. If the probe sees it, the wall lets environments through."""

MAX_PROCESSES: Final = 8
"""Processes that the probe may see: itself, and perhaps bubblewrap's helpers; the host has far more."""

BY_BUBBLEWRAP: Final = frozenset({"PWD", "OLDPWD"})
"""Variables that bubblewrap sets when it changes the folder."""

REPORT_HINT: Final = (
    "nothing runs behind a wall with a hole; "
    "see that `bwrap` is the distribution's own, unchanged, and up to date"
)


@dataclass(frozen=True)
class Expected:
    """What a sound wall shows.

    Attributes:
        interfaces: Network interfaces.
        variables: Names in the environment.
    """

    interfaces: Collection[str]
    variables: Collection[str]


def judge(output: bytes, expected: Expected) -> None:
    """Judge a wall.

    Args:
        output: What the probe printed.
        expected: What it should have seen.

    Raises:
        LocalUnavailable: With each hole that it found.
    """
    try:
        report: dict[str, Any] = json.loads(output)
    except ValueError:
        raise LocalUnavailable(
            f"the probe of the sandbox's wall gave no report; {REPORT_HINT}",
            output=output[-500:].decode(errors="replace"),
        ) from None
    holes = find_holes(report, expected)
    if holes:
        raise LocalUnavailable(
            f"the sandbox's wall does not hold: {'; '.join(holes)}; {REPORT_HINT}", holes=holes, probe=report
        )


def find_holes(report: dict[str, Any], expected: Expected) -> list[str]:
    """Name each hole.

    Args:
        report: What the probe saw.
        expected: What it should have seen.
    """
    interfaces = set(report["interfaces"]) - set(expected.interfaces)
    variables = _names(report["environment"]) - set(expected.variables) - BY_BUBBLEWRAP
    processes = report["processes"]
    count = processes if isinstance(processes, int) else len(processes)
    found = {
        f"it is process {report['pid']} and not 1: there is no PID namespace of its own": report["pid"] != 1,
        f"it sees {count} processes: the host's among them": count > MAX_PROCESSES,
        f"it runs as user {report['uid']} and group {report['gid']}": (report["uid"], report["gid"])
        != (WORKSPACE_UID, WORKSPACE_UID),
        "there is no user namespace of its own": _maps_everybody(report["uid_map"]),
        "programs may gain privileges (no_new_privs is off)": not report["no_new_privs"],
        f"it holds capabilities ({report['effective_capabilities']})": _number(
            report["effective_capabilities"]
        )
        != 0,
        f"it has the network interfaces {', '.join(sorted(interfaces))}": bool(interfaces),
        f"it connected to {', '.join(report['connected'] or [])}": bool(report["connected"]),
        "commands would run without init's seccomp filter: the kernel gives none": not report[
            "commands_confined"
        ],
        "the system's root folder can be written": bool(report["root_writable"]),
        f"it sees {', '.join(report['visible'] or [])}": bool(report["visible"]),
        f"it has the variables {', '.join(sorted(variables))} of the host": bool(variables),
    }
    return [hole for hole, there in found.items() if there]


def _names(environment: dict[str, str] | list[str]) -> set[str]:
    return {variable.partition("=")[0] for variable in environment}


def _number(value: int | str) -> int:
    return value if isinstance(value, int) else int(value, 16)


def _maps_everybody(uid_map: object) -> bool:
    # The host's own map is one line: 0 0 4294967295.
    return "4294967295" in str(uid_map)
