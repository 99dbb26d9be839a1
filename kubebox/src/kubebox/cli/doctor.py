"""`kubebox doctor`: what a cluster gives and lacks."""

from dataclasses import asdict
from typing import Final

from kubebox.cli._attend import attend
from kubebox.cli._show import Json, write_json
from kubebox.cli._target import Target
from kubebox.cli.app import EXIT_FOUND, EXIT_OK

MARKS: Final = {"good": "green", "lacking": "yellow", "broken": "bold red", "unknown": "cyan"}


def doctor(*, config: str | None = None, namespace: str | None = None, as_json: Json = False) -> int:
    """Say what a cluster gives and lacks, each with its consequence.

    It makes two small pods and a policy in the namespace, to see whether the network is closed, and removes them.

    Args:
        config: A kubeconfig (path, YAML, base64 of it); $KUBEBOX_CONFIG.
        namespace: Where sandboxes would be made, `default` unless given; $KUBEBOX_NAMESPACE.
        as_json: Print one JSON object a line instead.

    Returns:
        1 where something is broken.
    """
    return attend(_doctor(Target(config=config, namespace=namespace), as_json))


async def _doctor(target: Target, as_json: bool) -> int:
    from kubebox.cluster.configuration import read_configuration
    from kubebox.cluster.doctor.examine import examine
    from kubebox.cluster.translate import translated
    from kubebox_cluster.api import Api

    where, namespace = target.cluster()
    configuration = read_configuration(where, None)
    broken = False
    with translated(f"examine {configuration.target.context}"):
        async with Api(configuration.target) as api:
            async for finding in examine(api, namespace, configuration.image):
                broken |= finding.state == "broken"
                if as_json:
                    write_json(asdict(finding))
                else:
                    _show(finding.name, finding.state, finding.found, finding.consequence)
    return EXIT_FOUND if broken else EXIT_OK


def _show(name: str, state: str, found: str, consequence: str) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(soft_wrap=True, highlight=False)
    console.print(Text.assemble((f"{state:8}", MARKS[state]), (f"{name:17}", "bold"), found))
    if consequence:
        console.print(Text(f"{'':25}{consequence}", style="dim"))
