"""The changes of whole objects: apply makes them or leads them on, delete takes them away."""

from typing import ClassVar, cast

from tools._kit import Change, NoWayBack, Preview, Risk
from tools.kubernetes.changes.application import WITHHELD, Application
from tools.kubernetes.changes.deletion import WHY_NOT_BACK, Deletion
from tools.kubernetes.changes.removal import Removal


class Apply(Application):
    """Apply manifests of one namespace, or of objects that are in none: server-side, with dry run.

    Fields that another manager owns are a conflict, which is told with its name; `force` takes
    them over. Prefer the change that is made for it where there is one.
    """

    def undo(self, seen: Preview) -> Change | NoWayBack:
        """Apply what was there; delete what was not."""
        created = cast("list[list[str]]", seen.before["created"])
        manifest = cast("str", seen.before["manifest"])
        if not seen.way_back:
            why = cast("str", seen.before.get("lasting")) or WITHHELD
            return NoWayBack(f"{why[0].upper()}{why[1:]}.")
        if len(created) > 1:
            return DeleteApplied(namespace=self.namespace, manifest=manifest)
        if created:
            kind, name = created[0]
            return Delete(namespace=self.namespace, kind=kind, name=name)
        return self.model_copy(update={"manifest": manifest, "force": True})


class Delete(Deletion):
    """Delete one object of any kind, with what it owns."""

    risk: ClassVar[Risk] = Risk.DANGER

    def undo(self, seen: Preview) -> Change | NoWayBack:
        """Apply what was there, where that is all there was to it."""
        if not seen.way_back:
            why = WHY_NOT_BACK.get(self.kind) or "its owner makes it when it is needed"
            if seen.before.get("manifest"):
                why = "what was there holds a secret that I do not keep"
            return NoWayBack(f"{self.place} cannot be brought back: {why}.")
        return Apply(namespace=self.namespace, manifest=cast("str", seen.before["manifest"]))


class DeleteApplied(Removal):
    """Delete the objects of a manifest, each only as long as it is what the manifest says.

    It takes back an apply that made several. What was changed since stays.
    """

    risk: ClassVar[Risk] = Risk.DANGER
    single: ClassVar[type[Deletion]] = Delete

    def undo(self, seen: Preview) -> Change | NoWayBack:
        """Apply them again."""
        if not seen.way_back:
            return NoWayBack("Not all of it comes back by applying it again.")
        return Apply(namespace=self.namespace, manifest=cast("str", seen.before["manifest"]))
