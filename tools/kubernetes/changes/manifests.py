"""Manifests as they are given: which objects they are, and how they look beside what is stored."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    JsonValue,
    StringConstraints,
    model_validator,
)

from tools._kit import MAYBE_NAMESPACE, MIXED, Access, Change, ChangedPath, Refused, Risk, Touched
from tools.kubernetes.changes.documents import LONGEST, documents
from tools.kubernetes.changes.labels import MaybeNamespace
from tools.kubernetes.changes.single import Place
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.drift import steps_of, value_at
from tools.kubernetes.kinds import RESOURCES, Object, Resource, access, canonical_kind
from tools.kubernetes.objects import LAST_APPLIED, REVISION, labels_of, shaped

MOST = 20
# A segment of a path, whole: names of roles have colons, none has a slash, a percent or "..".
_NAME = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.:]{0,251}[A-Za-z0-9])?")
_MAYBE_NAMESPACE = re.compile(MAYBE_NAMESPACE.strip("^$"))
_CONFLICT = re.compile(r'conflicts? with "')
_FIELD = re.compile(r"(?:^|[\s-])(\.[^\s;,]+)")
_MANAGERS = {
    "kubectl-client-side-apply": "kubectl apply",
    "kubectl-edit": "somebody with kubectl edit",
    "kubectl-scale": "somebody with kubectl scale",
    "kube-controller-manager": "a controller of the cluster, such as an autoscaler,",
    "helm": "Helm",
    "argocd-controller": "Argo CD",
    "argocd-application-controller": "Argo CD",
    "kustomize-controller": "Flux",
    "helm-controller": "Flux",
}
_THE_SERVERS = (
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "managedFields",
    "selfLink",
    "deletionTimestamp",
)


@dataclass(frozen=True)
class Document:
    """One object as it shall be."""

    kind: str  # as the manifest writes it
    api_version: str
    namespace: str  # that it names itself; empty: none
    name: str
    body: Object

    def __str__(self) -> str:
        return f"{self.kind.lower()}/{self.name}"

    @property
    def as_rules_say(self) -> str:
        """Its kind by the name that every change gives it: a foreign one's has its group.

        The plural is the one that Kubernetes itself guesses where it cannot ask.
        """
        plain, group = self.kind.lower(), self.api_version.rpartition("/")[0]
        built_in = RESOURCES.get(plain)
        if not group or (built_in is not None and built_in.group == group):
            return plain
        return f"{_plural(plain)}.{group}"


def _plural(kind: str) -> str:
    if kind.endswith("s"):
        return f"{kind}es"
    return f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"


def read(text: str) -> list[Document]:
    """The objects of a text. Raises `ValueError`."""
    found = [_document(one) for one in documents(text, MOST)]
    if not found:
        raise ValueError("holds no object")
    names = [(one.kind, one.api_version.partition("/")[0], one.name) for one in found]
    if len({*names}) != len(names):
        raise ValueError("holds an object twice")
    return found


def _document(given: JsonValue) -> Document:
    fields = given if isinstance(given, dict) else {}
    body: Object = {key: value for key, value in fields.items() if key != "status"}
    metadata = body.get("metadata")
    named = isinstance(metadata, dict) and isinstance(metadata.get("name"), str)
    if not named or not all(isinstance(body.get(key), str) for key in ("apiVersion", "kind")):
        raise ValueError("must be objects, each with apiVersion, kind and metadata.name")
    if body["kind"].endswith("List") and "items" in body:
        raise ValueError("holds a list: give its objects as documents of their own")
    body["metadata"] = _without_the_servers(body["metadata"])
    namespace, name = body["metadata"].get("namespace") or "", body["metadata"]["name"]
    if not isinstance(namespace, str) or not _MAYBE_NAMESPACE.fullmatch(namespace):
        raise ValueError("names a namespace that cannot be one")
    if not _NAME.fullmatch(name):
        raise ValueError("holds an object whose name cannot be one")
    return Document(body["kind"], body["apiVersion"], namespace, name, body)


def _without_the_servers(metadata: Object) -> Object:
    """Without what the server, its controllers and kubectl write: a manifest may be what they
    showed.
    """
    found = {key: value for key, value in metadata.items() if key not in _THE_SERVERS}
    annotations = found.get("annotations")
    if isinstance(annotations, dict):
        kept = {k: v for k, v in annotations.items() if k not in (REVISION, LAST_APPLIED)}
        found = {**found, "annotations": kept}
    return {key: value for key, value in found.items() if key != "annotations" or value}


async def located(cluster: Cluster, one: Document, namespace: str) -> tuple[Resource, Place]:
    """Where the object lives. Raises `Refused` unless it is of that namespace, or of none."""
    group = one.api_version.rpartition("/")[0]
    plain = one.kind.lower()
    built_in = RESOURCES.get(plain)
    if built_in is None or built_in.group != group:
        built_in = await cluster.resource(f"{plain}.{group}" if group else plain)
    if group and built_in.written != one.as_rules_say:  # rules were asked about another name
        raise Refused(
            f"{one} is of {built_in.written}, whose rules cannot be told from a manifest: patch it."
        )
    if built_in.api_version != one.api_version:
        raise Refused(f"{one.kind} is served as {built_in.api_version}, not as {one.api_version}.")
    if built_in.namespaced and not namespace:
        raise Refused(f"`namespace` is missing: {one} is in one.")
    if not built_in.namespaced and namespace:
        raise Refused(f"{one} is in no namespace: apply it by itself, without `namespace`.")
    if one.namespace not in ("", namespace):
        raise Refused(f"{one} names the namespace {one.namespace}, and `namespace` {namespace}.")
    return built_in, Place(built_in.written, namespace, one.name)


def as_it_was(one: Document, live: Object, changes: tuple[ChangedPath, ...]) -> Object:
    """What to apply so that those fields are again as they are in `live`."""
    found: Object = shaped(one.body, live)
    for change in changes:
        if change.after is None and change.before is not None:
            _put(found, steps_of(change.path), value_at(live, change.path))
    meta = found.setdefault("metadata", {})
    meta["name"] = one.name
    return {"apiVersion": one.api_version, "kind": one.kind, **found}


def _put(thing: Any, steps: list[str], value: Any) -> None:
    *way, last = steps
    for step in way:
        thing = _into(thing, step)
    if isinstance(thing, list):
        thing.append(value)
    else:
        thing[last] = value


def _into(thing: Any, step: str) -> Any:
    if isinstance(thing, list):
        for one in thing:
            if isinstance(one, dict) and one.get("name") == step:
                return one
        thing.append({"name": step})
        return thing[-1]
    return thing.setdefault(step, {})


def owners_in(words: str) -> dict[str, list[str]]:
    """The fields that other managers own, by manager, from the server's words."""
    found: dict[str, list[str]] = {}
    for part in _CONFLICT.split(words)[1:]:
        manager, _, rest = part.partition('"')
        found.setdefault(manager, []).extend(_FIELD.findall(rest))
    return found


def owned_by_others(words: str) -> Iterator[str]:
    """The same in words: "kubectl owns .spec.replicas"."""
    for manager, fields in owners_in(words).items():
        listed = ", ".join(fields[:5]) + (" and more" if len(fields) > 5 else "")
        yield f"{_MANAGERS.get(manager, manager)} owns {listed or 'some of its fields'}"


def _readable(text: str) -> str:
    read(text)
    return text


class ManifestChange(Change):
    """A change of all objects of a manifest."""

    risk: ClassVar[Risk] = Risk.WRITE
    namespace: MaybeNamespace = ""
    manifest: Annotated[
        str,
        StringConstraints(max_length=LONGEST, min_length=2),
        AfterValidator(_readable),
        Field(description="YAML or JSON, at most 20 documents, all of `namespace`."),
    ]
    # Of the one object, or of several of one kind: what rules are about. Filled in.
    kind: Annotated[str, BeforeValidator(canonical_kind), Field(description="Leave it out.")] = ""
    name: Annotated[str, Field(description="Leave it out.")] = ""

    @model_validator(mode="before")
    @classmethod
    def _named(cls, given: Any) -> Any:
        """What is applied, as rules see it; whatever was said of that is not asked."""
        if not isinstance(given, dict) or not isinstance(given.get("manifest"), str):
            return given
        try:
            found = read(given["manifest"])
        except ValueError:
            return given  # told of the manifest itself
        kinds = {one.as_rules_say for one in found}
        kind = kinds.pop() if len(kinds) == 1 else MIXED
        return {**given, "kind": kind, "name": found[0].name if len(found) == 1 else ""}

    def each(self, verb: str) -> tuple[Access, ...]:
        """The right to that, of each object; none of a kind of the core that is not built in."""
        return tuple(
            access(verb, one.as_rules_say, namespace=self.namespace, name=one.name)
            for one in read(self.manifest)
            if one.as_rules_say in RESOURCES or "." in one.as_rules_say
        )

    def target(self) -> str:
        """The object; the first of several."""
        first, *others = read(self.manifest)
        more = (f"+{len(others)}",) if others else ()
        return "/".join(filter(None, (self.namespace, str(first), *more)))


def common(labels: list[dict[str, str]]) -> dict[str, str]:
    """Those that all of them have."""
    first, *others = labels
    return {k: v for k, v in first.items() if all(one.get(k) == v for one in others)}


def touched(one: Document, place: Place, thing: Object) -> Touched:
    """The object of one document, as rules see it."""
    labels = labels_of(thing)
    return Touched(kind=one.as_rules_say, name=place.name, namespace=place.namespace, labels=labels)
