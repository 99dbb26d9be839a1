"""What all journals of a sandbox may take together."""

from collections.abc import Callable


class Budget:
    """Bytes of output, of running executions and of ended ones.

    Args:
        limit: Bytes.
        make_room: Gives up the output that is worth the least; says whether there was any.
    """

    def __init__(self, limit: int, make_room: Callable[[], bool] = lambda: False) -> None:
        self._limit = limit
        self._make_room = make_room
        self.used = 0

    def has_room(self, count: int) -> bool:
        """Whether so many bytes more may be kept."""
        while self.used + count > self._limit:
            if not self._make_room():
                return False
        return True

    def take(self, count: int) -> None:
        """They are kept."""
        self.used += count

    def give_back(self, count: int) -> None:
        """They are kept no longer."""
        self.used -= count
