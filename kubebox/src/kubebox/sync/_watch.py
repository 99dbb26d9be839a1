"""`kubebox._watch` without `await`.

Made from it by scripts/generate_sync.py; what is changed here is lost.
"""

from typing import Self

from kubebox._watch import FileWatch as AsyncFileWatch
from kubebox.sync._wrapper import Wrapper
from kubebox_protocol.watches import FileChange


class FileWatch(Wrapper[AsyncFileWatch]):
    """What changes in a folder: `for change in watch` gives each as a `FileChange`, for as long as somebody watches.

    Leaving the loop, or to stop waiting for the next change, loses nothing; the next loop goes on there. `with` ends the
    watch. While nobody reads, changes gather in the sandbox, up to some thousand; beyond that all of them are one of the type
    `overflow`. A connection that is cut is made anew, and then the first change is an `overflow` too: what happened meanwhile is
    not known.

    Where no more is seen, the loop ends with an error that says why: `SandboxFileNotFound` when the folder itself was removed or
    renamed, `TooManyWatches` when too many folders have come, `WorkspaceRestarting` when the workspace did, `ConnectionLost` when
    the connection did not come back.
    """

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> FileChange:
        return self._share.next(self._inner)

    def close(self) -> None:
        """Watch no more, in the sandbox too. Again does nothing."""
        self._share.call(self._inner.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
