"""A project goes in, its tests run, and what they made comes out."""

import asyncio
import tempfile

from kubebox import Sandbox

# -B: Python tells whether a cached module is old by seconds and sizes, and edits are faster than that.
TEST = "python3 -B -m unittest"

TESTS = """\
import unittest
from prices import total

class Prices(unittest.TestCase):
    def test_total(self):
        self.assertEqual(total([1, 2]), 3)
        open("report.txt", "w").write("one test")
"""


async def main() -> None:
    async with Sandbox.create() as sandbox:
        await sandbox.files.write("shop/prices.py", "total = max")
        await sandbox.files.write("shop/test_prices.py", TESTS)
        print((await sandbox.run(TEST, path="shop")).exit_code)

        await sandbox.files.edit("shop/prices.py", "max", "sum")
        print((await sandbox.run(TEST, path="shop")).exit_code)

        print(await sandbox.files.read("shop/report.txt"))
        with tempfile.TemporaryDirectory() as folder:
            summary = await sandbox.files.download("shop", folder)
            print(summary.size, "bytes,", "whole" if summary.is_whole else "not whole")


if __name__ == "__main__":
    asyncio.run(main())
