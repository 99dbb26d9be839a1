"""What a task, or a sample of it, says of its sandbox."""

from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel, ConfigDict, Field

from kubebox.errors import InvalidArgument, NotSupported

if TYPE_CHECKING:
    from kubebox._creation import PodOptions


class KubeboxConfig(BaseModel):
    """What a sandbox shall be: `sandbox=SandboxEnvironmentSpec("kubebox", KubeboxConfig(image="python:3.12"))`.

    Attributes:
        where: As of `Sandbox.create`.
        namespace: Where it lies in the cluster.
        image: Its image; clusters only.
        profile: `restricted`, or `root` for commands of other users; clusters only.
        network: `none`, `internet`, or a list of networks.
        cpu: Processors, also fractions of one.
        memory: Bytes, or like `512Mi`.
        disk: Bytes, or like `4Gi`.
        processes: How many processes and threads it may have at a time.
        lifetime: Seconds until it ends by itself, whatever becomes of the evaluation; an hour unless given.
        runtime_class: Of Kubernetes, for a stronger wall.
        env: Variables of every command.
        timeout: Seconds until a sandbox that does not come is given up: an image may have to be pulled first.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    where: str | None = None
    namespace: str | None = None
    image: str | None = None
    profile: str | None = None
    network: str | list[str] | None = None
    cpu: float | None = None
    memory: int | str | None = None
    disk: int | str | None = None
    processes: int | None = None
    lifetime: float | None = None
    runtime_class: str | None = None
    env: dict[str, str] = Field(default_factory=dict[str, str])
    timeout: float = 300.0

    def options(self) -> "PodOptions":
        """What was given, as `Sandbox.create` takes it."""
        given = self.model_dump(exclude_none=True, exclude={"where", "env", "timeout"})
        names = ("cpu", "memory", "disk", "processes")
        resources = {name: given.pop(name) for name in names if name in given}
        if resources:
            given["resources"] = resources
        return cast("PodOptions", given)


def read_config(config: Any) -> KubeboxConfig:
    """What a task says, as Inspect passes it on.

    Args:
        config: A `KubeboxConfig`, or nothing.

    Raises:
        NotSupported: It is a file, for instance a compose file.
        InvalidArgument: It is the configuration of something else.
    """
    if config is None:
        return KubeboxConfig()
    if isinstance(config, KubeboxConfig):
        return config
    if isinstance(config, str):
        raise NotSupported(
            f"{config}: a kubebox sandbox is one machine with one image, and takes no file (no Dockerfile, no compose file); "
            'say SandboxEnvironmentSpec("kubebox", KubeboxConfig(image="…"))'
        )
    raise InvalidArgument(f"a kubebox sandbox takes a KubeboxConfig, and no {type(config).__name__}")
