"""The command line: `.venv/bin/python -m testcluster VERB`. README.md says what each does."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from typing import Final

from testcluster import cluster, compile, requirements
from testcluster.components import COMPONENTS
from testcluster.errors import TestClusterError
from testcluster.images import build_images
from testcluster.load import load_foreign, load_images
from testcluster.node import processes
from testcluster.place import Place, here
from testcluster.recipes import RECIPES
from testcluster.tools import PACKAGES, build_tool


def _build(place: Place, options: argparse.Namespace) -> None:
    del place, options
    compile.build()


def _up(place: Place, options: argparse.Namespace) -> None:
    cluster.up(place, options.without)
    print(place.kubeconfig)


def _down(place: Place, options: argparse.Namespace) -> None:
    del options
    cluster.down(place)


def _load(place: Place, options: argparse.Namespace) -> None:
    for name in options.names:
        if name in RECIPES:
            build_images([name])
            load_images(place, [name])
        else:
            load_foreign(place, name)


def _images(place: Place, options: argparse.Namespace) -> None:
    requirements.check(images=True)
    names = build_images(options.names or RECIPES)
    if cluster.is_up(place) and not options.build_only:
        load_images(place, names)


def _restart(place: Place, options: argparse.Namespace) -> None:
    for name in options.names:
        cluster.restart(place, name)


def _stop(place: Place, options: argparse.Namespace) -> None:
    for name in options.names:
        cluster.stop(place, name)


def _start(place: Place, options: argparse.Namespace) -> None:
    for name in options.names:
        cluster.start(place, name)


def _status(place: Place, options: argparse.Namespace) -> None:
    del options
    for reason in requirements.reasons(images=True):
        print(f"cannot run here: {reason}")
    print(f"{'compiled':20} {'yes' if compile.is_built() else 'no'}")
    for name in COMPONENTS:
        print(f"{name:20} {processes(place).pid(name) or 'stopped'}")
    print(f"{'up':20} {place.kubeconfig if cluster.is_up(place) else 'no'}")


def _lacks(place: Place, options: argparse.Namespace) -> None:
    del place, options
    print(*sorted(set(requirements.lacking(images=True).values())))


def _kubectl(place: Place, options: argparse.Namespace) -> None:
    compile.build()
    program = str(compile.kubectl())
    os.execve(program, [program, *options.arguments], os.environ | {"KUBECONFIG": str(place.kubeconfig)})


def _tools(place: Place, options: argparse.Namespace) -> None:
    del place
    for name in options.names or PACKAGES:
        print(build_tool(name))


VERBS: Final[Mapping[str, tuple[Callable[[Place, argparse.Namespace], None], str]]] = {
    "build": (_build, "compile Kubernetes"),
    "up": (_up, "start, and print the kubeconfig's path when the node is ready"),
    "down": (_down, "stop everything and remove every trace but the cache"),
    "load": (_load, "put images into the node: those of `images`, or any of the machine's buildah"),
    "images": (_images, "build the tests' images, and put them into the node where it is up"),
    "restart": (_restart, "stop and start components"),
    "stop": (_stop, "stop components"),
    "start": (_start, "start components"),
    "status": (_status, "what runs, and what this machine lacks"),
    "lacks": (_lacks, "print the Debian packages that this machine lacks"),
    "kubectl": (_kubectl, "run kubectl against the cluster"),
    "tools": (_tools, "compile programs to drive a cluster with"),
}

NAMES: Final[Mapping[str, tuple[str, list[str] | None]]] = {
    "load": ("+", None),
    "images": ("*", None),
    "restart": ("+", list(COMPONENTS)),
    "stop": ("+", list(COMPONENTS)),
    "start": ("+", list(COMPONENTS)),
    "tools": ("*", None),
}
"""How many names a verb takes, and which."""


def main() -> int:
    """Do what the command line says; the exit code says whether it was done."""
    options = _parser().parse_args()
    try:
        VERBS[options.verb][0](here(), options)
    except (TestClusterError, ValueError) as error:
        print(f"testcluster: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m testcluster", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb, (_, purpose) in VERBS.items():
        added = verbs.add_parser(verb, help=purpose, description=purpose)
        if verb in NAMES:
            count, choices = NAMES[verb]
            added.add_argument("names", nargs=count, choices=choices, metavar="NAME")
        if verb == "kubectl":
            added.add_argument("arguments", nargs=argparse.REMAINDER, help="kubectl's")
        if verb == "up":
            added.add_argument(
                "--without",
                action="append",
                default=[],
                choices=list(COMPONENTS),
                metavar="COMPONENT",
                help="leave it out",
            )
        if verb == "images":
            added.add_argument("--build-only", action="store_true", help="into the cache alone")
    return parser


if __name__ == "__main__":
    sys.exit(main())
