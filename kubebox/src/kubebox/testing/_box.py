"""What a check of the contract works with: a connected client and a session that nobody else uses."""

from dataclasses import dataclass
from typing import Any

from kubebox._results import BackgroundProcess, CommandOutput, CommandResult, CommandStream
from kubebox.client import SandboxClient
from kubebox_protocol.executions import CommandMode


@dataclass(frozen=True)
class Box:
    """One session of the sandbox under test."""

    client: SandboxClient
    session_id: str

    async def wait(self, command: str | list[str], **options: Any) -> CommandResult:
        """Run a command to its end."""
        return await self.client.run_command(self.session_id, command, mode=CommandMode.WAIT, **options)

    async def stream(self, command: str | list[str], **options: Any) -> CommandStream:
        """Start a command whose output is read as it comes."""
        return await self.client.run_command(self.session_id, command, mode=CommandMode.STREAM, **options)

    async def background(self, command: str | list[str], **options: Any) -> BackgroundProcess:
        """Start a command and leave it."""
        return await self.client.run_command(self.session_id, command, mode=CommandMode.BACKGROUND, **options)

    async def first_output(self, stream: CommandStream) -> CommandOutput:
        """The first piece of a stream: proof that its command runs."""
        return await anext(aiter(stream))
