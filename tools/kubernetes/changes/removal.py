"""Deleting what a manifest made: each object as long as it is what that says, the last first."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar, cast

from pydantic import JsonValue

from tools._kit import (
    Access,
    ChangedPath,
    Drift,
    NotFound,
    Preview,
    Progress,
    Receipt,
    Refused,
    Risk,
    Stale,
    ToolError,
    Unavailable,
    Verdict,
)
from tools.kubernetes.changes.deletion import WHY_NOT_BACK, Deletion, Doomed
from tools.kubernetes.changes.documents import as_yaml
from tools.kubernetes.changes.holding import of_all, together
from tools.kubernetes.changes.manifests import (
    Document,
    ManifestChange,
    common,
    located,
    read,
    touched,
)
from tools.kubernetes.changes.owners import of_pods
from tools.kubernetes.changes.single import Place
from tools.kubernetes.cluster import MANAGER, Cluster
from tools.kubernetes.counting import counted
from tools.kubernetes.drift import drift_of_all
from tools.kubernetes.kinds import Object
from tools.kubernetes.objects import difference, labels_of, meta
from tools.kubernetes.quantities import amount, is_quantity
from tools.kubernetes.wire import Conflict
from tools.kubernetes.workloads import Facts, fingerprint, previewed, reading, stale

_TOOL = "k8s_delete_applied"
_TRIES = 4


@dataclass(frozen=True)
class _Part:
    """One document, and its object as it is; None: it stays, or is gone."""

    one: Document
    place: Place
    deletion: Deletion
    found: Doomed | None
    why: str = ""  # it is not deleted

    @property
    def facts(self) -> JsonValue:
        """What is fingerprinted of it."""
        if self.found is None:
            return self.why
        return {**self.found.facts, "others": list[JsonValue](self.others)}

    @property
    def others(self) -> list[str]:
        """Who wrote it beside us."""
        return _written_by_others(self.found.live) if self.found else []


class Removal(ManifestChange):
    """Delete what was applied."""

    risk: ClassVar[Risk] = Risk.DANGER
    single: ClassVar[type[Deletion]]  # the change of one object

    def needs(self) -> tuple[Access, ...]:
        """The deletions."""
        return self.each("delete")

    async def preview(self, cluster: Cluster) -> Preview:
        """Which of them are as the manifest says, and what goes along."""
        return await previewed(lambda: self._preview(cluster), "what is deleted")

    async def apply(self, cluster: Cluster, seen: Preview) -> Receipt:
        """Delete exactly the objects that were seen, one after the other."""
        parts = await reading(self._examine(cluster))
        if fingerprint(_TOOL, _facts(parts)) != seen.fingerprint:
            raise stale(seen.before.get("facts"), _facts(parts), "what is deleted")
        doomed = [part for part in parts if part.found]
        for done, part in enumerate(doomed):
            try:
                await _remove(cluster, part)
            except ToolError as error:
                if not done:
                    raise
                raise Unavailable(
                    f"{done} of {len(doomed)} objects were deleted, then {part.place}: {error}"
                ) from error
        names = ", ".join(str(part.place) for part in doomed)
        return Receipt(text=f"{names} {'was' if len(doomed) == 1 else 'were'} deleted")

    async def verify(
        self, cluster: Cluster, seen: Preview, receipt: Receipt | None
    ) -> AsyncIterator[Progress | Verdict]:
        """Follow each until it is gone."""
        followed = [
            self._single(Place(*place)).verify(
                cluster, seen.model_copy(update={"before": {"uid": uid}}), receipt
            )
            for *place, uid in cast("list[list[str]]", seen.before["objects"])
        ]
        async for step in together(followed):
            yield step if isinstance(step, Progress) else of_all(step, "gone")

    async def drift(self, cluster: Cluster, seen: Preview, receipt: Receipt) -> Drift:
        """Whether nothing of it is there, as this left it."""
        places = cast("list[list[str]]", seen.before["objects"])
        return drift_of_all(
            await asyncio.gather(
                *(
                    self._single(Place(*place)).drift(
                        cluster, seen.model_copy(update={"before": {"uid": uid}}), receipt
                    )
                    for *place, uid in places
                )
            )
        )

    async def _preview(self, cluster: Cluster) -> Preview:
        parts = await self._examine(cluster)
        doomed = [(part, part.found) for part in parts if part.found]
        if not doomed:
            raise Refused(f"Nothing of it is left to delete: {'; '.join(p.why for p in parts)}.")
        await asyncio.gather(
            *(part.deletion.send(cluster, at, dry_run=True) for part, at in doomed)
        )
        lasting = any(part.place.kind in WHY_NOT_BACK for part, _ in doomed)
        where = f" in `{self.namespace}`" if self.namespace else ""
        many = counted(len(doomed), "applied object")
        above = await of_pods(cluster, [at.live for _, at in doomed])
        return Preview(
            summary=f"Delete {many}{where}",
            effect=f"deletes {', '.join(str(part.place) for part, _ in doomed)}",
            changes=tuple(
                ChangedPath(path=path, before="there", after=None)
                for part, at in doomed
                for path in dict.fromkeys((str(part.place), *at.owned.lasting()))
            ),
            diff="\n".join(difference(at.live, {}) for _, at in doomed),
            labels=common([labels_of(at.live) for _, at in doomed]),
            objects=(
                (*(touched(part.one, part.place, at.live) for part, at in doomed), *above)
                if above or len(parts) > 1
                else ()
            ),
            warnings=(
                *(f"{part.why}." for part in parts if part.why),
                *(
                    f"{part.place} was written by {', '.join(part.others)} as well."
                    for part, _ in doomed
                    if part.others
                ),
                *(f"{part.place}: {said}" for part, at in doomed for said in at.warnings),
            ),
            cautions=tuple(
                f"{part.place}: {said}" for part, at in doomed for said in at.now.cautions
            ),
            notes=tuple(f"{part.place}: {said}" for part, at in doomed for said in at.now.notes),
            fingerprint=fingerprint(_TOOL, _facts(parts)),
            before={
                "objects": [[*part.place, str(meta(at.live)["uid"])] for part, at in doomed],
                "manifest": "" if lasting else as_yaml([p.one.body for p, _ in reversed(doomed)]),
                "facts": _facts(parts),
            },
            way_back="" if lasting else "apply them again",
        )

    async def _examine(self, cluster: Cluster) -> list[_Part]:
        """The last of the manifest first: what others need is deleted after them."""
        documents = reversed(read(self.manifest))
        return await asyncio.gather(*(self._part(cluster, one) for one in documents))

    async def _part(self, cluster: Cluster, one: Document) -> _Part:
        resource, place = await located(cluster, one, self.namespace)
        deletion = self._single(place)
        try:
            live = await cluster.get(resource, place.namespace, place.name)
        except NotFound:
            return _Part(one, place, deletion, None, f"{place} is gone already")
        if not _is_as(one.body, live):
            return _Part(one, place, deletion, None, f"{place} was changed since and stays")
        return _Part(one, place, deletion, await deletion.examine(cluster))

    def _single(self, place: Place) -> Deletion:
        return self.single.model_validate(place._asdict())


def _is_as(given: Any, live: Any) -> bool:
    """Whether all that is given is so; what the server fills in beside it is not asked."""
    if isinstance(given, dict) and isinstance(live, dict):
        return all(_is_as(value, live.get(key)) for key, value in given.items())
    if isinstance(given, list) and isinstance(live, list):
        return len(given) == len(live) and all(map(_is_as, given, live))
    if not given and not live:
        return True  # what is empty is not stored
    return bool(given == live) or (_amount(given) is not None and _amount(given) == _amount(live))


def _amount(value: Any) -> Decimal | None:
    """ "1000m" is stored as "1"."""
    return amount(value) if isinstance(value, str | int) and is_quantity(str(value)) else None


def _written_by_others(live: Object) -> list[str]:
    """Who else wrote it, beside its status and what controllers note."""
    known = (MANAGER, "kube-controller-manager")
    found = {
        str(entry.get("manager"))
        for entry in meta(live).get("managedFields") or ()
        if not entry.get("subresource")
    }
    return sorted(found.difference(known))


def _facts(parts: list[_Part]) -> Facts:
    return {str(part.place): part.facts for part in parts}


async def _remove(cluster: Cluster, part: _Part) -> None:
    """Delete it as it was seen; what a controller wrote meanwhile is no other object."""
    found = cast("Doomed", part.found)
    for _ in range(_TRIES):
        try:
            return await part.deletion.send(cluster, found, dry_run=False)
        except NotFound:
            return None  # it went by itself
        except Conflict:
            again = await reading(part.deletion.examine(cluster))
            if again.content != found.content:
                raise Stale(f"{part.place.at} was changed since.") from None
            found = again
    raise Stale(f"{part.place.at} is being changed by somebody else all the time.")
