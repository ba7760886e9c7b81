"""Applying manifests: each document dried, compared and written, and all of them followed."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any, ClassVar, cast

from pydantic import Field, JsonValue

from tools._kit import (
    MIXED,
    Access,
    ChangedPath,
    Drift,
    NotFound,
    Preview,
    Progress,
    Receipt,
    Refused,
    Risk,
    ToolError,
    Unavailable,
    Verdict,
)
from tools.kubernetes.changes.claims import CANNOT_SHRINK, grows, refuse_to_shrink
from tools.kubernetes.changes.consequences import Consequences, consequences
from tools.kubernetes.changes.documents import as_yaml
from tools.kubernetes.changes.holding import Wanted, hold, of_all, together
from tools.kubernetes.changes.manifests import (
    Document,
    ManifestChange,
    as_it_was,
    common,
    located,
    owned_by_others,
    read,
    touched,
)
from tools.kubernetes.changes.owners import of_pods
from tools.kubernetes.changes.single import (
    REPLICAS,
    Place,
    digest_at,
    digest_before,
    digest_of,
    exact,
    first_of,
    rolls_out,
)
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.drift import drift_of_all
from tools.kubernetes.kinds import Object, Resource
from tools.kubernetes.objects import (
    controller,
    difference,
    labels_of,
    meta,
    shaped,
    written_paths,
)
from tools.kubernetes.wire import Conflict
from tools.kubernetes.workloads import (
    Facts,
    fingerprint,
    manager_of,
    ownership_warnings,
    previewed,
    reading,
    stale,
    write_locked,
)

_TOOL = "k8s_apply"
WITHHELD = "what was there before holds a secret that I do not keep"


@dataclass(frozen=True)
class Step:
    """One document, the object as it is ({}: there is none) and as it would be stored."""

    one: Document
    resource: Resource
    place: Place
    live: Object
    stored: Object
    beside: Consequences
    number: int  # of the document
    taken: tuple[str, ...] = ()  # what is taken over from others

    @cached_property
    def after(self) -> Object:
        """What people compare: of a new object only what they gave, as it would be stored."""
        return self.stored if self.live else cast("Object", shaped(self.one.body, self.stored))

    @cached_property
    def changes(self) -> tuple[ChangedPath, ...]:
        """Every path that would change."""
        return written_paths(self.live, self.after)

    @property
    def facts(self) -> JsonValue:
        """What is fingerprinted of it."""
        return {
            "uid": str(meta(self.live).get("uid", "")),
            "owner": controller(self.live),
            "manager": manager_of(self.live) if self.live else "",
            "changes": digest_of(self.live, self.after, self.changes),
            "warnings": list[JsonValue](self.warnings),
            **self.beside.facts,
        }

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a colleague would say of it."""
        owners = ownership_warnings(self.live) if self.live else []
        return (*self.taken, *owners, *self.beside.warnings)


class Application(ManifestChange):
    """Apply manifests."""

    risk: ClassVar[Risk] = Risk.WRITE
    force: Annotated[bool, Field(description="Take over fields that another manager owns.")] = False

    def needs(self) -> tuple[Access, ...]:
        """The writes; of a kind of the core that is not built in, the dry run is refused."""
        return self.each("patch")

    async def preview(self, cluster: Cluster) -> Preview:
        """Ask the server what it would store of each document."""
        return await previewed(lambda: self._preview(cluster), "what is applied")

    async def apply(self, cluster: Cluster, seen: Preview) -> Receipt:
        """Write the documents that change something, in their order."""
        return await write_locked(lambda: self._write(cluster, seen), "what is applied")

    async def verify(
        self, cluster: Cluster, seen: Preview, receipt: Receipt | None
    ) -> AsyncIterator[Progress | Verdict]:
        """Follow every object until it is and stays as applied."""
        wanted = cast("list[dict[str, Any]]", seen.before["documents"])
        generations = receipt.facts if receipt is not None else {}
        applied, given = receipt is not None, read(self.manifest)
        followed = [
            hold(cluster, _wanted(one, given, generations), applied=applied) for one in wanted
        ]
        async for step in together(followed):
            yield step if isinstance(step, Progress) else of_all(step, "as applied")

    async def drift(self, cluster: Cluster, seen: Preview, receipt: Receipt) -> Drift:  # noqa: ARG002
        """Whether each object still has what this wrote."""
        wrote = cast("list[dict[str, Any]]", seen.before["documents"])
        given = read(self.manifest)
        wanted = [_wanted(one, given, {}) for one in wrote]
        return drift_of_all(await asyncio.gather(*(_drift(cluster, one) for one in wanted)))

    async def _preview(self, cluster: Cluster) -> Preview:
        steps = await self._examine(cluster)
        changed = [step for step in steps if step.changes]
        if not changed:
            raise Refused("All of it is so already: nothing would change.")
        created = [step for step in changed if not step.live]
        alone = len(steps) == 1
        risks = [step.beside.risk for step in changed if step.beside.risk is not None]
        risks += [Risk.DANGER] if self.kind == MIXED else []  # much to see at once
        same = [str(step.place) for step in steps if not step.changes]
        now = [(step, step.beside.now) for step in changed]
        notes = [_of(step, note, alone) for step, said in now for note in said.notes]
        was = [as_it_was(s.one, s.live, s.changes) if s.live else s.one.body for s in changed]
        lasting = _lasting(changed, created)
        back = not lasting
        above = await of_pods(cluster, [step.live for step in changed])
        return Preview(
            summary=self._summary(changed),
            effect=_effect(changed),
            changes=tuple(
                change
                if alone
                else change.model_copy(update={"path": f"{step.place} {change.path}"})
                for step in changed
                for change in step.changes
            ),
            diff="\n".join(_diff(step) for step in changed),
            labels=common([labels_of(step.live or step.stored) for step in changed]),
            objects=(
                (*(touched(s.one, s.place, s.live or s.stored) for s in changed), *above)
                if above or not alone
                else ()
            ),
            warnings=tuple(_of(s, warning, alone) for s in steps for warning in s.warnings),
            cautions=tuple(_of(s, one, alone) for s, said in now for one in said.cautions),
            notes=(*notes, *([f"{', '.join(same)} stays as it is"] if same else [])),
            fingerprint=fingerprint(_TOOL, _facts(steps)),
            risk=max(risks, key=lambda risk: risk.level, default=None),
            before={
                **({"uid": str(meta(steps[0].live).get("uid"))} if alone and steps[0].live else {}),
                "documents": [_remembered(step) for step in changed],
                "created": [[step.place.kind, step.place.name] for step in created],
                "manifest": as_yaml(was) if back and (not created or len(created) > 1) else "",
                "lasting": lasting,
                "facts": _facts(steps),
            },
            way_back=_way_back(created) if back else "",
        )

    def _summary(self, changed: list[Step]) -> str:
        where = f" in `{self.namespace}`" if self.namespace else ""
        forced = ", taking over what others own" if any(step.taken for step in changed) else ""
        if len(changed) > 1:
            return f"Apply {len(changed)} objects{where}{forced}"
        only = changed[0]
        said = f": {first_of(only.changes)}" if only.live else ""
        return f"{'Change' if only.live else 'Create'} `{only.place}`{where}{forced}{said}"

    async def _write(self, cluster: Cluster, seen: Preview) -> Receipt:
        steps = await reading(self._examine(cluster))
        if fingerprint(_TOOL, _facts(steps)) != seen.fingerprint:
            raise stale(seen.before.get("facts"), _facts(steps), "what is applied")
        changed = [step for step in steps if step.changes]
        generations: dict[str, JsonValue] = {}
        for done, step in enumerate(changed):
            try:
                written = await self._send(cluster, step, force=self.force, dry_run=False)
            except ToolError as error:
                if not done:
                    raise
                raise Unavailable(
                    f"{done} of {len(changed)} objects were applied, then {step.place}: {error}"
                ) from error
            generations[str(step.place)] = meta(written).get("generation")
        names = ", ".join(str(step.place) for step in changed)
        return Receipt(
            text=f"{names} {'was' if len(changed) == 1 else 'were'} applied", facts=generations
        )

    async def _send(self, cluster: Cluster, step: Step, *, force: bool, dry_run: bool) -> Object:
        metadata = {**step.one.body["metadata"]}
        if self.namespace:
            metadata["namespace"] = self.namespace
        if step.live:  # a conflict if anybody wrote since
            metadata["resourceVersion"] = meta(step.live)["resourceVersion"]
        target = (step.resource, step.place.namespace, step.place.name)
        body: JsonValue = {**step.one.body, "metadata": metadata}
        return await cluster.apply(target, body, force=force, dry_run=dry_run)

    async def _examine(self, cluster: Cluster) -> list[Step]:
        given = enumerate(read(self.manifest))
        return await asyncio.gather(*(self._step(cluster, one, number) for number, one in given))

    async def _step(self, cluster: Cluster, one: Document, number: int) -> Step:
        resource, place = await located(cluster, one, self.namespace)
        try:
            live = await cluster.get(resource, place.namespace, place.name)
        except NotFound:
            live = {}
        refuse_to_shrink(live, one.body)
        step = Step(one, resource, place, live, {}, Consequences(), number)
        taken: tuple[str, ...] = ()
        try:
            stored = await self._send(cluster, step, force=False, dry_run=True)
        except Conflict as error:
            owned = tuple(owned_by_others(error.words))
            if not owned:
                raise
            if not self.force:
                raise Refused(
                    f"{'; '.join(owned)} of {place.at}: leave that out, or take it over with"
                    " `--force-conflicts` (the argument `force`)."
                ) from error
            taken = tuple(
                f"It is taken over although {one}, which may write it again." for one in owned
            )
            stored = await self._send(cluster, step, force=True, dry_run=True)
        stored = {"apiVersion": one.api_version, "kind": one.kind, **stored}
        seen = replace(step, stored=stored, taken=taken)
        beside = await consequences(cluster, (resource, place.namespace), live, seen.after)
        return replace(seen, beside=beside)


def _facts(steps: list[Step]) -> Facts:
    return {str(step.place): step.facts for step in steps}


def _of(step: Step, words: str, alone: bool) -> str:
    return words if alone else f"{step.place}: {words}"


def _effect(changed: list[Step]) -> str:
    created = [str(step.place) for step in changed if not step.live]
    others = [str(step.place) for step in changed if step.live]
    parts = [f"creates {', '.join(created)}"] if created else []
    parts += [f"changes {', '.join(others)}"] if others else []
    return " · ".join(parts)


def _lasting(changed: list[Step], created: list[Step]) -> str:
    """Why there is no way back; empty: there is one."""
    if any(step.resource.kind == "secret" for step in changed):
        return WITHHELD
    if grown := [str(step.place) for step in changed if grows(step.live, step.stored)]:
        return f"{', '.join(grown)} gets larger, and {CANNOT_SHRINK}"
    if created and len(changed) > len(created):
        gone = ", ".join(str(step.place) for step in created)
        back = ", ".join(str(step.place) for step in changed if step.live)
        return f"no single change deletes {gone} and leads {back} back to what was there"
    return ""


def _way_back(created: list[Step]) -> str:
    if not created:
        return "apply what was there"
    return f"delete {', '.join(str(step.place) for step in created)}, as far as nobody changed it"


def _diff(step: Step) -> str:
    text = difference(step.live, step.after)
    return text.replace("--- now", f"--- {step.place} now", 1).replace(
        "+++ after", f"+++ {step.place} after", 1
    )


def _remembered(step: Step) -> JsonValue:
    paths = [change.path for change in step.changes]
    return {
        "place": list[JsonValue](step.place),
        "uid": str(meta(step.live).get("uid", "")),
        "paths": list[JsonValue](paths),
        "from": digest_before(step.live, paths),
        "to": digest_at(step.after, paths),
        "number": step.number,
        "rolls_out": rolls_out(step.after, paths),
    }


async def _drift(cluster: Cluster, wanted: Wanted) -> Drift:
    place = Place(*wanted.place)
    resource = await exact(cluster, place.kind, place.namespace)
    try:
        live = await cluster.get(resource, place.namespace, place.name)
    except NotFound:
        became = "was deleted"
    else:
        if wanted.uid not in ("", str(meta(live).get("uid"))):
            became = "was deleted and made anew"
        elif wanted.asked(live):
            return Drift("as left")
        else:
            became = "was changed since"
    said = f"{place} {became}"
    return Drift("changed", said, (said,))


def _wanted(
    one: dict[str, Any], given: list[Document], generations: dict[str, JsonValue]
) -> Wanted:
    place, paths = Place(*one["place"]), tuple(one["paths"])
    generation = generations.get(str(place))

    def stands(live: Object) -> str:
        """Of what was made only what was given: the server fills in more, also within lists."""
        made = not one["uid"]
        return digest_at(shaped(given[one.get("number", 0)].body, live) if made else live, paths)

    return Wanted(
        place=(place.kind, place.namespace, place.name),
        uid=one["uid"],
        asked=lambda live: stands(live) == one["to"],
        before=lambda live: digest_before(live, paths) == one["from"],
        rolls_out=one["rolls_out"],
        rescales=REPLICAS in paths and bool(one["uid"] or one["rolls_out"]),
        generation=generation if isinstance(generation, int) else 0,
    )
