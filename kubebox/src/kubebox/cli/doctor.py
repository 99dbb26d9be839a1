"""`kubebox doctor`: what a cluster gives and lacks."""

import asyncio
import json
import os
from dataclasses import asdict
from typing import Final

from kubebox._where import CONFIG_VARIABLE
from kubebox.cli.app import EXIT_ERROR, EXIT_OK, write

MARKS: Final = {"good": "green", "lacking": "yellow", "broken": "bold red", "unknown": "cyan"}


def doctor(*, config: str | None = None, namespace: str = "default", json_output: bool = False) -> int:
    """Say what a cluster gives and lacks, each with its consequence.

    It makes two small pods and a policy in the namespace, to see whether the network is closed, and removes them.

    Args:
        config: A kubeconfig; `$KUBEBOX_CONFIG` or the default one unless given.
        namespace: Where sandboxes would be made.
        json_output: Print one JSON object a line instead.

    Returns:
        1 where something is broken.
    """
    return asyncio.run(_doctor(config, namespace, json_output))


async def _doctor(config: str | None, namespace: str, json_output: bool) -> int:
    from kubebox.cluster.configuration import read_configuration
    from kubebox.cluster.doctor.examine import examine
    from kubebox.cluster.translate import translated
    from kubebox_cluster.api import Api

    configuration = read_configuration(config or os.environ.get(CONFIG_VARIABLE) or None, None)
    broken = False
    with translated(f"examine {configuration.target.context}"):
        async with Api(configuration.target) as api:
            async for finding in examine(api, namespace, configuration.image):
                broken |= finding.state == "broken"
                if json_output:
                    write(json.dumps(asdict(finding)))
                else:
                    _show(finding.name, finding.state, finding.found, finding.consequence)
    return EXIT_ERROR if broken else EXIT_OK


def _show(name: str, state: str, found: str, consequence: str) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(soft_wrap=True, highlight=False)
    console.print(Text.assemble((f"{state:8}", MARKS[state]), (f"{name:17}", "bold"), found))
    if consequence:
        console.print(Text(f"{'':25}{consequence}", style="dim"))
