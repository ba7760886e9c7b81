"""The change that patches an object of any kind."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, JsonValue, StringConstraints

from tools._kit import Change, Malformed, Name, NoWayBack, Preview
from tools.kubernetes.changes.claims import CANNOT_SHRINK, grows, refuse_to_shrink
from tools.kubernetes.changes.documents import as_text, documents
from tools.kubernetes.changes.labels import MaybeNamespace
from tools.kubernetes.changes.single import ObjectChange, Place, Plan, Seen, first_of
from tools.kubernetes.cluster import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, Cluster
from tools.kubernetes.counting import counted
from tools.kubernetes.kinds import RESOURCES, ChangedKind, Object
from tools.kubernetes.objects import compared

_CONTENT = {"strategic": STRATEGIC_PATCH, "merge": MERGE_PATCH, "json": JSON_PATCH}
# All else of the metadata says which object it is, or is the server's.
_FREE = ("labels", "annotations", "finalizers", "ownerReferences")


def _readable(text: str) -> str:
    documents(text, most=1)
    return text


class Patch(ObjectChange):
    """Patch one object of any kind. Prefer the change that is made for it where there is one."""

    tool: ClassVar[str] = "k8s_patch"
    namespace: MaybeNamespace = ""
    kind: ChangedKind
    name: Name
    patch: Annotated[
        str,
        StringConstraints(max_length=20_000, min_length=2),
        AfterValidator(_readable),
        Field(description='YAML or JSON: the fields to write; a list of operations for "json".'),
    ]
    type: Literal["strategic", "merge", "json"] = "strategic"

    @property
    def place(self) -> Place:
        """The object."""
        return Place(self.kind, self.namespace, self.name)

    async def plan(self, cluster: Cluster, live: Object) -> Plan:  # noqa: ARG002
        """The patch as it was given, if it writes only what may be written."""
        body = self._body()
        refuse_to_shrink(live, body)
        return Plan(
            body=body,
            content_type=_CONTENT[self.type],
            summary=f"Patch {self.place.marked}",
            done=f"{self.place.at} was patched",
        )

    def finished(self, found: Seen) -> Plan:
        """With what it writes, and the way back: what that takes away or overwrites, as a merge
        patch.
        """
        plan = replace(
            found.plan,
            summary=f"{found.plan.summary}: {first_of(found.changes)}",
            effect=f"{counted(len(found.changes), 'field')} written",
        )
        if self.kind == "secret":
            return plan
        if grows(found.live, found.stored):
            return replace(plan, before={"why_not_back": CANNOT_SHRINK})
        back = _inverse(*map(_with_maps, compared(found.stored, found.live)))
        before: dict[str, JsonValue] = {"patch": as_text(back)}
        return replace(plan, before=before, way_back="patch it back to what it was")

    def undo(self, seen: Preview) -> Change | NoWayBack:
        """The opposite merge patch."""
        if why := seen.before.get("why_not_back"):
            return NoWayBack(f"{self.place} stays as it is then: {why}.")
        if not seen.way_back:
            return NoWayBack(f"What {self.place} held before is a secret that I do not keep.")
        return self.with_more(patch=seen.before["patch"], type="merge")

    def _body(self) -> JsonValue:
        found = documents(self.patch, most=1)
        body = found[0] if found else None
        if self.type == "json":
            if not isinstance(body, list) or not body:
                raise Malformed('`patch` must be a list of operations for type "json".')
            paths = [path for one in body for path in _of_operation(one)]
            if any(_asks(one) for one in body):
                raise Malformed("`patch` must only add, replace or remove: give the value.")
        elif isinstance(body, dict) and body:
            paths = list(_paths(body))
        else:
            raise Malformed("`patch` must be an object with the fields to write.")
        if self.type == "strategic" and self.kind not in RESOURCES:
            raise Malformed('`type` must be "merge" or "json" for a kind that is not built in.')
        for path in paths:
            if _is_the_servers(path):
                raise Malformed(f"`patch` must not write {path}: that is the server's.")
        return body


def _is_the_servers(path: str) -> bool:
    first, *rest = path.strip("/").split("/")
    if first == "metadata":
        return not rest or rest[0] not in _FREE
    return first in ("", "status", "apiVersion", "kind") or first.startswith("$")


def _asks(operation: JsonValue) -> bool:
    """Whether it asks what stands somewhere, or writes it elsewhere: it may be a secret, and the
    name there tells nothing.
    """
    return isinstance(operation, dict) and operation.get("op") not in ("add", "replace", "remove")


def _of_operation(operation: JsonValue) -> Iterator[str]:
    if not isinstance(operation, dict) or not isinstance(operation.get("path"), str):
        raise Malformed("`patch`: an operation is an object with `op` and `path`.")
    yield from (str(operation[key]) for key in ("path", "from") if key in operation)


def _paths(patch: dict[str, JsonValue]) -> Iterator[str]:
    """The outermost paths that a patch writes, metadata one step further."""
    for key, value in patch.items():
        if key == "metadata" and isinstance(value, dict):
            yield from (f"/metadata/{inner}" for inner in value)
        else:
            yield f"/{key}"


def _with_maps(thing: Object) -> Object:
    """With its maps of labels and annotations: a way back removes what was added, no map whole."""
    metadata: Object = thing.get("metadata") or {}
    return {**thing, "metadata": {"labels": {}, "annotations": {}, **metadata}}


def _inverse(after: Any, before: Any) -> Any:
    """The merge patch that leads from `after` to `before`, both maps."""
    patch: dict[str, Any] = {key: None for key in after if key not in before}
    for key, value in before.items():
        now = after.get(key)
        if now == value:
            continue
        both = isinstance(value, dict) and isinstance(now, dict)
        patch[key] = _inverse(now, value) if both else value
    return patch
