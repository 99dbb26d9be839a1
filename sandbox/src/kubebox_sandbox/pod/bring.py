"""Bringing init into the control folder, from where the workspace's container starts it, whatever its image is."""

import os
from typing import Final

INIT: Final = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "bin", "init")
"""init, as this package carries it."""

NAME: Final = "init"
DRAFT: Final = ".init.new"
EXECUTABLE: Final = 0o755


def bring_init(control: str) -> str:
    """Put init into the control folder, in one step: a workspace that starts meanwhile finds all of it or the one before.

    Args:
        control: The folder.

    Returns:
        Its path there.

    Raises:
        OSError: The folder takes no file, or the package has no init.
    """
    draft, place = os.path.join(control, DRAFT), os.path.join(control, NAME)
    with open(INIT, "rb") as source, open(draft, "wb") as target:
        left = os.fstat(source.fileno()).st_size
        while left > 0:
            left -= os.sendfile(target.fileno(), source.fileno(), None, left)
        os.fchmod(target.fileno(), EXECUTABLE)
    os.replace(draft, place)
    return place
