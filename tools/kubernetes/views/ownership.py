"""Who stands behind an object: its owners, what deploys it, and who wrote which of its fields."""

from collections.abc import Iterator
from datetime import datetime

from tools._kit import Lines, NotFound, Refused, Unavailable, hints
from tools.kubernetes import missing
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.kinds import Object, Resource
from tools.kubernetes.objects import age, annotation, labels_of, meta, namespace_of

_HOPS = 6  # up the chain of owners
_FIELDS = 15  # of each manager
_DEEP = 6  # how far into an object fields are told


async def ownership(
    cluster: Cluster, resource: Resource, namespace: str, name: str, now: datetime
) -> Lines:
    """The chain of owners, the tools that deploy it, and its fields' managers."""
    live = await missing.found(cluster, resource, namespace, name)
    lines = [*await _chain(cluster, live, now), *deployers(live), *_managers(live, now)]
    place = f" in {namespace_of(live)}" if namespace_of(live) else ""
    return Lines(tuple(lines), f"{resource.kind}/{name}{place}")


async def _chain(cluster: Cluster, live: Object, now: datetime) -> list[str]:
    """Its owner, that one's owner, up to what nothing owns."""
    lines: list[str] = []
    top = live
    for _ in range(_HOPS):
        references = meta(top).get("ownerReferences") or ()
        if not references:
            break
        owner = next((one for one in references if one.get("controller")), references[0])
        kind, name = str(owner.get("kind")), str(owner.get("name"))
        group = str(owner.get("apiVersion", "")).rpartition("/")[0]
        said = f"owned by {kind.lower()}/{name}"
        try:
            resource = await cluster.resource(f"{kind.lower()}.{group}" if group else kind.lower())
            if not resource.namespaced and not hints.allowed():
                lines.append(said)
                break
            above = await cluster.get(resource, namespace_of(top), name)
        except NotFound:
            lines.append(f"{said}, which is not there any more")
            break
        except (Refused, Unavailable) as error:
            lines.append(f"{said}, which could not be looked at: {error}")
            break
        lines.append(f"{said}, made {age(meta(above).get('creationTimestamp'), now)} ago")
        if meta(above).get("uid") != owner.get("uid"):
            lines[-1] += ", but that is another one of this name"
            break
        lines += [f"  {line}" for line in deployers(above)]
        top = above
    return lines or ["nothing in the cluster owns it"]


def deployers(live: Object) -> Iterator[str]:
    """The tools that left their mark on it and will write it again."""
    labels = labels_of(live)
    if release := annotation(live, "meta.helm.sh/release-name"):
        place = annotation(live, "meta.helm.sh/release-namespace") or namespace_of(live)
        chart = labels.get("helm.sh/chart")
        yield f"Helm release {release} in {place}" + (f", chart {chart}" if chart else "")
    tracked = annotation(live, "argocd.argoproj.io/tracking-id").partition(":")[0]
    if application := tracked or labels.get("argocd.argoproj.io/instance"):
        yield f"Argo CD application {application}"
    for kind, word in (("kustomize", "Kustomization"), ("helm", "HelmRelease")):
        if name := labels.get(f"{kind}.toolkit.fluxcd.io/name"):
            place = labels.get(f"{kind}.toolkit.fluxcd.io/namespace", "")
            yield f"Flux {word} {name}" + (f" in {place}" if place else "")
    if owner := labels.get("olm.owner"):
        yield f"operator {owner}, by the Operator Lifecycle Manager"
    manager = labels.get("app.kubernetes.io/managed-by", "")
    if manager and manager != "Helm":
        yield f"it says that {manager} manages it"


def _managers(live: Object, now: datetime) -> Iterator[str]:
    """Who wrote which fields, the newest first; the status is left out."""
    entries = [
        one for one in meta(live).get("managedFields") or () if one.get("subresource") != "status"
    ]
    for one in sorted(entries, key=lambda one: str(one.get("time") or ""), reverse=True):
        paths = list(_paths(one.get("fieldsV1") or {}))
        named = ", ".join(paths[:_FIELDS])
        more = f" and {len(paths) - _FIELDS} more" if len(paths) > _FIELDS else ""
        part = f" ({one['subresource']})" if one.get("subresource") else ""
        how = "applies" if one.get("operation") == "Apply" else "wrote"
        when = f"{age(one.get('time'), now)} ago" if one.get("time") else "at some time"
        yield f"{one.get('manager')}{part} {how}, last {when}: {named}{more}"


def _paths(fields: Object, above: str = "", depth: int = 0) -> Iterator[str]:
    """The leaves as people write them: spec.replicas, spec.template.spec.containers[web].image."""
    inner = {key: value for key, value in fields.items() if key != "."}
    if above and (not inner or depth >= _DEEP):
        yield above
        return
    for key, value in inner.items():
        sort, _, name = key.partition(":")
        step = f"[{_member(name)}]" if sort in ("k", "v") else f".{name}" if above else name
        yield from _paths(value or {}, above + step, depth + (sort == "f"))


def _member(key: str) -> str:
    """Of `{"name":"web"}` what tells it from the others."""
    return key.strip("{}").replace('"', "").removeprefix("name:")
