"""`/healthz`: alive. `/readyz`: whether this process can do its work, and what cannot be
reached. `/metrics`: its figures.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from pydantic import JsonValue

from bot.core.tasks import Tasks
from bot.web.metrics import CONTENT_TYPE, Metrics


@dataclass(frozen=True)
class Readiness:
    """`problems` make it not ready; `away` and `notes` are told, but change nothing."""

    problems: tuple[str, ...] = ()
    away: tuple[str, ...] = ()  # a model, a cluster: its tools say so themselves
    notes: tuple[str, ...] = ()
    facts: dict[str, JsonValue] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        return not self.problems


Check = Callable[[], Awaitable[Readiness]]


def application(check: Check, metrics: Metrics | None = None) -> web.Application:
    """The endpoints; `/metrics` where there are some."""

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"alive": True})

    async def readyz(_: web.Request) -> web.Response:
        found = await check()
        body = {
            "ready": found.ready,
            "problems": list(found.problems),
            "away": list(found.away),
            "notes": list(found.notes),
            **found.facts,
        }
        return web.Response(
            text=json.dumps(body, indent=2) + "\n",
            status=200 if found.ready else 503,
            content_type="application/json",
        )

    async def figures(_: web.Request) -> web.Response:
        assert metrics is not None  # noqa: S101 -- its route exists only then
        return web.Response(body=await metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    if metrics is not None:
        app.router.add_get("/metrics", figures)
    return app


@asynccontextmanager
async def serve(
    check: Check, host: str, port: int, metrics: Metrics | None = None
) -> AsyncIterator[int]:
    """Serve on `host`; yields the port (chosen by the system for 0). Raises `OSError` when it
    is taken.
    """
    runner = web.AppRunner(application(check, metrics), access_log=None, shutdown_timeout=2)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        async with Tasks() as tasks:
            if metrics is not None:
                tasks.start("loop lag", metrics.measure_lag())
            yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
