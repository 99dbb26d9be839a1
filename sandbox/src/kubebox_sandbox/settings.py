"""What the operator decides, from the environment: `KUBEBOX_` and the field's name in capitals."""

from pathlib import Path
from typing import Annotated, Any, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from kubebox_protocol.keys import KeyInvalid, read_public_keys, thumbprint
from kubebox_sandbox.canary import read_address

DAY = 24 * 3600.0
MEBIBYTE = 1024 * 1024
MAX_KEY_FILE_BYTES = MEBIBYTE
"""Bytes of a file of public keys: thousands of keys. A larger file is not one."""

RETURN_SECONDS = 75.0
"""Seconds that what runs is waited for when the line is lost: init itself gives up after a minute without a server."""

Words = Annotated[list[str], NoDecode]
"""A list of words, separated by commas in the environment."""


class SettingsInvalid(Exception):
    """The environment does not describe a server. Has one message for each field."""

    def __init__(self, messages: list[str]) -> None:
        super().__init__("; ".join(messages))
        self.messages = messages


class Settings(BaseSettings):
    """The server's settings.

    Attributes:
        sandbox_id: The sandbox's id; with `sandbox_uid` the audience of its tokens.
        sandbox_uid: This body's unique id.
        public_keys: Ed25519 public keys in PEM form, or the path of a file of them. Without one the server
            does not start.
        control: Folder of `line.sock`, read-only in the workspace.
        state: Folder of the identity key and the journals; the server's own, out of the workspace's reach.
        workspace_uid: The user id, as the server sees it, that the workspace's init must have.
        listen_fd: A listening socket that was inherited; wins over `host` and `port`.
        host: Address to listen on.
        port: Port to listen on; 0 for any.
        roots: Folders of the workspace beneath which sessions may lie; the first is where relative ones go.
        profile: What commands may do there: `restricted`, or `root`, which also allows `user=`.
        allowed_hosts: Host names that may come without a valid token; empty for any.
        allowed_origins: Origins whose pages may connect; empty for none.
        canary: What the workspace's network must not reach: IP addresses with their ports, and `api` for the cluster's API
            server. No command is started before none of it connects. Empty where nobody has promised anything of the network.
        refused_ports: Ports to which nobody is led through this server: its own, where it shares the workspace's network.
        lifeline_fd: A descriptor; the server ends when it reaches its end of file.
        return_seconds: Seconds that what runs is waited for when the line to the workspace is lost, and its process cannot be
            seen: an init that lives is back within a second.
        memory_cgroup: Folder of the workspace's memory cgroup, of either version, where the kernel counts what it kills
            for want of memory; none where it cannot be seen.
        max_executions: Executions that run at once.
        journal_bytes: Bytes on disk of one execution's output.
        output_bytes: Bytes on disk of all executions' output together. When they are used up, ended executions go first,
            oldest first; then WAIT and BACKGROUND drop their own oldest output, or the new, and count it; STREAM waits.
        kept_executions: Ended executions whose record and output are kept.
        kept_seconds: Seconds that they are kept.
    """

    model_config = SettingsConfigDict(
        env_prefix="KUBEBOX_", frozen=True, hide_input_in_errors=True, extra="ignore"
    )

    sandbox_id: str = Field(min_length=1, max_length=253)
    sandbox_uid: str = Field(min_length=1, max_length=253)
    public_keys: str = ""
    control: Path
    state: Path
    workspace_uid: int = Field(ge=0)
    listen_fd: int | None = Field(default=None, ge=0)
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    roots: Words = ["/workspace"]
    profile: Literal["restricted", "root"] = "restricted"
    allowed_hosts: Words = []
    allowed_origins: Words = []
    canary: Words = []
    refused_ports: Annotated[list[int], NoDecode] = []
    lifeline_fd: int | None = Field(default=None, ge=0)
    return_seconds: float = Field(default=RETURN_SECONDS, gt=0)
    memory_cgroup: Path | None = None
    max_executions: int = Field(default=1024, ge=1)
    journal_bytes: int = Field(default=256 * MEBIBYTE, ge=MEBIBYTE)
    output_bytes: int = Field(default=1024 * MEBIBYTE, ge=MEBIBYTE)
    kept_executions: int = Field(default=1000, ge=0)
    kept_seconds: float = Field(default=DAY, gt=0)

    @field_validator("roots", "allowed_hosts", "allowed_origins", "canary", "refused_ports", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return (
            [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value
        )

    @field_validator("allowed_hosts")
    @classmethod
    def _lower(cls, hosts: list[str]) -> list[str]:
        return [host.lower() for host in hosts]

    @field_validator("roots")
    @classmethod
    def _absolute(cls, roots: list[str]) -> list[str]:
        if not roots or not all(root.startswith("/") and "\0" not in root for root in roots):
            raise ValueError("needs at least one folder, each an absolute path")
        return ["/" + root.strip("/") for root in roots]

    @field_validator("canary")
    @classmethod
    def _addresses(cls, words: list[str]) -> list[str]:
        for word in words:
            read_address(word)
        return words

    @field_validator("memory_cgroup")
    @classmethod
    def _from_the_top(cls, folder: Path | None) -> Path | None:
        if folder is not None and not folder.is_absolute():
            raise ValueError("needs an absolute path")
        return folder

    @model_validator(mode="after")
    def _has_keys(self) -> "Settings":
        self.keys()
        return self

    def keys(self) -> dict[str, Ed25519PublicKey]:
        """The keys that may sign, by thumbprint.

        Raises:
            ValueError: There is none, or what is given is not a key.
        """
        if not self.public_keys.strip():
            raise ValueError(
                "KUBEBOX_PUBLIC_KEYS: no public key is configured, so nobody could get in; "
                "`kubebox keys show` prints yours"
            )
        try:
            found = read_public_keys(self._key_text())
        except (KeyInvalid, OSError, UnicodeDecodeError) as error:
            raise ValueError(f"KUBEBOX_PUBLIC_KEYS: {error}") from None
        return {thumbprint(key): key for key in found}

    def _key_text(self) -> str:
        if "-----BEGIN" in self.public_keys:
            return self.public_keys
        with Path(self.public_keys).open(encoding="ascii") as file:
            return file.read(MAX_KEY_FILE_BYTES)


def read_settings() -> Settings:
    """Read the settings from the environment.

    Raises:
        SettingsInvalid: With one message for each field that is missing or wrong.
    """
    try:
        return Settings()  # pyright: ignore[reportCallIssue] - the environment gives the fields
    except ValidationError as error:
        raise SettingsInvalid([_message(found["loc"], found["msg"]) for found in error.errors()]) from None


def _message(location: tuple[int | str, ...], text: str) -> str:
    text = text.removeprefix("Value error, ")
    return f"KUBEBOX_{str(location[0]).upper()}: {text}" if location else text
