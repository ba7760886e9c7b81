"""What a controller's objects have to do with those that they made."""

from collections.abc import Iterable

from bot.sandbox.cluster.engine import Name
from bot.sandbox.cluster.kinds import Resource
from bot.sandbox.cluster.store import Change, Object, Store, owner_of


def concerned(change: Change, resource: Resource, made: Resource) -> Iterable[Name]:
    """Name an object of `resource` when it, or one that it made, changes."""
    meta = change.object["metadata"]
    if change.resource is resource and change.type != "DELETED":
        yield meta["namespace"], meta["name"]
    elif change.resource is made:
        owner = owner_of(change.object)
        if owner and owner["kind"] == resource.kind:
            yield meta["namespace"], owner["name"]


def made_by(store: Store, owner: Object, resource: Resource) -> list[Object]:
    """Return what an object made of one kind."""
    meta = owner["metadata"]
    things = store.objects(resource, meta["namespace"])
    return [one for one in things if (of := owner_of(one)) and of["uid"] == meta["uid"]]
