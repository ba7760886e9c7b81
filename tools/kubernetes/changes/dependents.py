"""What hangs on an object: what it owns, who uses it, and what is left without it."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tools.kubernetes.cluster import Cluster
from tools.kubernetes.kinds import Object, Resource
from tools.kubernetes.objects import meta, name_of, namespace_of
from tools.kubernetes.workloads import Around, around

# What may be owned, by the lists that are read to see it; Secrets are not looked at.
_OWNED = (
    "pod",
    "replicaset",
    "job",
    "deployment",
    "statefulset",
    "daemonset",
    "service",
    "configmap",
    "persistentvolumeclaim",
)
_BY_CONTROLLERS = ("pod", "replicaset", "job")  # they come and go by themselves
_USERS = ("deployment", "statefulset", "daemonset", "cronjob")
_HOLDS = {  # where a pod's specification names an object of this kind
    "configmap": (("configMap", "name"), ("configMapRef", "name"), ("configMapKeyRef", "name")),
    "secret": (("secret", "secretName"), ("secretRef", "name"), ("secretKeyRef", "name")),
    "persistentvolumeclaim": (("persistentVolumeClaim", "claimName"),),
}

_AS_VARIABLES = ("configMapRef", "configMapKeyRef")


@dataclass(frozen=True)
class Owned:
    """Objects that go with their owner."""

    objects: tuple[tuple[str, Object], ...]  # kind and object
    whole: bool  # all kinds could be looked at

    def said(self) -> str:
        """How many of each: "1 replicaset, 3 pods"."""
        counts = Counter(kind for kind, _ in self.objects)
        return ", ".join(f"{count} {_many(kind, count)}" for kind, count in sorted(counts.items()))

    def lasting(self) -> list[str]:
        """Those that no controller makes and removes as it needs."""
        return sorted(
            f"{kind}/{name_of(one)}" for kind, one in self.objects if kind not in _BY_CONTROLLERS
        )


async def owned_by(cluster: Cluster, live: Object) -> Owned:
    """Whatever has it among its owners, and what those own in turn, in its own namespace."""
    place = namespace_of(live)
    if not place:
        return Owned((), whole=True)
    lists = await asyncio.gather(*(around(cluster, kind, place) for kind in _OWNED))
    found: list[tuple[str, Object]] = []
    owners = {str(meta(live)["uid"])}
    while owners:
        below = [
            (kind, one)
            for kind, listed in zip(_OWNED, lists, strict=True)
            for one in listed or ()
            if any(reference.get("uid") in owners for reference in _references(one))
        ]
        below = [pair for pair in below if pair not in found]
        found += below
        owners = {str(meta(one)["uid"]) for _, one in below}
    return Owned(tuple(found), whole=all(listed is not None for listed in lists))


async def users_of(cluster: Cluster, resource: Resource, live: Object) -> list[str] | None:
    """The workloads whose pods need it; None where that could not be seen."""
    keys = _HOLDS.get(resource.kind, ())
    is_account = resource.kind == "serviceaccount"
    if not keys and not is_account:
        return []
    name = name_of(live)
    return await _workloads(
        cluster,
        namespace_of(live),
        lambda spec: (
            (is_account and spec.get("serviceAccountName", "default") == name)
            or any(_names(spec, *key, name) for key in keys)
        ),
    )


async def readers_at_start(cluster: Cluster, live: Object) -> list[str] | None:
    """The workloads whose containers read a config map as variables, which they do only as they
    start; None where that could not be seen.
    """
    name = name_of(live)
    return await _workloads(
        cluster,
        namespace_of(live),
        lambda spec: any(_names(spec, holder, "name", name) for holder in _AS_VARIABLES),
    )


async def _workloads(
    cluster: Cluster, place: str, fits: Callable[[Object], bool]
) -> list[str] | None:
    """Those whose pods' specification fits."""
    lists: Sequence[Around] = await asyncio.gather(
        *(around(cluster, kind, place) for kind in _USERS)
    )
    if any(listed is None for listed in lists):
        return None
    return sorted(
        f"{kind}/{name_of(one)}"
        for kind, listed in zip(_USERS, lists, strict=True)
        for one in listed or ()
        if fits(_spec(one))
    )


def _spec(thing: Object) -> Object:
    """The specification of its pods."""
    spec = thing["spec"]
    template = ((spec.get("jobTemplate") or {}).get("spec") or spec).get("template") or {}
    found: Object = template.get("spec") or {}
    return found


def _names(value: Any, holder: str, field: str, name: str) -> bool:
    """Whether somewhere inside stands {holder: {field: name}}."""
    return any(held.get(field) == name for held in _held(value, holder))


def _held(value: Any, holder: str) -> Iterator[Object]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == holder and isinstance(inner, dict):
                yield inner
            yield from _held(inner, holder)
    elif isinstance(value, list):
        for inner in value:
            yield from _held(inner, holder)


def _references(thing: Object) -> Sequence[Object]:
    found: Sequence[Object] = meta(thing).get("ownerReferences") or ()
    return found


def _many(kind: str, count: int) -> str:
    return kind if count == 1 else f"{kind}s"
