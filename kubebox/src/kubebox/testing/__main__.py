"""`python -m kubebox.testing [--only TEXT]`: run the contract on the local backend and say how each check went."""

import argparse
import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from kubebox.client import SandboxClient
from kubebox.manager import Kubebox
from kubebox.testing.contract import run_contract


@asynccontextmanager
async def local_client() -> AsyncGenerator[SandboxClient]:
    """A client of a new local sandbox, which is destroyed afterwards."""
    with Kubebox("local") as kubebox:
        pod = kubebox.create_pod("contract")
        service = kubebox.create_service("contract")
        try:
            url = f"http://{await service.get_external_ip()}"
            async with SandboxClient(private_key=kubebox.private_key, url=url) as client:
                yield client
        finally:
            await pod.destroy()


async def main(only: str) -> int:
    """Run, print, and give the exit code."""
    passed, failed = 0, 0
    async for outcome in run_contract(local_client, only):
        sys.stdout.write(
            f"{'ok  ' if outcome.failure is None else 'FAIL'} {outcome.name}: {outcome.promise}\n"
        )
        if outcome.failure is None:
            passed += 1
        else:
            failed += 1
            sys.stdout.write(outcome.failure)
    sys.stdout.write(f"contract: {passed} passed, {failed} failed\n")
    return 1 if failed else 0


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(prog="python -m kubebox.testing", description=__doc__)
    arguments.add_argument("--only", default="", help="run the checks whose names contain this")
    sys.exit(asyncio.run(main(arguments.parse_args().only)))
