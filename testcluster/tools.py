"""Programs that tests drive a cluster with, each compiled from its Go module. Nothing builds them by default.

OpenTofu finds the provider through a mirror in the file system, since it reaches no registry of providers:
`provider_installation { filesystem_mirror { path = "<cache>/providers" } }` in the file that TF_CLI_CONFIG_FILE names.
The provider is of version 1.3.2: `helm_release` with `values` and an empty `provider "helm" {}` (it takes KUBECONFIG)
read the same from version 1.3 to 3.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from testcluster.compile import compile_go, digest
from testcluster.place import CACHE, ROOT

PROVIDER: Final = "terraform-provider-helm"

PROVIDER_PLACE: Final = (
    "registry.opentofu.org/hashicorp/helm/1.3.2/linux_amd64/terraform-provider-helm_v1.3.2"
)

PACKAGES: Final[Mapping[str, str]] = {
    "tofu": "github.com/opentofu/opentofu/cmd/tofu",
    "helm": "helm.sh/helm/v3/cmd/helm",
    PROVIDER: "github.com/hashicorp/terraform-provider-helm",
    "kwok": "sigs.k8s.io/kwok/cmd/kwok",
}
"""Each program's package; its module is `tools/NAME`."""


def build_tool(name: str) -> Path:
    """Compile a program, unless it is there.

    Args:
        name: One of `PACKAGES`.

    Returns:
        Its path.

    Raises:
        CommandFailed: It could not be compiled.
        KeyError: There is no such program.
    """
    target = CACHE / "providers" / PROVIDER_PLACE if name == PROVIDER else CACHE / "bin" / name
    module = ROOT / "tools" / name
    made_from, wanted = target.with_name(f"{target.name}.digest"), digest([module])
    if not made_from.exists() or made_from.read_text(encoding="ascii") != wanted:
        target.unlink(missing_ok=True)
    compile_go(module, PACKAGES[name], target)
    made_from.write_text(wanted, encoding="ascii")
    return target
