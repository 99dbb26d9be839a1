"""Files of a session, over descriptors that init passes.

The server never opens a path of the workspace itself.
"""

from kubebox_sandbox.files.change import delete, exists, make_directories, stat
from kubebox_sandbox.files.list import list_files
from kubebox_sandbox.files.read import OpenFile, open_file
from kubebox_sandbox.files.threads import FileThreads
from kubebox_sandbox.files.write import write_file

__all__ = [
    "FileThreads",
    "OpenFile",
    "delete",
    "exists",
    "list_files",
    "make_directories",
    "open_file",
    "stat",
    "write_file",
]
