"""Output that tells by itself whether it is whole: pseudo-random bytes, made on both sides from the same seed."""

import hashlib
import random
from typing import Final

BLOCK: Final = 64 * 1024

PRODUCE: Final = """
import os, random, sys, time
seed, blocks, pause, code = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
with open("runs", "a") as runs:
    runs.write(seed + "\\n")
for block in range(blocks):
    if block == pause:
        while not os.path.exists("go"):
            time.sleep(0.01)
    os.write(1, random.Random(f"{seed} {block}").randbytes(65536))
sys.exit(code)
"""


def produce(seed: str, blocks: int, *, pause: int = -1, code: int = 0) -> list[str]:
    """A command that notes its run, and writes blocks of 64 KiB.

    Args:
        seed: What its output is made from, and what it notes.
        blocks: How many.
        pause: The block before which it waits for the file `go`.
        code: Its exit code.
    """
    return ["python3", "-c", PRODUCE, seed, str(blocks), str(pause), str(code)]


class Content:
    """What came of it, byte by byte."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self.size = 0

    def add(self, data: bytes, offset: int | None = None) -> None:
        """More of it.

        Args:
            data: The bytes.
            offset: Where they belong, if that is said.
        """
        assert offset in (None, self.size), f"bytes at {offset}, where {self.size} was due"
        self._digest.update(data)
        self.size += len(data)

    def check(self, seed: str, blocks: int) -> None:
        """Whether it is all, and exact."""
        assert self.size == blocks * BLOCK, f"{self.size} bytes of {blocks * BLOCK}"
        expected = hashlib.sha256()
        for block in range(blocks):
            expected.update(random.Random(f"{seed} {block}").randbytes(BLOCK))
        assert self._digest.hexdigest() == expected.hexdigest(), f"other bytes than of {seed}"
