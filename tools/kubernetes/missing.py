"""What to say when nothing is there: a wrong name, a wrong namespace, or really nothing."""

import difflib

from tools._kit import NotFound, Refused, Unavailable
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.kinds import Object, Resource
from tools.kubernetes.objects import name_of

_FEW = 10  # that can be named without one that resembles


async def why_empty(cluster: Cluster, namespace: str) -> str:
    """For the note of an empty list. Raises `NotFound` when there is no such namespace."""
    try:
        await cluster.get("namespace", "", namespace)
    except NotFound:
        raise NotFound(await _no_namespace(cluster, namespace)) from None
    except (Refused, Unavailable):
        return "whether that namespace exists could not be seen"
    return "the namespace exists"


async def found(cluster: Cluster, resource: Resource, namespace: str, name: str) -> Object:
    """One object. Raises `NotFound` that says whether the name or the namespace is wrong."""
    try:
        return await cluster.get(resource, namespace, name)
    except NotFound as error:
        raise await not_found(cluster, resource, namespace, name, error) from None


async def not_found(
    cluster: Cluster, resource: Resource, namespace: str, name: str, error: NotFound
) -> NotFound:
    """The same with what may have been meant."""
    try:
        if resource.namespaced:
            await why_empty(cluster, namespace)
        names = await cluster.names(resource, namespace)
    except NotFound as better:
        return better
    except (Refused, Unavailable):
        return error
    near = difflib.get_close_matches(name, names, n=3)
    return NotFound(f"{error} Nearest: {', '.join(near)}." if near else str(error))


async def _no_namespace(cluster: Cluster, namespace: str) -> str:
    said = f"There is no namespace {namespace} on cluster {cluster.name}."
    try:
        listing = await cluster.list("namespace", None)
    except (Refused, Unavailable):
        return said
    names = [name_of(one) for one in listing.items]
    if near := difflib.get_close_matches(namespace, names, n=3):
        return f"{said} Nearest: {', '.join(near)}."
    if len(names) <= _FEW and not listing.cut:
        return f"{said} There are {', '.join(names)}."
    return said
