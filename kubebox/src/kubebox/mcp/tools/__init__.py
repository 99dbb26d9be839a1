"""What there is to ask for."""

from typing import Any, Final

from kubebox.mcp.tool import Tool
from kubebox.mcp.tools.commands import run_command
from kubebox.mcp.tools.editing import edit_file, write_file
from kubebox.mcp.tools.ports import open_port
from kubebox.mcp.tools.processes import list_processes, read_output, send_input, start_process, stop_process
from kubebox.mcp.tools.reading import list_files, read_file
from kubebox.mcp.tools.sandboxes import create_sandbox, kill_sandbox, list_sandboxes

_ALL: Final[tuple[Tool[Any], ...]] = (
    create_sandbox,
    list_sandboxes,
    kill_sandbox,
    run_command,
    start_process,
    list_processes,
    read_output,
    send_input,
    stop_process,
    write_file,
    read_file,
    edit_file,
    list_files,
    open_port,
)

TOOLS: Final = {tool.definition.name: tool for tool in _ALL}
"""All tools, by name, in the order in which they are listed."""
