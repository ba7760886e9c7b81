"""Watches: a stream of changes from a version on, with bookmarks, until time is up."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from aiohttp import web

from bot.sandbox.cluster.calls import TRUE, Call
from bot.sandbox.cluster.kinds import Resource
from bot.sandbox.cluster.status import ApiError
from bot.sandbox.cluster.store import Change, Object, Store
from bot.sandbox.cluster.tables import as_table, wants_table
from bot.sandbox.cluster.verbs import Verbs, full

Line: TypeAlias = Callable[[str, Object], bytes]

BOOKMARK_SECONDS = 10.0
DEFAULT_SECONDS = 1800


@dataclass
class Watches:
    """All open watches, so that they can be ended together."""

    store: Store
    verbs: Verbs
    _open: set[asyncio.Queue[Change | None]] = field(default_factory=set)

    def end(self) -> None:
        """End every watch as a server does that goes away."""
        for queue in self._open:
            queue.put_nowait(None)

    async def stream(self, request: web.Request, call: Call) -> web.StreamResponse:
        """Send what happens to what the call names."""
        seconds = call.number("timeoutSeconds") or DEFAULT_SECONDS
        queue: asyncio.Queue[Change | None] = asyncio.Queue()
        line = self._writer(request, call.place.resource)
        backlog, failure = self._backlog(call)
        ignore = self.store.listen(queue.put_nowait)
        self._open.add(queue)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        try:
            await response.prepare(request)
            for pair in backlog:
                await response.write(line(*pair))
            if failure is None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await self._follow(request, response, call, queue, line)
            else:
                await response.write(_text("ERROR", failure.body()))
            await response.write_eof()
        except ConnectionError:
            return response  # the client went away, as watchers do
        finally:
            self._open.discard(queue)
            ignore()
        return response

    def _writer(self, request: web.Request, resource: Resource) -> Line:
        """How a change is written: as the object, or as the row of a table that kubectl prints."""
        if not wants_table(request.headers.get("Accept", "")):
            return _text

        def row(kind: str, thing: Object) -> bytes:
            return _text(kind, as_table(resource, thing, self.store.clock.now()))

        return row

    def _backlog(self, call: Call) -> tuple[list[tuple[str, Object]], ApiError | None]:
        """Return what has happened since the version asked for, or what there is now."""
        version = call.number("resourceVersion") or 0
        resource = call.place.resource
        if version:
            seen = self.verbs.watched(call)
            try:
                changes = self.store.since(version)
            except ApiError as error:
                return [], error
            return [pair for change in changes if (pair := seen(change))], None
        passes = self.verbs.filter(call)
        present = self.store.objects(resource, call.place.namespace)
        found = [("ADDED", full(resource, thing)) for thing in present if passes(thing)]
        if call.query.get("sendInitialEvents") in TRUE:
            found.append(self._bookmark(resource, {"k8s.io/initial-events-end": "true"}))
        return found, None

    async def _follow(
        self,
        request: web.Request,
        response: web.StreamResponse,
        call: Call,
        queue: asyncio.Queue[Change | None],
        line: Line,
    ) -> None:
        seen = self.verbs.watched(call)
        bookmarks = call.query.get("allowWatchBookmarks") in TRUE
        while True:
            try:
                async with asyncio.timeout(BOOKMARK_SECONDS):
                    change = await queue.get()
            except TimeoutError:
                if request.transport is None or request.transport.is_closing():
                    return
                if bookmarks:
                    await response.write(line(*self._bookmark(call.place.resource, {})))
                continue
            if change is None:
                return
            pair = seen(change)
            if pair is not None:
                await response.write(line(*pair))

    def _bookmark(self, resource: Resource, notes: dict[str, str]) -> tuple[str, Object]:
        meta: Object = {"resourceVersion": str(self.store.version)}
        if notes:
            meta["annotations"] = notes
        return "BOOKMARK", full(resource, {"metadata": meta})


def _text(kind: str, thing: Object) -> bytes:
    text = json.dumps({"type": kind, "object": thing}, separators=(",", ":"), ensure_ascii=False)
    return text.encode() + b"\n"
