"""Manifests as they are given: which objects they are, and how they look beside what is stored."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from tools._kit import MAYBE_NAMESPACE, ChangedPath, Refused
from tools.kubernetes.changes.documents import documents
from tools.kubernetes.changes.single import Place
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.drift import steps_of, value_at
from tools.kubernetes.kinds import RESOURCES, Object, Resource
from tools.kubernetes.objects import LAST_APPLIED, REVISION, shaped

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
