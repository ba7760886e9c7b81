"""A memory limit below what the service grows to: it runs for a while, then it is killed."""

from typing import Final

from bot.sandbox.cluster import Cluster, seed
from bot.sandbox.cluster.quantities import quantity
from bot.sandbox.cluster.store import Object
from bot.sandbox.stories.story import Cause, Story, container, explain, templates, there

_NEEDS: Final = "180Mi"  # what its index grows to, by its image
_TIGHT, _WIDE = "128Mi", "256Mi"


def _search() -> Object:
    return seed.search("1.6.1", "release 1.6.1: synonyms")


def _begin(cluster: Cluster) -> None:
    if _broken(cluster):
        return
    search = there(cluster, _search())
    _limit(search, _TIGHT)
    search["spec"]["replicas"] = search["spec"]["replicas"] or 2
    explain(search, "right-sizing: limits by the average of last week")
    cluster.apply(search)


def _mend(cluster: Cluster) -> None:
    search = there(cluster, _search())
    if not _broken(cluster):
        return
    _limit(search, _WIDE)
    explain(search, "limits as before")
    cluster.apply(search)


def _limit(search: Object, memory: str) -> None:
    limits = container(search).setdefault("resources", {}).setdefault("limits", {})
    limits["memory"] = memory


def _broken(cluster: Cluster) -> bool:
    search = cluster.get("Deployment", "shop", "search")
    return search is not None and _is_tight(container(search))


def _is_tight(own: Object) -> bool:
    limit = own.get("resources", {}).get("limits", {}).get("memory")
    return limit is not None and quantity(limit) < quantity(_NEEDS)


def _seen(cluster: Cluster) -> bool:
    found = templates(cluster, "shop", "search")
    return any(_is_tight(one["spec"]["containers"][0]) for one in found)


STORY: Final = Story(
    key="oom",
    title="Search dies after a limit change",
    symptom="search works for a minute, then its pods are killed, again and again.",
    reporter="bob",
    report=(
        "The shop's search comes and goes: it works for a minute, then every search is an error. "
        "Same version as last week. Any idea?"
    ),
    namespace="shop",
    workload="deployment/search",
    cause=Cause(
        says=(
            ("memory limit", "limit"),
            ("memory", "OOM", "OOMKilled", "128Mi", "128 MiB"),
            ("search",),
        ),
        blames_not=("image pull", "node", "liveness probe", "1.6.1", "connection pool", "volume"),
    ),
    commands=(
        "diagnose deployment/search -n shop",
        "get pods -n shop -l app=search",
        "describe deployment/search -n shop",
        "rollout history deployment/search -n shop",
        "rollout undo deployment/search -n shop",
    ),
    begin=_begin,
    mend=_mend,
    broken=_broken,
    seen=_seen,
    mended_by_bot=True,
)
