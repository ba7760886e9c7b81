"""Whose pods a change is about: what made them, and what that belongs to."""

import asyncio
from collections.abc import Iterable

from tools._kit import NotFound, Touched
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.kinds import Object
from tools.kubernetes.objects import controller, labels_of, name_of, namespace_of

_KNOWN = ("replicaset", "statefulset", "daemonset", "deployment")  # of others only the name is told


async def with_owners(cluster: Cluster, kind: str, live: Object) -> tuple[Touched, ...]:
    """An object and those above it, the next one first. Raises `ToolError`."""
    labels = {**labels_of(live)}
    own = Touched(kind=kind, name=name_of(live), namespace=namespace_of(live), labels=labels)
    return (own, *await above(cluster, namespace_of(live), controller(live)))


async def above(cluster: Cluster, namespace: str, owner: str) -> tuple[Touched, ...]:
    """Such an owner, "replicaset/web-7f", and those above it; none for nobody."""
    kind, _, name = owner.partition("/")
    if not kind:
        return ()
    if kind not in _KNOWN:
        return (Touched(kind=kind, name=name, namespace=namespace),)
    try:
        live = await cluster.get(kind, namespace, name)
    except NotFound:  # its pods go next
        return (Touched(kind=kind, name=name, namespace=namespace),)
    return await with_owners(cluster, kind, live)


async def of_all(cluster: Cluster, owners: Iterable[str]) -> tuple[Touched, ...]:
    """The same of several, "shop/replicaset/web-7f", each once."""
    places = [one.partition("/") for one in sorted(owners)]
    found = await asyncio.gather(*(above(cluster, place, owner) for place, _, owner in places))
    return tuple({(one.namespace, one.kind, one.name): one for of in found for one in of}.values())


async def of_pods(cluster: Cluster, found: Iterable[Object]) -> tuple[Touched, ...]:
    """Those above the pods among such objects; none for other kinds."""
    owned = [one for one in found if one.get("kind") == "Pod" and controller(one)]
    return await of_all(cluster, {f"{namespace_of(one)}/{controller(one)}" for one in owned})
