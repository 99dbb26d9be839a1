"""What a transfer came to."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Transferred:
    """A file or a folder that has been transferred.

    Attributes:
        entries: Files, folders and links; of a file, one.
        size: Bytes of the files' content.
        skipped: FIFOs, sockets and devices, which do not travel.
        changed: Files that were written to while they were read: they are there as they were at different moments.
        errors: Files and folders that could not be read.
        links_left_out: Symbolic links that lead out of the folder: they do not travel.
        sha256: Of a file that was uploaded: of what the sandbox wrote, which is what was sent. Else `""`.
    """

    entries: int
    size: int
    skipped: int = 0
    changed: int = 0
    errors: int = 0
    links_left_out: int = 0
    sha256: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether all was read, and held still meanwhile."""
        return not (self.changed or self.errors)
