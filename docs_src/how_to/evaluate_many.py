"""Each item with what it needs, a progress bar, and failures as data."""

import asyncio
from dataclasses import dataclass

from kubebox import Sandbox, progress


@dataclass(frozen=True)
class Task:
    name: str
    program: str
    memory: str = "256Mi"


TASKS = [
    Task("good", "print(6 * 7)"),
    Task("bad", "print(1 / 0)"),
    Task("large", "print(len(bytes(10**6)))", memory="512Mi"),
]


async def solve(sandbox: Sandbox, task: Task) -> str:
    result = await sandbox.run(["python3", "-c", task.program], timeout=60)
    return result.check().stdout.strip()


async def main() -> None:
    with progress.bar("tasks") as bar:
        async with Sandbox.map(
            solve,
            TASKS,
            concurrency=2,
            options=lambda task: {"resources": {"memory": task.memory}},
            on_progress=bar,
        ) as outcomes:
            found = {outcome.item.name: outcome async for outcome in outcomes}
    for name, outcome in sorted(found.items()):
        print(name, outcome.value if outcome.error is None else type(outcome.error).__name__)


if __name__ == "__main__":
    asyncio.run(main())
