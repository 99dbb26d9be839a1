"""What one answer may be: it goes into a model's context, where each byte is paid for and pushes another out."""

from typing import Final

OUTPUT_BYTES: Final = 16 * 1024
"""Bytes of each stream of a command that its answer holds, one half from the beginning and one from the end: some 5,000 tokens,
and enough for most builds and tests. The rest stays in the sandbox, and can be read."""

MAX_OUTPUT_BYTES: Final = 256 * 1024
"""The most that a caller may ask for."""

FILE_BYTES: Final = 64 * 1024
"""Bytes of a file in one answer: larger than nearly every source file."""

FILE_LINES: Final = 2000
"""Lines of a file in one answer, unless asked otherwise."""

MAX_FILE_BYTES: Final = 16 * 1024 * 1024
"""Bytes of a file of which lines are read: it is fetched whole, and held in memory for a moment."""

LIST_ENTRIES: Final = 500
"""Entries of a listing in one answer."""

LIST_PROCESSES: Final = 100
"""Processes in one answer, the newest."""

COMMAND_SECONDS: Final = 120.0
"""Seconds until a command is ended, unless asked otherwise: a caller that waits for ever has lost its turn."""

MAX_COMMAND_SECONDS: Final = 3600.0
"""Seconds at most. What takes longer belongs into the background."""

MAX_WAIT_SECONDS: Final = 60.0
"""Seconds that one call waits for output or a port: clients give up a call that says nothing for longer."""

PROGRESS_SECONDS: Final = 5.0
"""Seconds from one word about a running command to the next; clients that get some wait longer."""

SANDBOXES: Final = 16
"""Sandboxes that one client may have at a time, unless the server's owner says otherwise: a model that runs in circles must
not fill a cluster."""
