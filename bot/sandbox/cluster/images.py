"""How the demo's images act: what they need, write, use, ask of one another and die of.

Requests come from outside to `shop/web` (and to `shop/image-resizer`), and each one needs the
services that `calls` names, some of them only for a part of the requests.
"""

from typing import Final

from bot.sandbox.cluster.fate import Behaviour

_CHECKOUT_CALLS: Final = ("shop/cart", "shop/orders", "payments/api")

IMAGES: Final = (
    Behaviour(
        "shop/web:2.*",
        work_lines=(
            "INFO GET / 200 {ms}ms",
            "INFO GET /products/{n} 200 {ms}ms",
            "INFO GET /search 200 {ms}ms",
        ),
        rps=200.0,
        calls=("shop/catalog", "shop/search 30%", "shop/cart 40%", "shop/checkout 10%"),
        latency_ms=18.0,
        cpu_per_request=0.92,
    ),
    Behaviour(
        "shop/cart:1.*",
        work_lines=("INFO cart={n} item added in {ms}ms", "INFO cart={n} read in {ms}ms"),
        calls=("shop/cache",),
        latency_ms=6.0,
        cpu_per_request=1.2,
    ),
    Behaviour(
        "shop/checkout:1.9.*",
        ready_seconds=2.0,
        needs={"PAYMENTS_URL": "FATAL missing PAYMENTS_URL: no payment provider is configured"},
        work_lines=("INFO order={n} paid in {ms}ms",),
        calls=_CHECKOUT_CALLS,
        latency_ms=35.0,
        cpu_per_request=40.0,
    ),
    Behaviour(
        "shop/checkout:1.[0-8].*",
        ready_seconds=2.0,
        work_lines=("INFO order={n} paid in {ms}ms", "INFO order={n} confirmed"),
        calls=_CHECKOUT_CALLS,
        latency_ms=35.0,
        cpu_per_request=40.0,
    ),
    Behaviour(
        "payments/api:3.*",
        memory="96Mi",
        work_lines=("INFO POST /charge 201 {ms}ms", "INFO POST /refund 201 {ms}ms"),
        calls=("payments/fraud", "payments/ledger"),
        latency_ms=22.0,
        cpu_per_request=4.0,
    ),
    Behaviour(
        "payments/worker:3.*",
        memory="160Mi",
        work_lines=("INFO settled batch={n} in {ms}ms",),
        work_every=30.0,
        cpu_idle="20m",
    ),
    # From here on only in the whole demo.
    Behaviour(
        "shop/catalog:2.*",
        work_lines=("INFO GET /products/{n} 200 {ms}ms", "INFO GET /products 200 {ms}ms"),
        calls=("shop/cache",),
        latency_ms=9.0,
    ),
    Behaviour(
        "shop/search:1.*",
        memory="180Mi",
        grow_seconds=45.0,
        work_lines=(
            "INFO query={n} hits=24 in {ms}ms",
            "INFO index segment={n} loaded",
        ),
        latency_ms=24.0,
        cpu_per_request=3.0,
    ),
    Behaviour(
        "shop/orders:5.*",
        ready_seconds=3.0,
        memory="90Mi",
        pool="DB_POOL_SIZE",
        pool_needs=12,
        work_lines=("INFO order={n} stored in {ms}ms",),
        latency_ms=16.0,
        cpu_per_request=8.0,
    ),
    Behaviour(
        "shop/cache:7.*",
        memory="200Mi",
        grow_seconds=60.0,
        work_lines=("INFO keys={n} evicted=0 in {ms}ms",),
        work_every=30.0,
        latency_ms=1.0,
        cpu_per_request=0.2,
    ),
    Behaviour(
        "shop/image-resizer:0.*",
        memory="140Mi",
        work_lines=("INFO image={n} resized to 640x480 in {ms}ms",),
        rps=6.0,
        latency_ms=80.0,
        cpu_per_request=12.0,
    ),
    Behaviour(
        "shop/node-agent:1.*",
        work_lines=("INFO shipped {n} lines in {ms}ms",),
        work_every=60.0,
        cpu_idle="12m",
    ),
    Behaviour(
        "shop/stock-report:1.*",
        ends_after=40.0,
        work_lines=("INFO shelf={n} counted",),
        work_every=4.0,
        cpu_idle="150m",
    ),
    Behaviour(
        "payments/fraud:1.*",
        ready_seconds=4.0,
        memory="220Mi",
        grow_seconds=30.0,
        work_lines=("INFO payment={n} score=0.{ms} accepted",),
        latency_ms=14.0,
        cpu_per_request=6.0,
    ),
    Behaviour(
        "payments/ledger:4.*",
        ready_seconds=3.0,
        memory="180Mi",
        data="/var/lib/ledger",
        data_rate="2",
        work_lines=("INFO entry={n} written in {ms}ms", "INFO segment={n} synced in {ms}ms"),
        latency_ms=8.0,
        cpu_per_request=5.0,
    ),
)
