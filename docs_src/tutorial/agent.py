"""An agent: the model asks for a tool, the sandbox runs it, and so on until the model has an answer."""

import asyncio

from scripted_model import Call, ask_model

from kubebox import Sandbox
from kubebox.errors import CommandError, FileError

MAX_TURNS = 20
COMMAND_SECONDS = 60.0
SHOWN_CHARACTERS = 4000

PROJECT = {
    "prices.py": "def total(prices, discount):\n    return sum(prices) * (1 + discount)\n",
    "test_prices.py": (
        "import unittest\nfrom prices import total\n\n\nclass Prices(unittest.TestCase):\n"
        "    def test_discount(self):\n        self.assertEqual(total([100], 0.5), 50)\n"
    ),
}


async def use(sandbox: Sandbox, call: Call) -> str:
    match call:
        case Call("run", {"command": command}):
            result = await sandbox.run(command, timeout=COMMAND_SECONDS)
            return f"{result.output[-SHOWN_CHARACTERS:]}[{result.verdict.message}]"
        case Call("read", {"path": path}):
            return await sandbox.files.read(path)
        case Call("edit", {"path": path, "old": old, "new": new}):
            await sandbox.files.edit(path, old, new)
            return f"edited {path}"
        case _:
            return f"there is no tool {call.tool} with these arguments"


async def work(sandbox: Sandbox, task: str) -> str:
    history = [task]
    for _ in range(MAX_TURNS):
        said = await ask_model(history)
        if isinstance(said, str):
            return said
        try:
            seen = await use(sandbox, said)
        except (CommandError, FileError) as error:  # The model's to read; a lost sandbox is not.
            seen = f"{error.code}: {error}"
        print(f"{said.tool}: {seen.strip().splitlines()[-1]}")
        history.append(seen)
    return "I gave up."


async def main() -> None:
    async with Sandbox.create() as sandbox:
        for path, content in PROJECT.items():
            await sandbox.files.write(path, content)
        print(await work(sandbox, "Make the tests pass."))


if __name__ == "__main__":
    asyncio.run(main())
