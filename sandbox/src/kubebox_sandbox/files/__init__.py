"""Files of a session, over descriptors that init passes.

The server never opens a path of the workspace itself.
"""

from kubebox_sandbox.files.append import append_file
from kubebox_sandbox.files.archive import PackedFolder, pack_folder, unpack_folder
from kubebox_sandbox.files.change import delete, exists, make_directories, stat
from kubebox_sandbox.files.copy import copy_file
from kubebox_sandbox.files.edit import edit_file
from kubebox_sandbox.files.list import list_files
from kubebox_sandbox.files.read import OpenFile, open_file
from kubebox_sandbox.files.rename import rename
from kubebox_sandbox.files.threads import FileThreads
from kubebox_sandbox.files.uploads import Uploads
from kubebox_sandbox.files.watch import Watches
from kubebox_sandbox.files.write import write_file

__all__ = [
    "FileThreads",
    "OpenFile",
    "PackedFolder",
    "Uploads",
    "Watches",
    "append_file",
    "copy_file",
    "delete",
    "edit_file",
    "exists",
    "list_files",
    "make_directories",
    "open_file",
    "pack_folder",
    "rename",
    "stat",
    "unpack_folder",
    "write_file",
]
