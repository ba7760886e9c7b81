"""A pool size lowered in a config map: every pod runs, and most requests wait for a connection."""

from typing import Final

from bot.sandbox.cluster import Cluster, seed
from bot.sandbox.cluster.clock import stamp
from bot.sandbox.cluster.manifests import CHANGE_CAUSE
from bot.sandbox.stories.story import Cause, Story, explain, restart, there

_SIZE: Final = "DB_POOL_SIZE"
_NEEDS, _SMALL, _USUAL = 12, 2, 20
_WAITING_MS: Final = 4000.0


def _begin(cluster: Cluster) -> None:
    if _is_small(cluster) and _waits(cluster):
        return
    _set(cluster, _SMALL)


def _mend(cluster: Cluster) -> None:
    there(cluster, seed.orders_config())
    there(cluster, seed.orders("5.2.0", "release 5.2.0"))
    if _broken(cluster):
        _set(cluster, _USUAL)


def _set(cluster: Cluster, size: int) -> None:
    """Change the setting, and restart what reads it only as it starts."""
    settings = there(cluster, seed.orders_config())
    data = settings.get("data") or {}
    settings["data"] = {**data, _SIZE: str(size)}
    explain(settings, f"{_SIZE} {data.get(_SIZE, 'unset')} to {size}")
    cluster.apply(settings)
    orders = there(cluster, seed.orders("5.2.0", "release 5.2.0"))
    orders["spec"]["replicas"] = orders["spec"]["replicas"] or 2
    restart(orders, stamp(cluster.clock.now()))
    cluster.apply(orders)


def _broken(cluster: Cluster) -> bool:
    return _is_small(cluster) or _waits(cluster)


def _is_small(cluster: Cluster) -> bool:
    settings = cluster.get("ConfigMap", "shop", "orders-config")
    size = ((settings or {}).get("data") or {}).get(_SIZE)
    return settings is not None and not (size and size.isdecimal() and int(size) >= _NEEDS)


def _waits(cluster: Cluster) -> bool:
    flow = cluster.traffic.of("shop", "orders")
    return flow is not None and flow.p95_ms >= _WAITING_MS


def _seen(cluster: Cluster) -> bool:
    settings = cluster.get("ConfigMap", "shop", "orders-config") or {"metadata": {}}
    return CHANGE_CAUSE in (settings["metadata"].get("annotations") or {})


STORY: Final = Story(
    key="pool",
    title="Orders wait for a connection",
    symptom="All pods run, yet most orders fail after five seconds.",
    reporter="dave",
    report=(
        "Customers say that ordering hangs and then fails, most of the time. All pods of "
        "`checkout` and `orders` in `shop` run, nothing was released. What is it?"
    ),
    namespace="shop",
    workload="deployment/orders",
    cause=Cause(
        says=(
            ("DB_POOL_SIZE", "connection pool", "pool size"),
            ("orders-config", "config map", "configmap", "configuration", "setting"),
            ("orders",),
        ),
        blames_not=(
            "out of memory",
            "OOM",
            "PAYMENTS_URL",
            "payments/api",
            "database is down",
            "ledger",
            "node",
        ),
    ),
    commands=(
        "diagnose deployment/orders -n shop",
        "logs deployment/checkout -n shop --grep ERROR --tail 20",
        "get pods -n shop -l app=orders",
        "logs deployment/orders -n shop --grep ERROR --tail 20",
        "get configmap orders-config -n shop",
    ),
    begin=_begin,
    mend=_mend,
    broken=_broken,
    seen=_seen,
)
