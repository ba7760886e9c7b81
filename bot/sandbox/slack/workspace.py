"""The workspace: everything put together on one server."""

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from bot.sandbox.keeping import Document, Kept, Unreadable
from bot.sandbox.slack.api import Api
from bot.sandbox.slack.arranging import Arranging
from bot.sandbox.slack.control import Control
from bot.sandbox.slack.events import Events
from bot.sandbox.slack.faults import Faults
from bot.sandbox.slack.interactions import Interactions
from bot.sandbox.slack.kept import KIND, VERSION, picture, restore
from bot.sandbox.slack.limits import Limits
from bot.sandbox.slack.manifest import Manifest
from bot.sandbox.slack.messages import Messages
from bot.sandbox.slack.methods import Services
from bot.sandbox.slack.model import Settings
from bot.sandbox.slack.people import People
from bot.sandbox.slack.sessions import Sessions
from bot.sandbox.slack.socket import Hub
from bot.sandbox.slack.state import State, populate
from bot.sandbox.slack.streams import Streams
from bot.sandbox.slack.tasks import Tasks
from bot.sandbox.slack.tickets import ResponseUrls, Triggers
from bot.sandbox.slack.views import Views

OBSERVERS: list[Callable[["Workspace"], None]] = []
"""Told of every workspace that is made: how a test run checks them all at the end of each test."""

_LARGEST_BODY = 64 * 1024 * 1024
_STOP_SECONDS = 2.0


class Workspace(People, Arranging):
    """A Slack workspace with one installed app, on a loopback port of its own.

    People and channels are given by name or id; `@alice` as a channel is Alice's direct
    conversation with the app. Enter it with `async with`; on leaving, everything it started has
    ended, and a failure of its own background work is raised.
    """

    def __init__(self, manifest: Mapping[str, Any], settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.state = State(Manifest(manifest), self.settings)
        populate(self.state)
        self.faults = Faults()
        self._tasks = Tasks()
        self.hub = Hub(self.state, self.faults, self._tasks)
        self._events = Events(self.state, self.hub, self.faults)
        self._messages = Messages(self.state, self._events)
        self._views = Views(self.state)
        self._sessions = Sessions(self.state)
        self._streams = Streams(self.state, self._messages, self._sessions, self._tasks)
        triggers = Triggers(self.state)
        self._response_urls = ResponseUrls(self.state, self._messages, self.faults)
        self._interactions = Interactions(
            self.state, self.hub, triggers, self._response_urls, self._views
        )
        self._api = Api(
            Services(
                self.state,
                self.hub,
                self.faults,
                Limits(self.settings.post_burst),
                self._events,
                self._messages,
                self._views,
                triggers,
                self._sessions,
                self._streams,
            )
        )
        self.control = Control(self.state, self, self.hub, self.faults, self._events)
        self._runner: web.AppRunner | None = None
        self._kept: Kept | None = None
        self.restored = False
        """Whether it went on from what an earlier one kept."""
        for told in OBSERVERS:
            told(self)

    # --- life -------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Listen, and take up what was kept. Raises `OSError`, `Unreadable`."""
        earlier = self._earlier()
        app = web.Application(client_max_size=_LARGEST_BODY, middlewares=[self.control.check_host])
        app.router.add_route("GET", "/api/{method}", self._api.serve)
        app.router.add_route("POST", "/api/{method}", self._api.serve)
        app.router.add_get("/link/", self.hub.serve)
        app.router.add_post("/response/{team}/{key}", self._response_urls.serve)
        app.router.add_post("/upload/v1/{file}", self._api.upload)
        self.control.add_routes(app)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_STOP_SECONDS)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self.settings.host, self.settings.port).start()
        except OSError:
            await self._runner.cleanup()
            raise
        port = self._runner.addresses[0][1]
        self.state.base_url = f"http://127.0.0.1:{port}"
        if earlier is not None and self._kept is not None:
            try:
                restore(earlier, self._kept, self.state, self._response_urls)
            except Unreadable:
                await self._runner.cleanup()
                raise
            self.restored = True
        self.hub.start()
        if self._kept is not None:
            changed = asyncio.Event()
            self.state.feed.listeners.append(lambda _: changed.set())
            changed.set()
            self._tasks.start(self._kept.follow(self._picture, changed), "slack-kept")
        return self

    def _earlier(self) -> Document | None:
        if self.settings.kept is None:
            return None
        self._kept = Kept(self.settings.kept, KIND, VERSION)
        return self._kept.read()

    def _picture(self) -> Document:
        return picture(self.state, self._response_urls)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.state.feed.close()
        try:
            await self._tasks.close()
        finally:
            if self._kept is not None:
                self._kept.write_last(self._picture())
            await self.hub.close()
            if self._runner is not None:
                await self._runner.cleanup()
