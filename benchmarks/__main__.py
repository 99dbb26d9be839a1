"""`make bench`: run every benchmark on the local backend, print the table, fail where a gate is missed."""

import argparse
import asyncio
import sys
from dataclasses import dataclass

from benchmarks import commands, creation
from benchmarks.measure import Ratio
from kubebox import Kubebox, SandboxClient


@dataclass(frozen=True)
class Row:
    """A line of the table: what, how much, the gate, and whether it held."""

    name: str
    figure: str
    gate: str
    held: bool


def ratio_row(name: str, ratio: Ratio, limit: float | None) -> Row:
    """A row of a comparison."""
    figure = (
        f"{ratio.ratio:.2f} x ({ratio.low:.2f}-{ratio.high:.2f}): {ratio.ours * 1000:.2f} ms against "
        f"{ratio.baseline * 1000:.2f} ms, p99 {ratio.p99 * 1000:.2f} ms, {ratio.rounds} rounds"
    )
    return Row(
        name,
        figure,
        "reported" if limit is None else f"at most {limit} x",
        limit is None or ratio.ratio <= limit,
    )


async def measure(rounds: int, repeats: int) -> list[Row]:
    """All figures, in the order of the table."""
    with Kubebox("local") as kubebox:
        pod = kubebox.create_pod("benchmark")
        url = f"http://{await kubebox.create_service('benchmark').get_external_ip()}"
        async with SandboxClient(private_key=kubebox.private_key, url=url) as client:
            await client.initialize_session(commands.SESSION, commands.SESSION)
            true = await commands.run_true(client, rounds, repeats)
            first = await commands.first_byte(client, rounds, repeats)
            wall, health = await commands.many_at_once(client, url, rounds)
        await pod.destroy()
    cold = await creation.create_and_run(rounds, 3)
    return [
        ratio_row("B1 run `true` / bare asyncio subprocess", true, 2.0),
        Row("B4 32 x `sleep 0.1` at once", f"{wall:.3f} s", "at most 0.20 s", wall <= 0.20),
        Row("B4 health meanwhile, p99", f"{health * 1000:.1f} ms", "under 20 ms", health < 0.020),
        ratio_row("B5 first byte of `echo` / bare asyncio subprocess", first, None),
        ratio_row("B9 local create to first result / bare `python -c 'import asyncio'`", cold, None),
    ]


def main() -> int:
    """Run and print; the exit code says whether every gate held."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--repeats", type=int, default=100)
    options = arguments.parse_args()
    rows = asyncio.run(measure(options.rounds, options.repeats))
    sys.stdout.write("| what | figure | gate | held |\n| --- | --- | --- | --- |\n")
    for row in rows:
        sys.stdout.write(f"| {row.name} | {row.figure} | {row.gate} | {'yes' if row.held else 'NO'} |\n")
    return 0 if all(row.held for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
