"""What the cluster is and serves, and what one may do there."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from pydantic import JsonValue

from tools._kit import Lines, NotFound, Refused, Table, Unavailable
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.counting import counted
from tools.kubernetes.discovery import documents, silent
from tools.kubernetes.kinds import Object, Resource
from tools.kubernetes.objects import conditions, name_of
from tools.kubernetes.quantities import amount, told
from tools.kubernetes.views.seen import Seen, seen, unread
from tools.kubernetes.wire import Request

_PRESSURES = ("MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable")
_MOST = 15  # nodes that are named
_MOST_NAMES = 4  # of objects that one right is about


# --- what it serves -----------------------------------------------------------------------------


async def api_resources(cluster: Cluster, group: str, scope: str) -> Table:
    """Every kind with its names and verbs, as the groups' own documents say."""
    answers = await documents(cluster.document)
    rows = []
    for path, answer in sorted(answers.items()):
        version = path.removeprefix("/apis/").removeprefix("/api/")
        for entry in (answer or {}).get("resources") or ():
            spaced = bool(entry.get("namespaced"))
            if "/" in str(entry.get("name")) or not _is_meant(version, group, scope, spaced):
                continue
            rows.append(
                (
                    str(entry.get("name")),
                    ",".join(entry.get("shortNames") or ()),
                    version,
                    str(spaced).lower(),
                    str(entry.get("kind")),
                    ",".join(entry.get("verbs") or ()),
                )
            )
    note = f"{counted(len(rows), 'kind')} of cluster {cluster.name}"
    if quiet := silent(answers):
        note += f"; these groups did not answer: {', '.join(quiet)}"
    head = ("NAME", "SHORT", "APIVERSION", "NAMESPACED", "KIND", "VERBS")
    return Table(head, tuple(rows), note)


def _is_meant(version: str, group: str, scope: str, spaced: bool) -> bool:
    own = version.rpartition("/")[0] or "core"
    return group in ("", own) and scope in ("any", "namespaced" if spaced else "cluster")


# --- what it is ---------------------------------------------------------------------------------


async def cluster_info(cluster: Cluster) -> Lines:
    """Version, health of the API, nodes and how many namespaces."""
    version, health, answers, nodes, namespaces = await asyncio.gather(
        cluster.document("/version"),
        _health(cluster),
        _groups(cluster),
        seen(cluster, "node", None),
        seen(cluster, "namespace", None),
    )
    quiet = silent(answers) if answers is not None else ()
    metrics = any(path.startswith("/apis/metrics.k8s.io/") for path in answers or ())
    lines = [
        f"Kubernetes {version.get('gitVersion', 'of an unknown version')}, {health}",
        *_nodes(nodes),
        *([f"namespaces: {len(namespaces.items)}"] if not namespaces.unread else []),
        f"use of pods and nodes: {'measured' if metrics else 'not measured (no metrics.k8s.io)'}",
        *([f"these API groups do not answer: {', '.join(quiet)}"] if quiet else []),
        *(f"not seen: {line}" for line in unread(nodes, namespaces)),
    ]
    return Lines(tuple(lines), f"cluster {cluster.name}")


async def _groups(cluster: Cluster) -> dict[str, Object | None] | None:
    try:
        return await documents(cluster.document)
    except (Refused, Unavailable):
        return None


async def _health(cluster: Cluster) -> str:
    """What the API server says of itself; what is wrong is named where we may see it."""
    try:
        said = await cluster.says("its health", "/readyz")
    except NotFound:
        return "whose health is not told"
    except (Refused, Unavailable) as error:
        return f"its API is not ready: {error}"
    return "its API is ready" if said.strip() == "ok" else "its API does not say that it is ready"


def _nodes(nodes: Seen) -> Iterator[str]:
    found = nodes.items
    if not found:
        return
    ready = sum(conditions(one).get("Ready", {}).get("status") == "True" for one in found)
    kubelets = Counter(
        str(((one.get("status") or {}).get("nodeInfo") or {}).get("kubeletVersion", "?"))
        for one in found
    )
    versions = ", ".join(f"{name} ×{count}" for name, count in sorted(kubelets.items()))
    yield f"nodes: {len(found)}, {ready} ready; {versions}; for pods {_room(found)}"
    troubled = [line for one in found if (line := _trouble(one))]
    yield from troubled[:_MOST]
    if len(troubled) > _MOST:
        yield f"  {len(troubled) - _MOST} more not as they should be"


def _room(nodes: Iterable[Object]) -> str:
    sums = {"cpu": Decimal(0), "memory": Decimal(0)}
    for one in nodes:
        have = (one.get("status") or {}).get("allocatable") or {}
        for name in sums:
            sums[name] += amount(have.get(name, "0"))
    return " and ".join(f"{told(number, name)} {name}" for name, number in sums.items())


def _trouble(node: Object) -> str:
    found = conditions(node)
    said = []
    ready = found.get("Ready", {})
    if ready.get("status") != "True":
        said.append(f"not ready ({ready.get('reason', 'it does not say why')})")
    said += [kind for kind in _PRESSURES if found.get(kind, {}).get("status") == "True"]
    if (node.get("spec") or {}).get("unschedulable"):
        said.append("cordoned")
    return f"  node/{name_of(node)}: {', '.join(said)}" if said else ""


# --- what one may do ----------------------------------------------------------------------------


async def can_i(
    cluster: Cluster, verb: str, resource: Resource, sub: str, name: str, namespace: str
) -> Lines:
    """Whether whom this acts as may do that, and why, where the cluster says."""
    attributes: dict[str, JsonValue] = {
        "verb": verb,
        "group": resource.group,
        "resource": resource.plural,
        "subresource": sub,
        "name": name,
        "namespace": namespace if resource.namespaced else "",
    }
    status, who = await asyncio.gather(
        _asked(cluster, "SelfSubjectAccessReview", {"resourceAttributes": dict(attributes)}),
        _who(cluster),
    )
    words = f"{verb} {resource.plural}{f'/{sub}' if sub else ''}{f' {name}' if name else ''}"
    if resource.namespaced:
        words += f" in namespace {namespace}" if namespace else " in every namespace"
    why = f": {status['reason']}" if status.get("reason") else ""
    may = "yes" if status.get("allowed") is True else "no"
    return Lines((f"{may}, {words}{why}",), f"cluster {cluster.name}, as {who}")


async def rights(cluster: Cluster, namespace: str) -> Table:
    """All that whom this acts as may do in a namespace, as far as the cluster can list it."""
    status, who = await asyncio.gather(
        _asked(cluster, "SelfSubjectRulesReview", {"namespace": namespace}), _who(cluster)
    )
    verbs: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for rule in status.get("resourceRules") or ():
        for resource in _resources(rule):
            found = verbs[resource, _names(rule.get("resourceNames") or ())]
            found.update(dict.fromkeys(map(str, rule.get("verbs") or ())))
    rows = sorted((resource, names, ",".join(may)) for (resource, names), may in verbs.items())
    note = f"what may be done in namespace {namespace} of cluster {cluster.name}, as {who}"
    if status.get("incomplete"):
        note += "; the cluster could not list everything: ask about one deed"
    return Table(("RESOURCES", "NAMES", "VERBS"), tuple(rows), note)


def _names(found: Sequence[str]) -> str:
    """Those that a rule is about; of many the first."""
    more = f" and {len(found) - _MOST_NAMES} more" if len(found) > _MOST_NAMES else ""
    return ",".join(map(str, found[:_MOST_NAMES])) + more or "all"


def _resources(rule: Object) -> Sequence[str]:
    groups = rule.get("apiGroups") or [""]
    return [
        f"{name}.{group}" if group not in ("", "*") and name != "*" else str(name)
        for name in rule.get("resources") or ()
        for group in groups
    ]


async def _who(cluster: Cluster) -> str:
    """The name by which the cluster knows whom this is done as; clusters before 1.28 do not say."""
    try:
        status = await _asked(cluster, "SelfSubjectReview", {}, group="authentication.k8s.io")
    except (Refused, Unavailable):
        return "somebody whom the cluster does not name"
    return str((status.get("userInfo") or {}).get("username") or "nobody")


async def _asked(
    cluster: Cluster,
    kind: str,
    spec: dict[str, JsonValue],
    group: str = "authorization.k8s.io",
) -> Object:
    """The status of a review: a question that is posted and leaves no trace."""
    body: JsonValue = {"apiVersion": f"{group}/v1", "kind": kind, "spec": spec}
    path = f"/apis/{group}/v1/{kind.lower()}s"
    request = Request("an access review", "POST", path, body=body, leaves_no_trace=True)
    found: Object = (await cluster.send(request)).get("status") or {}
    return found
