"""Lists that a view looks at: one that may not be seen hides nothing else, and is said."""

from collections.abc import Iterator
from dataclasses import dataclass

from tools._kit import NotFound, Refused, Unavailable
from tools.kubernetes.cluster import MOST, Cluster
from tools.kubernetes.kinds import RESOURCES, Object, Resource


@dataclass(frozen=True)
class Seen:
    """The objects of one kind as far as they could be read."""

    kind: str  # plural
    items: tuple[Object, ...]
    unread: str = ""  # why not all are here


async def seen(
    cluster: Cluster,
    kind: str | Resource,
    namespace: str | None,
    *,
    labels: str = "",
    fields: str = "",
    limit: int = MOST,
) -> Seen:
    """A list that raises nothing; none where the cluster does not serve the kind."""
    resource = kind if isinstance(kind, Resource) else RESOURCES[kind]
    try:
        found = await cluster.list(resource, namespace, labels=labels, fields=fields, limit=limit)
    except NotFound:
        return Seen(resource.plural, ())
    except (Refused, Unavailable) as error:
        return Seen(resource.plural, (), str(error))
    cut = f"only {len(found.items)} were read, there are more" if found.cut else ""
    return Seen(resource.plural, found.items, cut)


def unread(*lists: Seen) -> Iterator[str]:
    """A line for each list that is not whole."""
    for one in lists:
        if one.unread:
            yield f"{one.kind}: {one.unread}"
