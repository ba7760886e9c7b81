"""The changes of an object's labels and annotations."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Annotated, ClassVar, Self, cast

from pydantic import Field, JsonValue, StringConstraints, model_validator

from tools._kit import MAYBE_NAMESPACE, Change, Name, NoWayBack, Preview
from tools.kubernetes.changes.single import ObjectChange, Place, Plan
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.kinds import ChangedKind, Object
from tools.kubernetes.objects import meta

_KEY = r"(?:[a-z0-9][-a-z0-9.]{0,250}[a-z0-9]/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_VALUE = r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?"
Key = Annotated[str, StringConstraints(pattern=rf"^{_KEY}$")]
LabelPair = Annotated[str, StringConstraints(pattern=rf"^{_KEY}={_VALUE}$")]
AnnotationPair = Annotated[str, StringConstraints(pattern=rf"^{_KEY}=[^\x00]{{0,4000}}$")]
MaybeNamespace = Annotated[
    str,
    StringConstraints(pattern=MAYBE_NAMESPACE, strip_whitespace=True),
    Field(description="Left out only for kinds that are in no namespace."),
]
Removed = Annotated[tuple[Key, ...], Field(max_length=30, description="Keys to remove.")]

# What controllers write, and find their own objects by.
_THEIRS = {
    "pod-template-hash": "its deployment",
    "controller-revision-hash": "its controller",
    "pod-template-generation": "its daemonset",
    "statefulset.kubernetes.io/pod-name": "its statefulset",
    "apps.kubernetes.io/pod-index": "its statefulset",
    "job-name": "its job",
    "controller-uid": "its job",
    "batch.kubernetes.io/job-name": "its job",
    "batch.kubernetes.io/controller-uid": "its job",
    "kubernetes.io/metadata.name": "the API server",
    "kubernetes.io/hostname": "the kubelet",
    "kubernetes.io/os": "the kubelet",
    "kubernetes.io/arch": "the kubelet",
    "node.kubernetes.io/instance-type": "the cloud provider",
    "topology.kubernetes.io/zone": "the cloud provider",
    "topology.kubernetes.io/region": "the cloud provider",
    "deployment.kubernetes.io/revision": "the deployment controller",
    "kubectl.kubernetes.io/last-applied-configuration": "kubectl apply",
}
_MARKS = {  # by which deployment tools know what is theirs
    "app.kubernetes.io/managed-by": "the tool that manages it",
    "app.kubernetes.io/instance": "Helm or Argo CD",
    "meta.helm.sh/release-name": "Helm",
    "meta.helm.sh/release-namespace": "Helm",
    "helm.sh/chart": "Helm",
    "argocd.argoproj.io/tracking-id": "Argo CD",
    "kustomize.toolkit.fluxcd.io/name": "Flux",
    "helm.toolkit.fluxcd.io/name": "Flux",
}


class _Metadata(ObjectChange):
    """Sets and removes entries of one map of the metadata."""

    part: ClassVar[str]
    namespace: MaybeNamespace = ""
    kind: ChangedKind
    name: Name
    remove: Removed = ()

    @property
    @abstractmethod
    def given(self) -> tuple[str, ...]:
        """To set, each as "key=value"."""

    @property
    def shown(self) -> list[str]:
        """What a heading says of those to set: what is written there may be a secret, or long."""
        return [one.partition("=")[0] for one in self.given]

    @property
    def place(self) -> Place:
        """The object."""
        return Place(self.kind, self.namespace, self.name)

    @model_validator(mode="after")
    def _something(self) -> Self:
        keys = [*(one.partition("=")[0] for one in self.given), *self.remove]
        if not keys:
            raise ValueError(f"`{self.part}` or `remove` must name one")
        if len({*keys}) != len(keys):
            raise ValueError(f"`{self.part}` and `remove` must name each key once")
        return self

    async def plan(self, cluster: Cluster, live: Object) -> Plan:  # noqa: ARG002
        """The entries that are named, and no others."""
        now: dict[str, str] = meta(live).get(self.part) or {}
        wanted = {key: value for key, _, value in (one.partition("=") for one in self.given)}
        entries: dict[str, JsonValue] = {**wanted, **dict.fromkeys(self.remove)}
        named = [*wanted, *self.remove]
        words = " and ".join(
            f"{verb} {self.part[: -1 if len(keys) == 1 else None]} {', '.join(keys)}"
            for verb, keys in (("set", self.shown), ("remove", [*self.remove]))
            if keys
        )
        was: list[JsonValue] = [f"{key}={now[key]}" for key in named if key in now]
        return Plan(
            body={"metadata": {self.part: entries}},
            summary=f"{words[0].upper()}{words[1:]} of {self.place.marked}",
            done=f"the {self.part} of {self.place.at} were changed",
            warnings=tuple(_warnings(named)),
            before={"was": was, "new": [key for key in wanted if key not in now]},
            way_back=f"set the {self.part} back",
        )

    def undo(self, seen: Preview) -> Change | NoWayBack:
        """Set what was there, and remove what was not."""
        was, new = (tuple(cast("list[str]", seen.before[key])) for key in ("was", "new"))
        return self.with_more(**{self.part: was, "remove": new})


class Label(_Metadata):
    """Set or remove labels of any object."""

    tool: ClassVar[str] = "k8s_label"
    part: ClassVar[str] = "labels"
    labels: Annotated[
        tuple[LabelPair, ...], Field(max_length=30, description='To set, each as "key=value".')
    ] = ()

    @property
    def given(self) -> tuple[str, ...]:
        """The labels to set."""
        return self.labels

    @property
    def shown(self) -> list[str]:
        """With their values: the API has them short, and everybody sees them."""
        return [*self.labels]


class Annotate(_Metadata):
    """Set or remove annotations of any object."""

    tool: ClassVar[str] = "k8s_annotate"
    part: ClassVar[str] = "annotations"
    annotations: Annotated[
        tuple[AnnotationPair, ...], Field(max_length=30, description='To set, each as "key=value".')
    ] = ()

    @property
    def given(self) -> tuple[str, ...]:
        """The annotations to set."""
        return self.annotations


def _warnings(keys: list[str]) -> Iterator[str]:
    for key in keys:
        if whose := _THEIRS.get(key):
            yield f"{key} is written and read by {whose}: it may set it back, or lose the object."
        elif whose := _MARKS.get(key):
            yield f"By {key}, {whose} knows what is its own."
