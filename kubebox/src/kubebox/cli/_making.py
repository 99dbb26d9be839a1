"""What a sandbox that is about to be made shall be, as flags."""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, cast

from cyclopts import Parameter

if TYPE_CHECKING:
    from kubebox._creation import PodOptions

RESOURCES = ("cpu", "memory", "disk", "processes")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Making:
    """Flags of a sandbox that is made; one that is there takes none of them.

    Attributes:
        image: Its image; clusters only.
        lifetime: Seconds until it ends by itself, an hour unless given.
        network: What it reaches: `none` (unless given) or `internet`.
        profile: `restricted` (unless given), or `root`; clusters only.
        runtime_class: Of Kubernetes, for a stronger wall; clusters only.
        username: Whose it is; clusters only.
        cpu: Processors, also fractions of one.
        memory: Bytes, or like 512Mi.
        disk: Bytes, or like 4Gi.
        processes: How many processes and threads it may have at a time.
    """

    image: str | None = None
    lifetime: float | None = None
    network: str | None = None
    profile: str | None = None
    runtime_class: str | None = None
    username: str | None = None
    cpu: float | None = None
    memory: str | None = None
    disk: str | None = None
    processes: int | None = None

    def options(self) -> "PodOptions":
        """What was given, as `create_pod` takes it."""
        given: dict[str, Any] = {
            field.name: value for field in fields(self) if (value := getattr(self, field.name)) is not None
        }
        resources = {name: given.pop(name) for name in RESOURCES if name in given}
        if resources:
            given["resources"] = resources
        return cast("PodOptions", given)
