"""The control API for the browser page: state, deeds as any person, faults, and a live feed."""

import hmac
import json
from collections.abc import Callable
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Middleware

from bot.sandbox.slack.deeds import Deed, Deeds
from bot.sandbox.slack.events import Events
from bot.sandbox.slack.faults import Faults
from bot.sandbox.slack.feed import Entry
from bot.sandbox.slack.gate import Gate
from bot.sandbox.slack.inspection import Inspection, short
from bot.sandbox.slack.model import Channel, Json, SlackError, StoredFile
from bot.sandbox.slack.people import People
from bot.sandbox.slack.socket import Hub
from bot.sandbox.slack.state import State
from bot.sandbox.slack.switches import Switches

_RECENT = 200
_TEXTS = {"user", "channel", "ts", "thread_ts", "view_id", "command", "callback_id", "name"}
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; style-src 'self'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_NO_STORE = {"Cache-Control": "no-store"}


class Control:
    """Routes under `/control/` and the page's files; only for who knows the token."""

    def __init__(
        self, state: State, people: People, hub: Hub, faults: Faults, events: Events
    ) -> None:
        self.beside: Json = {}
        """What else the page shows, such as a cluster; `show` changes it."""
        self._state = state
        self._hub = hub
        self._gate = Gate(state)
        self._inspection = Inspection(state.feed)
        self._switches = Switches(state, hub, faults, events, people.delete_of_app)
        self._switched = self._switches.on()
        self._live: dict[str, Callable[[], object]] = {}
        self._deeds: dict[str, Deed] = {
            **Deeds(state, people).by_name(),
            "fault": self._switches.act,
        }
        state.feed.listeners.append(self._tell_switches)

    @property
    def token(self) -> str:
        """What lets a browser in."""
        return self._gate.token

    @property
    def check_host(self) -> Middleware:
        """The middleware that refuses other names and origins, for the whole server."""
        return self._gate.check_host

    def add_routes(self, app: web.Application) -> None:
        """Register everything; the page's files come last."""
        add_get, guarded = app.router.add_get, self._gate.guarded
        add_get("/control/state", guarded(self._get_state))
        add_get("/control/events", guarded(self._follow))
        add_get("/control/call/{number}", guarded(self._get_call))
        add_get("/control/envelope/{id}", guarded(self._get_envelope))
        app.router.add_post("/control/{deed}", guarded(self._do))
        add_get("/files/{file}/{name}", self._download)
        add_get("/archives/{channel}/{message}", guarded(self._page))
        add_get("/{path:.*}", guarded(self._page))

    # --- what others add --------------------------------------------------------------------

    def show(self, key: str, value: object) -> None:
        """Put something beside the workspace; every page hears of it at once."""
        self.beside[key] = value
        self._state.feed.publish("beside", {"key": key, "value": value})

    def show_live(self, key: str, make: Callable[[], object]) -> None:
        """Like `show`, but made anew whenever a page reads the state and at each `refresh`."""
        self._live[key] = make

    def refresh(self) -> None:
        """Make what is live anew, and tell the pages what changed."""
        for key, make in self._live.items():
            value = make()
            if key not in self.beside or _lasting(value) != _lasting(self.beside[key]):
                self.show(key, value)

    def add_deed(self, name: str, deed: Deed) -> None:
        """Let the page do something else, by `POST /control/<name>`.

        Raises ValueError when there is such a deed.
        """
        if name in self._deeds:
            raise ValueError(f"There is a deed {name!r} already.")
        self._deeds[name] = deed

    def offer_kill(self, kill: Callable[[], None]) -> None:
        """Let the page kill the app's process by `kill`, which may raise ValueError with a reason.

        Whoever offers it starts the app again.
        """
        self._switches.offer_kill(kill)
        self._tell_switches()

    # --- what there is ----------------------------------------------------------------------

    async def _get_state(self, request: web.Request) -> web.Response:
        del request
        return web.json_response(self.snapshot(), headers=_NO_STORE)

    async def _get_call(self, request: web.Request) -> web.Response:
        return _whole(self._inspection.call(request.match_info["number"]))

    async def _get_envelope(self, request: web.Request) -> web.Response:
        return _whole(self._inspection.envelope(request.match_info["id"]))

    def snapshot(self) -> Json:
        """Everything the page draws; `seq` is where the feed goes on from."""
        state = self._state
        self.refresh()
        return {
            "seq": state.feed.seq,
            "now": state.clock.now(),
            "team": {"id": state.team_id, "name": state.team_name},
            "app": {
                "id": state.app_id,
                "bot_id": state.bot_id,
                "bot_user_id": state.bot_user_id,
                "name": state.manifest.name,
                "commands": list(state.manifest.commands),
                "shortcuts": dict(state.manifest.shortcuts),
                "home": state.manifest.home_enabled,
            },
            "users": [user.as_json() for user in state.users.values()],
            "groups": [
                group.as_json(state.team_id, include_users=True) for group in state.groups.values()
            ],
            "channels": [self._channel(channel) for channel in state.channels.values()],
            "views": [
                {"user": view.user, "view": state.show_view(view), "errors": view.errors}
                for view in (*state.views.values(), *state.homes.values())
            ],
            "modals": {user: list(stack) for user, stack in state.modals.items() if stack},
            "files": [file.as_json() for file in state.files.values() if file.complete],
            "sockets": [socket.number for socket in self._hub.sockets],
            "notices": state.notices[-_RECENT:],
            "violations": [
                {"where": breach.where, "code": breach.code, "detail": breach.detail}
                for breach in state.violations[-_RECENT:]
            ],
            "calls": self._inspection.calls(),
            "envelopes": self._inspection.envelopes(),
            "budgets": self._inspection.budgets,
            "switches": self._switches.shown(),
            "beside": self.beside,
        }

    def _channel(self, channel: Channel) -> Json:
        return self._state.show_channel(channel) | {
            "messages": list(channel.messages.values()),
            "ephemerals": list(channel.ephemerals),
        }

    async def _follow(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events: each has the feed's `seq` as id, its kind, and JSON data."""
        given = request.headers.get("Last-Event-ID") or request.query.get("since", "")
        since = int(given) if given.isdecimal() else self._state.feed.seq
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"} | _NO_STORE)
        await response.prepare(request)
        try:
            await response.write(b"retry: 1000\n\n")
            async for entry in self._state.feed.follow(since):
                data = json.dumps(_for_page(entry))
                text = f"id: {entry.seq}\nevent: {entry.kind}\ndata: {data}\n\n"
                await response.write(text.encode())
        except ConnectionError:
            # The page went away; it asks again from the last id it saw.
            return response
        return response

    # --- what people do ---------------------------------------------------------------------

    async def _do(self, request: web.Request) -> web.Response:
        deed = self._deeds.get(request.match_info["deed"])
        if deed is None:
            return _no(404, "There is no such thing to do.")
        if request.content_type != "application/json":
            return _no(415, "Send JSON.")
        try:
            wish = await request.json()
        except ValueError:
            return _no(400, "That is no JSON.")
        if not isinstance(wish, dict):
            return _no(400, "Send a JSON object.")
        unfit = sorted(name for name in _TEXTS & set(wish) if not isinstance(wish[name], str))
        if unfit:
            return _no(400, f"{', '.join(unfit)} must be text.")
        try:
            answer = {"ok": True} | await deed(wish)
        except KeyError as missing:
            return _no(400, f"{missing.args[0]!r} is missing.")
        except (ValueError, TypeError, SlackError) as refusal:
            return _no(400, str(refusal))
        self._tell_switches()
        return web.json_response(answer)

    def _tell_switches(self, entry: Entry | None = None) -> None:
        """Tell the pages when a fault was switched on or off, or is used up by a call."""
        if entry is not None and entry.kind not in {"call", "envelope"}:
            return
        if self._switched != (now := self._switches.on()):
            self._switched = now
            self._state.feed.publish("switches", {"switches": self._switches.shown()})

    # --- files ------------------------------------------------------------------------------

    async def _download(self, request: web.Request) -> web.StreamResponse:
        bearer = f"Bearer {self._state.bot_token}"
        header = request.headers.get("Authorization", "")
        is_app = hmac.compare_digest(header.encode(), bearer.encode())
        file = self._state.files.get(request.match_info["file"])
        if is_app and not self._app_may_read(file):
            # as Slack: its log-in page instead of an error
            return web.Response(status=302, headers={"Location": f"{self._state.base_url}/signin"})
        if not (is_app or self._gate.knows_token(request)) or file is None or file.content is None:
            return web.Response(status=404, text="no such file")
        headers = {"Content-Disposition": "attachment", "X-Content-Type-Options": "nosniff"}
        return web.Response(
            body=file.content, content_type="text/plain", charset="utf-8", headers=headers
        )

    def _app_may_read(self, file: StoredFile | None) -> bool:
        """The app needs the scope, and to be where the file was shared."""
        state = self._state
        if "files:read" not in state.manifest.scopes or file is None:
            return False
        places = [state.channels[one] for one in file.channels if one in state.channels]
        return any(state.is_bot_in(place) for place in places)

    async def _page(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info.get("path") or "index.html"
        file = self._page_file(path)
        if file is None:
            return web.Response(status=404, text="There is no such page.")
        response = web.FileResponse(file, headers=_HEADERS)
        if "token" in request.query:
            self._gate.remember(response)
        return response

    def _page_file(self, path: str) -> Path | None:
        folder = self._state.settings.page_dir
        if folder is None:
            return None
        if "\0" in path:
            return None
        root = folder.resolve()
        file = (root / path).resolve()
        return file if file.is_relative_to(root) and file.is_file() else None


def _no(status: int, reason: str) -> web.Response:
    return web.json_response({"ok": False, "error": reason}, status=status)


def _whole(data: Json | None) -> web.Response:
    if data is None:
        return _no(404, "This one is no longer kept.")
    return web.json_response(data, headers=_NO_STORE)


def _for_page(entry: Entry) -> Json:
    return short(entry.data) if entry.kind in {"call", "envelope"} else entry.data


def _lasting(value: object) -> object:
    """A picture without the time it was made: that alone is no news."""
    return {**value, "time": None} if isinstance(value, dict) else value
