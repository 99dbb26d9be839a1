"""The kinds of objects that Kubebox asks for, and where the API server has them."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from kubebox_cluster.errors import NameInvalid


@dataclass(frozen=True)
class Kind:
    """A kind of objects.

    Attributes:
        group: Its API group; empty for the core.
        version: The version of the group.
        plural: As paths and roles name it.
        name: As manifests name it, in `kind`.
        namespaced: Whether its objects lie in namespaces.
    """

    group: str
    version: str
    plural: str
    name: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """As manifests name it, in `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None, name: str = "", subresource: str = "") -> str:
        """The path of an object, or of all of them.

        Args:
            namespace: Where they lie; `None` for all namespaces, and for kinds that lie in none.
            name: The object's name; empty for the collection.
            subresource: A part of the object, such as `status`.

        Raises:
            NameInvalid: A name that would lead elsewhere, or a namespace too many or too few.
        """
        if namespace is not None and not self.namespaced:
            raise NameInvalid(f"{self.plural} lie in no namespace")
        if name and namespace is None and self.namespaced:
            raise NameInvalid(f"one of {self.plural} lies in a namespace, which is not given")
        root = f"/apis/{self.api_version}" if self.group else f"/api/{self.version}"
        inside = "" if namespace is None else f"/namespaces/{segment(namespace)}"
        steps = f"/{segment(name)}" if name else ""
        steps += f"/{segment(subresource)}" if subresource else ""
        return f"{root}{inside}/{self.plural}{steps}"


def segment(name: str) -> str:
    """A name as one step of a path.

    Raises:
        NameInvalid: No object can have this name.
    """
    # The same rule as the API server's own: anything else may be a name, and it says itself whether it is.
    if name in {"", ".", ".."} or "/" in name or "%" in name:
        raise NameInvalid(f"{name!r} is no name that Kubernetes gives to anything")
    return quote(name, safe="")


PODS: Final = Kind("", "v1", "pods", "Pod")
SERVICES: Final = Kind("", "v1", "services", "Service")
SECRETS: Final = Kind("", "v1", "secrets", "Secret")
CONFIG_MAPS: Final = Kind("", "v1", "configmaps", "ConfigMap")
EVENTS: Final = Kind("", "v1", "events", "Event")
NAMESPACES: Final = Kind("", "v1", "namespaces", "Namespace", namespaced=False)
NODES: Final = Kind("", "v1", "nodes", "Node", namespaced=False)
RESOURCE_QUOTAS: Final = Kind("", "v1", "resourcequotas", "ResourceQuota")
LIMIT_RANGES: Final = Kind("", "v1", "limitranges", "LimitRange")
SERVICE_ACCOUNTS: Final = Kind("", "v1", "serviceaccounts", "ServiceAccount")
ENDPOINT_SLICES: Final = Kind("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
LEASES: Final = Kind("coordination.k8s.io", "v1", "leases", "Lease")
NETWORK_POLICIES: Final = Kind("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy")
RUNTIME_CLASSES: Final = Kind("node.k8s.io", "v1", "runtimeclasses", "RuntimeClass", namespaced=False)
REPLICA_SETS: Final = Kind("apps", "v1", "replicasets", "ReplicaSet")
ROLES: Final = Kind("rbac.authorization.k8s.io", "v1", "roles", "Role")
ROLE_BINDINGS: Final = Kind("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding")
CLUSTER_ROLES: Final = Kind(
    "rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", namespaced=False
)
CLUSTER_ROLE_BINDINGS: Final = Kind(
    "rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False
)
SELF_SUBJECT_ACCESS_REVIEWS: Final = Kind(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", namespaced=False
)
SELF_SUBJECT_REVIEWS: Final = Kind(
    "authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", namespaced=False
)
