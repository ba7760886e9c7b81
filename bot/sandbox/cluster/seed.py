"""The demo's content: a shop whose newest checkout release does not start.

Namespace `shop`: `checkout` (4 replicas), where revision 6 (`shop/checkout:1.8.0`) ran for nine
days and revision 7 (`1.9.0`, 14 minutes old) crashes because nothing sets PAYMENTS_URL; the
rolling update is stuck with three old and two new pods. `rollout undo deployment/checkout` mends
it, and so does PAYMENTS_URL in the config map `checkout-config`. Around it `web`, `cart`,
`catalog`, `search`, `orders`, `image-resizer`, the stateful set `cache`, the daemon set
`node-agent` and a nightly `stock-report`; in `payments`: `api`, `worker`, `fraud` and the stateful
set `ledger` on a volume. `few` is `web`, `cart`, `checkout`, `api` and `worker` only, which is
quicker. The history is not painted: the cluster's own controllers live through it in virtual time.
"""

from collections.abc import Callable, Iterator
from typing import Final, Literal

from bot.sandbox.cluster.clock import Clock
from bot.sandbox.cluster.custom import definition
from bot.sandbox.cluster.engine import Engine
from bot.sandbox.cluster.images import IMAGES
from bot.sandbox.cluster.journal import Journal
from bot.sandbox.cluster.manifests import (
    CHANGE_CAUSE,
    autoscaler,
    budget,
    certificate,
    claim,
    config_map,
    cron_job,
    daemon_set,
    deployment,
    ingress,
    namespace,
    node,
    quota,
    secret,
    service,
    stateful_set,
    storage_class,
)
from bot.sandbox.cluster.store import Object

__all__ = [
    "IMAGES",
    "LEDGER_USED",
    "base",
    "checkout",
    "checkout_config",
    "claim_of_ledger",
    "ledger",
    "live_through",
    "orders",
    "orders_config",
    "search",
    "surroundings",
]

_DAY: Final = 86400.0
_SHOP, _PAYMENTS = "shop", "payments"
_CHECKOUTS: Final = ((39, 3), (33, 4), (27, 5), (20, 6), (14, 7), (9, 8))  # days ago, version
_WHY: Final = {
    3: "release 1.3.0: first release in this cluster",
    4: "release 1.4.0: gift cards",
    5: "release 1.5.0: invoices by mail",
    6: "release 1.6.0: retries for declined cards",
    7: "release 1.7.0: address check",
    8: "release 1.8.0: delivery slots",
    9: "release 1.9.0: payment provider by configuration",
}
LEDGER_USED: Final = 3_900_000_000  # bytes on a volume of 10 GiB


def base() -> list[Object]:
    """Return what every cluster has: nodes and the usual namespaces."""
    return [
        *(namespace(name) for name in ("default", "kube-system")),
        *(node(number) for number in (1, 2, 3)),
    ]


def live_through(
    apply: Callable[[Object], Object],
    engine: Engine,
    journal: Journal,
    clock: Clock,
    seed: bool | Literal["few"] = True,
) -> None:
    """Let the demo's history happen, from what every cluster has up to this moment; that of a part
    of it when `few`."""
    plan = _few() if seed == "few" else _whole()
    with clock.past(41 * _DAY) as now:
        for manifest in base():
            apply(manifest)
        for ago, manifest in plan:
            left = (now - clock.now()).total_seconds() - ago
            if left > 0:
                engine.advance(left)
                journal.sweep()
            apply(manifest)
        engine.advance((now - clock.now()).total_seconds())
        journal.sweep()


Step = tuple[float, Object]  # how many seconds ago somebody applied what


def _few() -> Iterator[Step]:
    for manifest in _foundation():
        yield 41 * _DAY, manifest
    for days, version in _CHECKOUTS:
        ago = days * _DAY + 120
        yield ago, checkout(version)
        if days == 27:
            yield ago, deployment(_SHOP, "web", "shop/web:2.4.0", 3)
            yield ago, deployment(_PAYMENTS, "api", "payments/api:3.2.1", 2, memory="256Mi")
    yield 14 * 60, checkout(9)


def _foundation() -> list[Object]:
    return [
        namespace(_SHOP),
        namespace(_PAYMENTS),
        checkout_config(),
        secret(_SHOP, "checkout-credentials", {"API_KEY": "demo-key-not-a-real-one"}),
        deployment(_SHOP, "web", "shop/web:2.3.0", 3),
        deployment(_SHOP, "cart", "shop/cart:1.4.2", 2),
        deployment(_PAYMENTS, "api", "payments/api:3.2.0", 2, memory="256Mi"),
        deployment(_PAYMENTS, "worker", "payments/worker:3.2.0", 1, memory="256Mi"),
        *(service(_SHOP, name) for name in ("web", "cart", "checkout")),
        service(_PAYMENTS, "api"),
        autoscaler(_SHOP, "web", 2, 6),
        budget(_SHOP, "checkout", 2),
    ]


def _whole() -> Iterator[Step]:
    """The rest is there from the beginning, or changes on days when checkout did not."""
    steps = [(ago, _explained(manifest)) for ago, manifest in _few()]
    steps += [(41 * _DAY, manifest) for manifest in surroundings()]
    hour = 3600.0
    steps += [
        (24 * _DAY + 5 * hour, _catalog("2.1.0", "release 2.1.0: pictures in three sizes")),
        (18 * _DAY + 7 * hour, search("1.6.1", "release 1.6.1: synonyms")),
        (12 * _DAY + 2 * hour, orders("5.2.0", "release 5.2.0: connection pool by configuration")),
        (6 * _DAY + 4 * hour, _fraud("1.3.0", "release 1.3.0: model of November")),
        (3 * _DAY, cron_job(_SHOP, "stock-report", "shop/stock-report:1.2.0", "30 3 * * *")),
    ]
    return iter(sorted(steps, key=lambda step: -step[0]))


def _explained(manifest: Object) -> Object:
    """Tell why a release was made, where that is known."""
    if manifest["kind"] == "Deployment" and manifest["metadata"]["name"] == "checkout":
        image = manifest["spec"]["template"]["spec"]["containers"][0]["image"]
        cause = _WHY[int(image.split(".")[1])]
        manifest["metadata"]["annotations"] = {CHANGE_CAUSE: cause}
    return manifest


def surroundings() -> list[Object]:
    """Return what the whole demo has from its first day on and `few` lacks."""
    names = ("catalog", "search", "orders", "cache", "image-resizer")
    return [
        storage_class(),
        quota(_SHOP, pods="60", requests_cpu="8", requests_memory="16Gi"),
        quota(_PAYMENTS, pods="30", requests_cpu="6", requests_memory="12Gi"),
        *(service(_SHOP, name) for name in names),
        *(service(_PAYMENTS, name) for name in ("fraud", "ledger")),
        definition(),
        certificate(_SHOP, "shop-example", "shop.example", "www.shop.example"),
        certificate(_SHOP, "cart-internal", "cart.shop.svc"),
        certificate(_PAYMENTS, "api-internal", "api.payments.svc"),
        ingress(_SHOP, "web", "shop.example", "web"),
        orders_config(),
        secret(_SHOP, "orders-database", {"DB_PASSWORD": "demo-password-not-a-real-one"}),
        claim_of_ledger(),
        _catalog("2.0.3", "release 2.0.3"),
        search("1.5.0", "release 1.5.0"),
        orders("5.1.4", "release 5.1.4"),
        deployment(_SHOP, "image-resizer", "shop/image-resizer:0.9.2", 1, memory="256Mi"),
        stateful_set(_SHOP, "cache", "shop/cache:7.4.1", 2, "512Mi"),
        daemon_set(_SHOP, "node-agent", "shop/node-agent:1.0.7"),
        _fraud("1.2.0", "release 1.2.0"),
        ledger(),
        budget(_SHOP, "cart", 1),
        budget(_PAYMENTS, "api", 1),
        autoscaler(_SHOP, "catalog", 2, 5),
    ]


def checkout_config() -> Object:
    """Return the settings of checkout, which lack what its release 1.9 needs."""
    data = {"CART_URL": "http://cart.shop:8080", "LOG_LEVEL": "info"}
    return config_map(_SHOP, "checkout-config", data)


def checkout(version: int) -> Object:
    """Return a release of checkout; from 1.9 on it needs PAYMENTS_URL."""
    manifest = deployment(_SHOP, "checkout", f"shop/checkout:1.{version}.0", 4)
    (own,) = manifest["spec"]["template"]["spec"]["containers"]
    key = {"name": "checkout-credentials", "key": "API_KEY"}
    own["envFrom"] = [{"configMapRef": {"name": "checkout-config"}}]
    own["env"] = [{"name": "API_KEY", "valueFrom": {"secretKeyRef": key}}]
    return manifest


def _catalog(version: str, cause: str) -> Object:
    return deployment(_SHOP, "catalog", f"shop/catalog:{version}", 2, cause=cause)


def search(version: str, cause: str, memory: str = "256Mi") -> Object:
    """Return a release of search, whose index grows to 180 MiB."""
    return deployment(_SHOP, "search", f"shop/search:{version}", 2, memory, cause)


def _fraud(version: str, cause: str) -> Object:
    return deployment(_PAYMENTS, "fraud", f"payments/fraud:{version}", 2, "384Mi", cause)


def orders(version: str, cause: str) -> Object:
    """Return a release of orders, which takes the size of its pool from its config map."""
    manifest = deployment(_SHOP, "orders", f"shop/orders:{version}", 2, cause=cause)
    (own,) = manifest["spec"]["template"]["spec"]["containers"]
    own["envFrom"] = [{"configMapRef": {"name": "orders-config"}}]
    key = {"name": "orders-database", "key": "DB_PASSWORD"}
    own["env"] = [{"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": key}}]
    return manifest


def orders_config(pool: int = 20) -> Object:
    """Return the settings of orders, which needs 12 connections for its traffic."""
    data = {"DB_HOST": "db.orders.example", "DB_POOL_SIZE": str(pool), "LOG_LEVEL": "info"}
    return config_map(_SHOP, "orders-config", data)


def ledger() -> Object:
    """Return the ledger, which writes to its volume all the time."""
    image, mount = "payments/ledger:4.0.2", "/var/lib/ledger"
    return stateful_set(_PAYMENTS, "ledger", image, 1, "384Mi", mount)


def claim_of_ledger() -> Object:
    """Return the ledger's volume claim."""
    return claim(_PAYMENTS, "data-ledger-0", "10Gi", LEDGER_USED)
