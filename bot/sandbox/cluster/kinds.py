"""The resources that this API serves, as data."""

from dataclasses import dataclass


@dataclass(frozen=True, eq=False)
class Resource:
    """One resource of the API and what may be done with it."""

    group: str
    version: str
    plural: str
    kind: str
    short: tuple[str, ...] = ()
    namespaced: bool = True
    generation: bool = False  # its controllers count changes of the spec
    status: bool = True  # has a status sub-resource, which ordinary writes cannot touch
    scale: bool = False
    subresources: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        """Return `v1` or `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """Return the name that errors use, such as `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def singular(self) -> str:
        """Return the lower-case kind."""
        return self.kind.lower()

    def path(self, namespace: str | None, name: str = "") -> str:
        """Return the URL path of an object or of a collection."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        place = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{root}{place}/{self.plural}" + (f"/{name}" if name else "")


ALL = ("all",)

NAMESPACES = Resource("", "v1", "namespaces", "Namespace", ("ns",), namespaced=False)
NODES = Resource("", "v1", "nodes", "Node", ("no",), namespaced=False)
PODS = Resource(
    "",
    "v1",
    "pods",
    "Pod",
    ("po",),
    generation=True,
    subresources=("log", "eviction", "exec"),
    categories=ALL,
)
SERVICES = Resource("", "v1", "services", "Service", ("svc",), categories=ALL)
ENDPOINTS = Resource("", "v1", "endpoints", "Endpoints", ("ep",), status=False)
EVENTS = Resource("", "v1", "events", "Event", ("ev",), status=False)
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", ("cm",), status=False)
SECRETS = Resource("", "v1", "secrets", "Secret", status=False)
CLAIMS = Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", ("pvc",))
QUOTAS = Resource("", "v1", "resourcequotas", "ResourceQuota", ("quota",))
DEPLOYMENTS = Resource(
    "apps",
    "v1",
    "deployments",
    "Deployment",
    ("deploy",),
    generation=True,
    scale=True,
    categories=ALL,
)
REPLICA_SETS = Resource(
    "apps",
    "v1",
    "replicasets",
    "ReplicaSet",
    ("rs",),
    generation=True,
    scale=True,
    categories=ALL,
)
STATEFUL_SETS = Resource(
    "apps",
    "v1",
    "statefulsets",
    "StatefulSet",
    ("sts",),
    generation=True,
    scale=True,
    categories=ALL,
)
DAEMON_SETS = Resource(
    "apps", "v1", "daemonsets", "DaemonSet", ("ds",), generation=True, categories=ALL
)
CONTROLLER_REVISIONS = Resource(
    "apps", "v1", "controllerrevisions", "ControllerRevision", status=False
)
ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount", ("sa",), status=False)
NETWORK_POLICIES = Resource(
    "networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", ("netpol",), status=False
)
JOBS = Resource("batch", "v1", "jobs", "Job", generation=True, categories=ALL)
CRON_JOBS = Resource("batch", "v1", "cronjobs", "CronJob", ("cj",), generation=True, categories=ALL)
AUTOSCALERS = Resource(
    "autoscaling",
    "v2",
    "horizontalpodautoscalers",
    "HorizontalPodAutoscaler",
    ("hpa",),
    categories=ALL,
)
BUDGETS = Resource(
    "policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", ("pdb",), generation=True
)
PERSISTENT_VOLUMES = Resource(
    "", "v1", "persistentvolumes", "PersistentVolume", ("pv",), namespaced=False
)
LIMIT_RANGES = Resource("", "v1", "limitranges", "LimitRange", ("limits",), status=False)
STORAGE_CLASSES = Resource(
    "storage.k8s.io",
    "v1",
    "storageclasses",
    "StorageClass",
    ("sc",),
    namespaced=False,
    status=False,
)
INGRESSES = Resource("networking.k8s.io", "v1", "ingresses", "Ingress", ("ing",), generation=True)
ENDPOINT_SLICES = Resource(
    "discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", status=False
)
_RBAC = "rbac.authorization.k8s.io"
ROLES = Resource(_RBAC, "v1", "roles", "Role", status=False)
ROLE_BINDINGS = Resource(_RBAC, "v1", "rolebindings", "RoleBinding", status=False)
CLUSTER_ROLES = Resource(_RBAC, "v1", "clusterroles", "ClusterRole", namespaced=False, status=False)
CLUSTER_ROLE_BINDINGS = Resource(
    _RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False, status=False
)
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease", status=False)
PRIORITY_CLASSES = Resource(
    "scheduling.k8s.io",
    "v1",
    "priorityclasses",
    "PriorityClass",
    ("pc",),
    namespaced=False,
    status=False,
)

CUSTOM_KINDS = Resource(
    "apiextensions.k8s.io",
    "v1",
    "customresourcedefinitions",
    "CustomResourceDefinition",
    ("crd", "crds"),
    namespaced=False,
    status=False,
)
CERTIFICATES = Resource(
    "cert-manager.io",
    "v1",
    "certificates",
    "Certificate",
    ("cert", "certs"),
    generation=True,
    categories=("cert-manager",),
)

RESOURCES = (
    NAMESPACES,
    NODES,
    PODS,
    SERVICES,
    ENDPOINTS,
    EVENTS,
    CONFIG_MAPS,
    SECRETS,
    CLAIMS,
    QUOTAS,
    DEPLOYMENTS,
    REPLICA_SETS,
    STATEFUL_SETS,
    DAEMON_SETS,
    CONTROLLER_REVISIONS,
    ACCOUNTS,
    NETWORK_POLICIES,
    JOBS,
    CRON_JOBS,
    AUTOSCALERS,
    BUDGETS,
    PERSISTENT_VOLUMES,
    LIMIT_RANGES,
    STORAGE_CLASSES,
    INGRESSES,
    ENDPOINT_SLICES,
    ROLES,
    ROLE_BINDINGS,
    CLUSTER_ROLES,
    CLUSTER_ROLE_BINDINGS,
    LEASES,
    PRIORITY_CLASSES,
    CUSTOM_KINDS,
    CERTIFICATES,
)

BY_PATH = {(r.group, r.version, r.plural): r for r in RESOURCES}
BY_KIND = {r.kind: r for r in RESOURCES}


def of_kind(kind: str) -> Resource:
    """Return the resource of a kind, whatever the spelling. Raises ValueError if there is none."""
    wanted = kind.lower()
    for resource in RESOURCES:
        if wanted in (resource.singular, resource.plural, *resource.short):
            return resource
    raise ValueError(f"This cluster has no kind {kind!r}.")


def of_manifest(manifest: dict[str, object]) -> Resource:
    """Return the resource that a manifest is of. Raises ValueError if it is not served."""
    resource = of_kind(str(manifest.get("kind", "")))
    if manifest.get("apiVersion") != resource.api_version:
        raise ValueError(f"{resource.kind} is served as {resource.api_version} only.")
    return resource
