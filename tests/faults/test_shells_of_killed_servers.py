"""F03 for shells: the server is killed at any moment, over and over, while shells run one quick command after the other."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest

from kubebox import Shell, errors
from tests.soak.servers import OwnServer, own_server
from tests.soak.sizes import LIMIT, figure, sized

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(LIMIT)]

KILLS = sized(12, 400)
SHELLS = 6
LONGEST_LIFE_SECONDS = 0.3
"""Seconds that a server lives at most after it is ready; at random less."""

LONG = f": '{'x' * 100_000}'"
"""More than the pipe of a shell takes at once: its server is likely to be killed in the middle."""

SEED = 20241101


@dataclass
class Storm:
    """Shells that count, until they are told to stop.

    Attributes:
        chance: Decides.
        over: Whether to stop.
        unknown: Commands whose end nobody knows.
    """

    chance: random.Random = field(default_factory=lambda: random.Random(SEED))
    over: bool = False
    unknown: int = 0

    async def count(self, shell: Shell, name: str) -> Counter[str]:
        """Run commands that count in the shell itself; gives how often each should have run."""
        told: Counter[str] = Counter()
        await shell.run("n=0")
        before = number = 0
        while not self.over:
            number += 1
            long = LONG if self.chance.random() < 0.2 else ":"
            code = self.chance.randrange(100)
            try:
                result = await shell.run(
                    f"{long}; n=$((n + 1)); echo {name}-{number} >> runs; echo $n; (exit {code})"
                )
            except errors.ExecutionUnknown:
                self.unknown += 1
                before = int((await shell.run("echo $n")).stdout)
                continue
            before += 1
            assert (result.stdout, result.exit_code) == (f"{before}\n", code)
            told[f"{name}-{number}"] = 1
        return told


async def _kill_again_and_again(server: OwnServer, storm: Storm) -> None:
    await server.kill_again_and_again(KILLS, storm.chance, LONGEST_LIFE_SECONDS)
    storm.over = True


async def test_every_command_of_every_shell_runs_once(tmp_path: Path) -> None:
    storm = Storm()
    with anyio.fail_after(LIMIT - 5):
        async with own_server(tmp_path) as server, server.box() as box:
            shells = [await box.client.open_shell(box.session_id) for _ in range(SHELLS)]
            async with asyncio.TaskGroup() as group:
                counting = [
                    group.create_task(storm.count(shell, f"shell{number}"))
                    for number, shell in enumerate(shells)
                ]
                group.create_task(_kill_again_and_again(server, storm))
            for shell in shells:
                await shell.close()
            runs = Counter((server.workspace / "runs").read_text().split())
    told = Counter[str]()
    for task in counting:
        told += task.result()
    figure("shells while the server was killed", kills=KILLS, commands=len(told), unknown=storm.unknown)
    assert set(runs.values()) == {1}
    assert not told - runs
    assert len(runs - told) <= storm.unknown
    assert storm.unknown <= KILLS
