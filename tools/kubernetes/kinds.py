"""The kinds of objects that can be looked at, in kubectl's words."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from tools._kit import Access

# The API's objects are JSON by nature; what is needed of them is read by small functions.
Object: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Resource:
    """Where a kind lives in the API."""

    kind: str  # singular, lower-case: what people write
    prefix: str  # "/api/v1"
    plural: str
    short: tuple[str, ...] = ()
    namespaced: bool = True

    def path(self, namespace: str | None, name: str = "", sub: str = "") -> str:
        """The path of one object, its sub-resource, or of the list (of all namespaces: None)."""
        place = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        parts = [self.prefix + place, self.plural, name, sub]
        return "/".join(part for part in parts if part)

    @property
    def group(self) -> str:
        """The API group, empty for the core."""
        return self.api_version.rpartition("/")[0]

    @property
    def api_version(self) -> str:
        """As a manifest writes it: "apps/v1"."""
        return self.prefix.removeprefix("/apis/").removeprefix("/api/")

    @property
    def written(self) -> str:
        """The one way in which a change names the kind: as it is built in, or with its group."""
        built_in = RESOURCES.get(self.kind)
        if built_in and (built_in.group, built_in.plural) == (self.group, self.plural):
            return self.kind
        return f"{self.plural}.{self.group}"


_CORE, _APPS, _BATCH = "/api/v1", "/apis/apps/v1", "/apis/batch/v1"
_NETWORKING = "/apis/networking.k8s.io/v1"
RESOURCES = {
    resource.kind: resource
    for resource in (
        Resource("pod", _CORE, "pods", ("po",)),
        Resource("deployment", _APPS, "deployments", ("deploy",)),
        Resource("replicaset", _APPS, "replicasets", ("rs",)),
        Resource("statefulset", _APPS, "statefulsets", ("sts",)),
        Resource("daemonset", _APPS, "daemonsets", ("ds",)),
        Resource("controllerrevision", _APPS, "controllerrevisions"),
        Resource("service", _CORE, "services", ("svc",)),
        Resource("endpoints", _CORE, "endpoints", ("ep", "endpoint")),
        Resource("event", _CORE, "events", ("ev",)),
        Resource("node", _CORE, "nodes", ("no",), namespaced=False),
        Resource("configmap", _CORE, "configmaps", ("cm",)),
        Resource("secret", _CORE, "secrets"),
        Resource("job", _BATCH, "jobs"),
        Resource("cronjob", _BATCH, "cronjobs", ("cj",)),
        Resource(
            "horizontalpodautoscaler",
            "/apis/autoscaling/v2",
            "horizontalpodautoscalers",
            ("hpa",),
        ),
        Resource("poddisruptionbudget", "/apis/policy/v1", "poddisruptionbudgets", ("pdb",)),
        Resource("persistentvolumeclaim", _CORE, "persistentvolumeclaims", ("pvc",)),
        Resource("persistentvolume", _CORE, "persistentvolumes", ("pv",), namespaced=False),
        Resource("namespace", _CORE, "namespaces", ("ns",), namespaced=False),
        Resource("ingress", _NETWORKING, "ingresses", ("ing",)),
        Resource("networkpolicy", _NETWORKING, "networkpolicies", ("netpol",)),
        Resource("endpointslice", "/apis/discovery.k8s.io/v1", "endpointslices"),
        Resource("resourcequota", _CORE, "resourcequotas", ("quota",)),
        Resource("limitrange", _CORE, "limitranges", ("limits",)),
        Resource("serviceaccount", _CORE, "serviceaccounts", ("sa",)),
        Resource(
            "storageclass", "/apis/storage.k8s.io/v1", "storageclasses", ("sc",), namespaced=False
        ),
    )
}


def is_built_in(resource: Resource) -> bool:
    """Whether it is one of these, and not another group's kind of the same name."""
    known = RESOURCES.get(resource.kind)
    return known is not None and known.path(None) == resource.path(None)


def access(verb: str, kind: str, sub: str = "", *, namespace: str = "", name: str = "") -> Access:
    """A deed on a kind, built in or "plural.group", as the cluster's access reviews call it."""
    if (resource := RESOURCES.get(kind)) is not None:
        return Access(verb, resource.group, resource.plural, sub, namespace, name)
    plural, _, group = kind.partition(".")
    return Access(verb, group, plural, sub, namespace, name)


_ALIASES = {
    f"{alias}{group}": resource.kind
    for resource in RESOURCES.values()
    for alias in (resource.kind, resource.plural, *resource.short)
    for group in ("", f".{resource.group}" if resource.group else "")
}


def canonical_kind(given: object) -> object:
    """kubectl's plurals, short names and capitals as the one name of the kind."""
    if not isinstance(given, str):
        return given
    return _ALIASES.get(given.strip().lower(), given)


WORKLOADS = ("deployment", "statefulset", "daemonset", "replicaset", "job")  # that have pods


def _exact_kind(given: str) -> str:
    if given not in RESOURCES and "." not in given:
        raise ValueError(
            "must be a built-in kind, or another one by its plural and group:"
            ' "certificates.cert-manager.io"'
        )
    return given


# Of what is changed: one kind has one name, so that a rule about it cannot be passed by.
ChangedKind = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][-a-z0-9.]{0,120}$", strip_whitespace=True, to_lower=True),
    BeforeValidator(canonical_kind),
    AfterValidator(_exact_kind),
    Field(description='"deployment", "service" …; others as "certificates.cert-manager.io".'),
]
LoggingKind = Annotated[
    Literal["pod", "deployment", "statefulset", "daemonset", "replicaset", "job", "cronjob"],
    BeforeValidator(canonical_kind),
]
RolledKind = Annotated[
    Literal["deployment", "statefulset", "daemonset"], BeforeValidator(canonical_kind)
]
AnyKind = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z][-A-Za-z0-9.]{0,120}$", strip_whitespace=True),
    BeforeValidator(canonical_kind),
    Field(description='Any kind of the cluster: "pod", "deploy", "certificates.cert-manager.io".'),
]
MaybeKind = Annotated[
    str,
    StringConstraints(pattern=r"^([A-Za-z][-A-Za-z0-9.]{0,120})?$", strip_whitespace=True),
    BeforeValidator(canonical_kind),
    Field(description="Only about objects of this kind."),
]
DeploymentKind = Annotated[Literal["deployment"], BeforeValidator(canonical_kind)]
CronJobKind = Annotated[Literal["cronjob"], BeforeValidator(canonical_kind)]
PodKind = Annotated[Literal["pod"], BeforeValidator(canonical_kind)]
NodeKind = Annotated[Literal["node"], BeforeValidator(canonical_kind)]
ScalableKind = Annotated[
    Literal["deployment", "statefulset", "replicaset"], BeforeValidator(canonical_kind)
]
