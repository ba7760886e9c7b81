"""What to say when nothing is there: a wrong name, a wrong namespace, or really nothing."""

import difflib
from collections.abc import Sequence

from tools._kit import NotFound, Refused, Unavailable, hints
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.kinds import Object, Resource
from tools.kubernetes.objects import name_of

_FEW = 10  # that can be named without one that resembles


async def why_empty(cluster: Cluster, resource: Resource, namespace: str) -> str:
    """For the note of an empty list. Raises `NotFound` when there is no such namespace."""
    if not await _namespace_seen(cluster, namespace):
        return "whether that namespace exists could not be seen"
    places = await _places(cluster, resource)
    return f"the namespace exists, {_there_are(places)}" if places else "the namespace exists"


async def _namespace_seen(cluster: Cluster, namespace: str) -> bool:
    """Whether it was seen to exist. Raises `NotFound` when there is none."""
    try:
        await cluster.get("namespace", "", namespace)
    except NotFound:
        raise NotFound(await _no_namespace(cluster, namespace)) from None
    except (Refused, Unavailable):
        return False
    return True


async def _places(cluster: Cluster, resource: Resource, name: str = "") -> list[str]:
    """The namespaces that hold such objects; none when we may not look everywhere."""
    if not hints.allowed():
        return []
    if resource.kind == "secret":
        return []  # its annotations may hold what it held, and would be sent along
    try:
        return await cluster.places(resource, name)
    except (NotFound, Refused, Unavailable):
        return []


def _there_are(places: Sequence[str]) -> str:
    """Where else to look, with what to add to the command when there is one place only."""
    if len(places) == 1:
        return f"there are some in namespace {places[0]} (`-n {places[0]}`)"
    named = ", ".join(places[:_FEW]) + (" and more" if len(places) > _FEW else "")
    return f"there are some in namespaces {named}"


async def found(cluster: Cluster, resource: Resource, namespace: str, name: str) -> Object:
    """One object. Raises `NotFound` that says whether the name or the namespace is wrong."""
    try:
        return await cluster.get(resource, namespace, name)
    except NotFound as error:
        raise await not_found(cluster, resource, namespace, name, error) from None


async def not_found(
    cluster: Cluster,
    resource: Resource,
    namespace: str,
    name: str,
    error: NotFound,
    also: Sequence[Resource] = (),
) -> NotFound:
    """The same with what may have been meant: the name elsewhere, or a name that resembles it.

    `also` are further kinds that the name may be of.
    """
    names: list[str] = []
    try:
        if resource.namespaced:
            await _namespace_seen(cluster, namespace)
        for kind in (resource, *also):
            names += await cluster.names(kind, namespace)
    except NotFound as better:
        return better
    except (Refused, Unavailable):
        return error
    for kind in (resource, *also) if resource.namespaced else ():
        if places := await _places(cluster, kind, name):
            flags = " or ".join(f"`-n {place}`" for place in places[:_FEW])
            return NotFound(f"{error} There is a {kind.kind} {name} elsewhere: {flags}.")
    near = difflib.get_close_matches(name, names, n=3)
    return NotFound(f"{error} Nearest: {', '.join(near)}." if near else str(error))


async def _no_namespace(cluster: Cluster, namespace: str) -> str:
    said = f"There is no namespace {namespace} on cluster {cluster.name}."
    if not hints.allowed():
        return said
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
