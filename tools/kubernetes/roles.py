"""Roles for the cluster, made from what the tools call: to look, and to do what was approved."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from pydantic import JsonValue

from tools._kit import Access
from tools.kubernetes.diagnosis.reader import ONLY_HERE
from tools.kubernetes.kinds import RESOURCES
from tools.kubernetes.rights import NEEDS

_API = "rbac.authorization.k8s.io"
_LOOKS = frozenset({"get", "list", "watch"})
_OF_NO_NAMESPACE = frozenset(
    one.plural for one in (*RESOURCES.values(), *ONLY_HERE) if not one.namespaced
)

Manifest = dict[str, JsonValue]


def rights(role: str, tools: Iterable[str] = ()) -> frozenset[Access]:
    """What `reader` or `operator` may do: all of the tools, or those that are named.

    Raises `ValueError` for a tool that there is not.
    """
    wanted = tuple(tools) or tuple(NEEDS)
    if unknown := [name for name in wanted if name not in NEEDS]:
        raise ValueError(f"there is no tool {unknown[0]}; known: {', '.join(sorted(NEEDS))}")
    needed = frozenset().union(*(NEEDS[name] for name in wanted))
    # a command in a container is begun with a GET, and is no look
    looks = frozenset(one for one in needed if one.verb in _LOOKS and one.sub != "exec")
    return looks if role == "reader" else needed - looks


def cluster_wide(allowed: Iterable[Access]) -> frozenset[Access]:
    """Those that lie in no namespace: no role of a namespace can give them."""
    return frozenset(one for one in allowed if one.resource in _OF_NO_NAMESPACE)


def account(namespace: str, name: str) -> list[Manifest]:
    """The bot's own, with the namespace that it lies in."""
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": name, "namespace": namespace},
        },
    ]


def bound(
    name: str, allowed: Iterable[Access], subject: tuple[str, str], namespaces: Sequence[str] = ()
) -> Iterator[Manifest]:
    """A role of that name with its binding to an account (namespace, name): of the whole cluster,
    or one in each of the namespaces."""
    allowed = frozenset(allowed)
    if not namespaces:
        yield from _pair("ClusterRole", {"name": name}, allowed, subject)
        return
    for namespace in namespaces:
        meta: Manifest = {"name": name, "namespace": namespace}
        yield from _pair("Role", meta, allowed - cluster_wide(allowed), subject)


def _pair(
    kind: str, meta: Manifest, allowed: Iterable[Access], subject: tuple[str, str]
) -> Iterator[Manifest]:
    api = f"{_API}/v1"
    yield {"apiVersion": api, "kind": kind, "metadata": meta, "rules": list(_rules(allowed))}
    yield {
        "apiVersion": api,
        "kind": f"{kind}Binding",
        "metadata": meta,
        "subjects": [{"kind": "ServiceAccount", "name": subject[1], "namespace": subject[0]}],
        "roleRef": {"apiGroup": _API, "kind": kind, "name": str(meta["name"])},
    }


def _rules(allowed: Iterable[Access]) -> Iterator[Manifest]:
    """As few as there are groups and sets of verbs."""
    verbs: dict[tuple[str, str], set[str]] = defaultdict(set)
    for one in allowed:
        verbs[one.group, one.resource + (f"/{one.sub}" if one.sub else "")].add(one.verb)
    resources: dict[tuple[str, tuple[str, ...]], list[JsonValue]] = defaultdict(list)
    for (group, resource), of_it in sorted(verbs.items()):
        resources[group, tuple(sorted(of_it))].append(resource)
    for (group, of_them), named in sorted(resources.items()):
        yield {"apiGroups": [group], "resources": named, "verbs": list(of_them)}
