"""Every limit that both ends of the wire must agree on: a name, a unit, a reason."""

from typing import Final

PROTOCOL_VERSION: Final = 1
"""Raised when an older peer could no longer be understood."""

MAX_COMMAND_BYTES: Final = 128 * 1024 - 1
"""Bytes of one argument. Linux refuses a longer one with E2BIG (MAX_ARG_STRLEN, 32 pages, with its final NUL)."""

MAX_ARGUMENTS: Final = 4096
"""Arguments of one command. More belongs into a file; together they must stay below a quarter of the stack limit."""

MAX_ENVIRONMENT_BYTES: Final = 512 * 1024
"""Bytes of all variables given with one command. Linux gives arguments and environment 2 MiB at the default stack limit."""

MAX_STDIN_BYTES: Final = 1024 * 1024
"""Bytes of standard input given with a command's start. The server holds them in memory until the command reads them."""

MAX_INPUT_BYTES: Final = 64 * 1024
"""Bytes of standard input in one message: what a pipe holds. The next one is taken when the command has room for it."""

MAX_PAGE: Final = 1000
"""Executions of one page: some 600 KB of JSON, below the size of one message."""

MAX_PATH_BYTES: Final = 4095
"""Bytes of a path: Linux's PATH_MAX without its final NUL."""

MAX_SESSION_ID_LENGTH: Final = 128
"""Characters of a session's name: long enough for a UUID with a prefix, short enough for a log line."""

MAX_TIMEOUT_SECONDS: Final = 30 * 24 * 3600.0
"""Seconds. No sandbox lives longer than thirty days, so a longer deadline is a mistake."""

MAX_OUTPUT_CHUNK_BYTES: Final = 64 * 1024
"""Bytes of output in one message: the size of a pipe."""

INLINE_OUTPUT_BYTES: Final = 64 * 1024
"""Bytes of output that travel with a command's end. Most commands print less, and so need no second round trip."""

STREAM_CREDIT_BYTES: Final = 1024 * 1024
"""Bytes in flight to one reader before it must grant more: covers 100 MiB/s at 10 ms of delay."""

MAX_CREDIT_BYTES: Final = 16 * 1024 * 1024
"""Bytes a reader may grant ahead; bounds what a careless reader makes the server queue for it."""

RESULT_STREAM_BYTES: Final = 10 * 1024 * 1024
"""Bytes of stdout, and as many of stderr, that a WAIT result holds: head and tail are kept, the rest is in the journal."""

MAX_LIST_ENTRIES: Final = 100_000
"""Entries of one listing. A longer one is cut and says so."""

MAX_LIST_DEPTH: Final = 256
"""Levels of folders that a listing goes down: each holds a descriptor while it is walked."""

MAX_LIST_SECONDS: Final = 10.0
"""Seconds that one listing may walk and match. A slower one is cut and says so."""

MAX_REGEXES: Final = 32
"""Patterns of one listing."""

MAX_REGEX_LENGTH: Final = 1024
"""Characters of one pattern. The matcher is linear in the text, but its compiled size grows with the pattern."""

MAX_REQUEST_BYTES: Final = 2 * 1024 * 1024
"""Bytes of one JSON request, and of one message to the server over Socket.IO with its binary parts, which is told as its
`maxPayload`. Files are raw bodies and are not counted here."""

MAX_ARCHIVE_ENTRIES: Final = 1_000_000
"""Entries of one archive. Repositories with their dependencies have some hundred thousand; more would use up a disk's inodes."""

MAX_ARCHIVE_BYTES: Final = 1024**4
"""Bytes of files' content in one archive: far beyond a sandbox's disk, whose own limit comes first."""

MAX_FILE_BYTES: Final = MAX_ARCHIVE_BYTES
"""Bytes of one file that is uploaded: as of an archive, far beyond a sandbox's disk."""

MAX_EDIT_BYTES: Final = 16 * 1024 * 1024
"""Bytes of a file that is edited in place: it is held in memory, twice for a moment. Source files are far smaller."""

MAX_PORT: Final = 2**16 - 1
"""The highest port: TCP has 16 bits for it."""

MAX_PORT_WAIT_SECONDS: Final = 20.0
"""Seconds that the server waits for a port in one request: fewer than load balancers wait for an answer (30 and more)."""

PORT_WINDOW_BYTES: Final = 512 * 1024
"""Bytes of one direction of a port's connection between the end that reads them and the one that writes them on: 25 MiB/s at
20 ms of delay, and 256 connections that nobody reads from take the server 128 MiB."""

PORT_PIECE_BYTES: Final = 64 * 1024
"""Bytes of a port's connection in one message: an eighth of the window, so that the pieces of several connections alternate."""

MAX_REMARK_BYTES: Final = 32 * 1024
"""Bytes of what is said beside a port's bytes: the longest has a new token."""

TOKEN_LIFETIME_SECONDS: Final = 60
"""Seconds that a token is good for: one request, or the handshake of one connection."""

MAX_TOKEN_LIFETIME_SECONDS: Final = 900
"""Seconds. The server refuses tokens that were made to live longer: a leaked token must die by itself."""

MAX_TOKEN_BYTES: Final = 20 * 1024
"""Bytes. Most have about 500; one for the longest path, each of its bytes percent-encoded and then in base64, has 17,000."""

TOKEN_CLOCK_LEEWAY_SECONDS: Final = 5
"""Seconds that a token may come from the future. Clients take the server's clock from `/v1/info`, so little is needed."""
