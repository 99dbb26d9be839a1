"""Knowing the workspace again: by a secret that it is given with each welcome, and shows with its next hello."""

import logging
import os
import secrets
from pathlib import Path

logger = logging.getLogger(__name__)

NAME = "line-secret"
SECRET_BYTES = 24


class Acquaintance:
    """The secret of the last welcome, kept for a server that starts anew.

    So is the one before, until the last was shown: a welcome may not have reached the workspace.

    Args:
        folder: The server's own.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._secrets = self._read()

    @property
    def is_known(self) -> bool:
        """Whether there is a workspace that may come back."""
        return bool(self._secrets)

    def recognises(self, secret: str) -> bool:
        """Whether this is the workspace of the last welcome, or of the one before, where that is all it got."""
        shown = [known for known in self._secrets if secrets.compare_digest(secret.encode(), known.encode())]
        if shown:
            self._secrets = shown
        return bool(shown)

    def renew(self) -> str:
        """A new secret, for the next welcome. Where it cannot be kept, a server that starts anew does not know it."""
        self._secrets = [secrets.token_urlsafe(SECRET_BYTES), *self._secrets[:1]]
        try:
            draft = self._path.with_suffix(".new")
            with open(
                os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w"
            ) as file:
                file.write("\n".join(self._secrets))
            os.replace(draft, self._path)
        except OSError as error:
            logger.error("the workspace's secret cannot be kept: %s", error.strerror)
        return self._secrets[0]

    def end(self) -> None:
        """It is not to be known again."""
        self._secrets = []
        self._path.unlink(missing_ok=True)

    def _read(self) -> list[str]:
        try:
            return self._path.read_text(encoding="ascii").split()
        except (FileNotFoundError, UnicodeDecodeError):
            return []
