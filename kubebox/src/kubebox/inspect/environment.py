"""The sandbox environment that Inspect knows as `kubebox`."""

import shlex
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final, Literal, overload

from inspect_ai.util import (
    ExecResult,
    OutputLimitExceededError,
    SandboxConnection,
    SandboxEnvironment,
    SandboxEnvironmentConfigType,
    SandboxEnvironmentLimits,
    SandboxUnavailableError,
    SandboxUserUnsupportedError,
    sandboxenv,
)
from pydantic import BaseModel
from typing_extensions import override

from kubebox import Sandbox
from kubebox._alone import alone
from kubebox._exit_codes import NOT_EXECUTABLE, NOT_FOUND
from kubebox._where import is_url
from kubebox.errors import (
    CommandError,
    FileError,
    InvalidArgument,
    KubeboxError,
    NotSupported,
    ProgramNotFound,
    UserUnknown,
    UserUnsupported,
)
from kubebox.inspect.config import KubeboxConfig, read_config
from kubebox.inspect.execute import Finished, Wanted, execute
from kubebox.inspect.files import get_file, put_file
from kubebox.inspect.leftovers import MADE_BY, Leftovers
from kubebox_protocol.verdicts import VerdictKind

POLLING_SECONDS: Final = 0.2
"""Seconds between two looks at what Inspect's own tools do in the sandbox: one takes some milliseconds."""


class KubeboxSandboxEnvironment(SandboxEnvironment):
    """A sandbox, for one sample.

    A provider's failure is never a command's result: it is `SandboxUnavailableError`. A command that ran out of time is not run
    again, whatever `timeout_retry` says: it was run for certain, and once.

    Args:
        sandbox: It.
        config: What it was to be.
    """

    _leftovers: Leftovers = Leftovers()

    def __init__(self, sandbox: Sandbox, config: KubeboxConfig) -> None:
        super().__init__()
        self.sandbox = sandbox
        self._config = config

    @override
    @classmethod
    async def task_init(cls, task_name: str, config: SandboxEnvironmentConfigType | None) -> None:
        read_config(config)  # what is wrong with it is better told before the first sample

    @override
    @classmethod
    async def sample_init(
        cls, task_name: str, config: SandboxEnvironmentConfigType | None, metadata: dict[str, str]
    ) -> dict[str, SandboxEnvironment]:
        wanted = read_config(config)
        return {"default": await alone(cls._create(wanted, task_name))}

    @override
    @classmethod
    async def sample_cleanup(
        cls,
        task_name: str,
        config: SandboxEnvironmentConfigType | None,
        environments: dict[str, SandboxEnvironment],
        interrupted: bool,
    ) -> None:
        for environment in environments.values():
            await alone(cls._leftovers.end(environment.as_type(cls).sandbox))

    @override
    @classmethod
    async def task_cleanup(
        cls, task_name: str, config: SandboxEnvironmentConfigType | None, cleanup: bool
    ) -> None:
        if cleanup:
            await alone(cls._leftovers.end_all())

    @override
    @classmethod
    async def cli_cleanup(cls, id: str | None) -> None:
        await alone(cls._leftovers.end_in_cluster(id))

    @override
    @classmethod
    def config_deserialize(cls, config: dict[str, Any]) -> BaseModel:
        return KubeboxConfig(**config)

    @override
    def default_polling_interval(self) -> float:
        return POLLING_SECONDS

    @override
    async def exec(
        self,
        cmd: list[str],
        input: str | bytes | None = None,
        cwd: str | None = None,
        env: dict[str, str] | None = None,
        user: str | None = None,
        timeout: int | None = None,
        timeout_retry: bool = True,
        concurrency: bool = True,
    ) -> ExecResult[str]:
        wanted = Wanted(
            command=cmd,
            stdin=input.encode() if isinstance(input, str) else input,
            path=cwd,
            env=env or {},
            user=user,
            timeout=timeout,
            limit=SandboxEnvironmentLimits.MAX_EXEC_OUTPUT_SIZE,
        )
        try:
            with _unavailable():
                finished = await alone(execute(self.sandbox, wanted))
        except UserUnsupported as error:
            raise SandboxUserUnsupportedError(error.message) from error
        except UserUnknown as error:
            return ExecResult(False, NOT_EXECUTABLE, "", f"{error.message}\n")
        except ProgramNotFound as error:
            return ExecResult(False, NOT_FOUND, "", f"{error.message}\n")
        return _result(finished, timeout)

    @override
    async def write_file(self, file: str, contents: str | bytes) -> None:
        content = contents.encode() if isinstance(contents, str) else contents
        with _unavailable():
            await alone(put_file(self.sandbox, file, content))

    @overload
    async def read_file(self, file: str, text: Literal[True] = True) -> str: ...

    @overload
    async def read_file(self, file: str, text: Literal[False]) -> bytes: ...

    @override
    async def read_file(self, file: str, text: bool = True) -> str | bytes:
        limit = SandboxEnvironmentLimits.MAX_READ_FILE_SIZE
        with _unavailable():
            content = await alone(get_file(self.sandbox, file, limit))
        if content is None:
            raise OutputLimitExceededError(SandboxEnvironmentLimits.MAX_READ_FILE_SIZE_STR, None)
        return content.decode() if text else content

    @override
    async def connection(self, *, user: str | None = None) -> SandboxConnection:
        if user is not None:
            raise NotImplementedError("a terminal of a kubebox sandbox runs as the sandbox's own account")
        await self._require_life()
        return SandboxConnection(type="kubebox", command=self._shell_command(), container=self.sandbox.id)

    async def _require_life(self) -> None:
        try:
            verdict = await self.sandbox.verdict()
        except NotSupported:
            return  # known by its address alone
        if verdict is not None:
            raise ConnectionError(f"the sandbox has ended: {verdict.message}")

    def _shell_command(self) -> str:
        where = self.sandbox.where
        if where == "local" or is_url(where):
            return f"kubebox shell --url {shlex.quote(self.sandbox.client.url)}"
        flags = {"config": self._config.where, "namespace": self._config.namespace}
        given = "".join(f" --{flag} {shlex.quote(value)}" for flag, value in flags.items() if value)
        return f"kubebox shell --name {shlex.quote(self.sandbox.id)}{given}"

    @classmethod
    async def _create(cls, config: KubeboxConfig, task_name: str) -> "KubeboxSandboxEnvironment":
        options = config.options()
        if not is_url(config.where or ""):
            options["metadata"] = {MADE_BY: task_name}
        sandbox = await Sandbox.create(config.where, env=config.env, timeout=config.timeout, **options)
        cls._leftovers.add(sandbox)
        return cls(sandbox, config)


@contextmanager
def _unavailable() -> Generator[None]:
    """Tell a provider's failure from what the command or the file is at fault for."""
    try:
        yield
    except (CommandError, FileError, InvalidArgument):
        raise  # each is one of those that Inspect expects: FileNotFoundError, PermissionError, ValueError…
    except KubeboxError as error:
        raise SandboxUnavailableError(f"{error.code}: {error.message}") from error


def _result(finished: Finished, timeout: int | None) -> ExecResult[str]:
    if finished.too_much:
        raise OutputLimitExceededError(
            SandboxEnvironmentLimits.MAX_EXEC_OUTPUT_SIZE_STR, f"{finished.stdout}{finished.stderr}"
        )
    if finished.verdict.kind == VerdictKind.TIMED_OUT:
        raise TimeoutError(f"the command was ended after {timeout} s")
    return ExecResult(finished.returncode == 0, finished.returncode, finished.stdout, finished.stderr)


sandboxenv("kubebox")(KubeboxSandboxEnvironment)  # no decorator: it says nothing of the type that it gives
