"""The control API for the browser page: state, deeds as any person, faults, and a live feed."""

import hmac
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias, get_args

from aiohttp import web
from aiohttp.typedefs import Handler

from bot.sandbox.slack.events import Events
from bot.sandbox.slack.faults import FaultKind, Faults
from bot.sandbox.slack.model import Channel, Envelope, Impossible, Json, SlackError, StoredFile
from bot.sandbox.slack.people import People
from bot.sandbox.slack.socket import Hub
from bot.sandbox.slack.state import State
from bot.sandbox.slack.text import compose

_RECENT = 200
_TEXTS = {"user", "channel", "ts", "thread_ts", "view_id", "command", "callback_id", "name"}
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; style-src 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

Deed: TypeAlias = Callable[[Json], Awaitable[Json]]


class Control:
    """Routes under `/control/` and the page's files; only for who knows the token."""

    def __init__(
        self, state: State, people: People, hub: Hub, faults: Faults, events: Events
    ) -> None:
        self.beside: Json = {}
        """What else the page shows, such as a cluster; whoever changes it tells the feed."""
        self._state = state
        self._people = people
        self._hub = hub
        self._faults = faults
        self._events = events
        self._deeds: dict[str, Deed] = {
            "post": self._post,
            "click": self._click,
            "submit": self._submit,
            "close": self._close,
            "slash": self._slash,
            "shortcut": self._shortcut,
            "open-home": self._open_home,
            "react": self._react,
            "edit": self._edit,
            "delete": self._delete,
            "fault": self._fault,
        }

    @property
    def token(self) -> str:
        """What lets a browser in."""
        return self._state.page_token

    def add_routes(self, app: web.Application) -> None:
        """Register everything; the page's files come last."""
        app.router.add_get("/control/state", self._guarded(self._get_state))
        app.router.add_get("/control/events", self._guarded(self._follow))
        app.router.add_post("/control/{deed}", self._guarded(self._do))
        app.router.add_get("/files/{file}/{name}", self._download)
        app.router.add_get("/archives/{channel}/{message}", self._guarded(self._page))
        app.router.add_get("/{path:.*}", self._guarded(self._page))

    # --- who may ----------------------------------------------------------------------------

    @web.middleware
    async def check_host(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse names other than this server's own, whoever resolves them to it."""
        if request.headers.get("Host", "") not in self._hosts():
            return web.Response(status=403, text="This server answers to its own address only.")
        origin = request.headers.get("Origin")
        if origin is not None and origin not in {f"http://{host}" for host in self._hosts()}:
            return web.Response(status=403, text="Requests from other origins are refused.")
        return await handler(request)

    def _hosts(self) -> set[str]:
        port = self._state.base_url.rpartition(":")[2]
        return {f"127.0.0.1:{port}", f"localhost:{port}"}

    def _cookie(self) -> str:
        # Cookies do not know ports: two workspaces on one machine need two names.
        return f"workspace_{self._state.base_url.rpartition(':')[2]}"

    def _knows_token(self, request: web.Request) -> bool:
        shown = (
            request.query.get("token"),
            request.headers.get("X-Workspace-Token"),
            request.cookies.get(self._cookie()),
        )
        return any(
            hmac.compare_digest((value or "").encode(), self.token.encode()) for value in shown
        )

    def _guarded(self, handler: Handler) -> Handler:
        async def guard(request: web.Request) -> web.StreamResponse:
            if not self._knows_token(request):
                return web.Response(status=403, text="Open the address that was printed at start.")
            return await handler(request)

        return guard

    # --- what there is ----------------------------------------------------------------------

    async def _get_state(self, request: web.Request) -> web.Response:
        del request
        return web.json_response(self.snapshot(), headers={"Cache-Control": "no-store"})

    def snapshot(self) -> Json:
        """Everything the page draws; `seq` is where the feed goes on from."""
        state = self._state
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
            "calls": [
                {"method": call.method, "ok": call.ok, "error": call.error, "at": call.at}
                for call in state.calls[-_RECENT:]
            ],
            "envelopes": [_shown_envelope(envelope) for envelope in state.envelopes[-_RECENT:]],
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
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        )
        await response.prepare(request)
        try:
            await response.write(b"retry: 1000\n\n")
            async for entry in self._state.feed.follow(since):
                data = json.dumps(entry.data)
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
            return web.json_response({"ok": True} | await deed(wish))
        except KeyError as missing:
            return _no(400, f"{missing.args[0]!r} is missing.")
        except (ValueError, TypeError, SlackError) as refusal:
            return _no(400, str(refusal))

    async def _post(self, wish: Json) -> Json:
        text = self._typed(wish)
        files = [(str(file["name"]), str(file["text"]).encode()) for file in wish.get("files", ())]
        ts = self._people.post(wish["user"], wish["channel"], text, wish.get("thread_ts"), files)
        return {"ts": ts}

    async def _click(self, wish: Json) -> Json:
        wanted = {k: wish[k] for k in ("action_id", "text", "block_id", "value") if k in wish}
        if "view_id" in wish:
            envelope = await self._people.click_view(wish["user"], wish["view_id"], **wanted)
        else:
            place = wish["channel"], wish["ts"]
            envelope = await self._people.click(wish["user"], *place, **wanted)
        return _shown_envelope(envelope)

    async def _submit(self, wish: Json) -> Json:
        values = wish.get("values", {})
        envelope = await self._people.submit(wish["user"], wish.get("view_id"), values)
        return _shown_envelope(envelope)

    async def _close(self, wish: Json) -> Json:
        everything = bool(wish.get("all"))
        envelope = await self._people.close_view(
            wish["user"], wish.get("view_id"), everything=everything
        )
        return {} if envelope is None else _shown_envelope(envelope)

    async def _slash(self, wish: Json) -> Json:
        text = self._typed(wish) if wish.get("text") else ""
        envelope = await self._people.slash(wish["user"], wish["channel"], wish["command"], text)
        return _shown_envelope(envelope)

    async def _shortcut(self, wish: Json) -> Json:
        place = wish.get("channel"), wish.get("ts")
        envelope = await self._people.shortcut(wish["user"], wish["callback_id"], *place)
        return _shown_envelope(envelope)

    async def _open_home(self, wish: Json) -> Json:
        self._people.open_home(wish["user"], wish.get("tab", "home"))
        return {}

    async def _react(self, wish: Json) -> Json:
        place = wish["channel"], wish["ts"], wish["name"]
        self._people.react(wish["user"], *place, remove=bool(wish.get("remove")))
        return {}

    async def _edit(self, wish: Json) -> Json:
        self._people.edit(wish["user"], wish["channel"], wish["ts"], self._typed(wish))
        return {}

    async def _delete(self, wish: Json) -> Json:
        self._people.delete(wish["user"], wish["channel"], wish["ts"])
        return {}

    async def _fault(self, wish: Json) -> Json:
        """One of `method`, `disconnect`, `close`, `abort`, `revoke`, `advance` or `set`."""
        match wish["kind"]:
            case "method":
                wanted = {k: wish[k] for k in ("times", "seconds", "code") if k in wish}
                if wish["fault"] not in get_args(FaultKind):
                    raise Impossible(f"A method's fault is one of {get_args(FaultKind)}.")
                self._faults.fail(str(wish["method"]), wish["fault"], **wanted)
            case "disconnect":
                await self._hub.disconnect(wish.get("reason", "warning"), wish.get("socket"))
            case "close":
                await self._hub.close(wish.get("socket"))
            case "abort":
                self._hub.abort(wish.get("socket"))
            case "revoke":
                self._faults.revoked.add(self._state.bot_token)
                self._events.tokens_revoked()
            case "advance":
                self._state.clock.advance(float(wish["seconds"]))
            case "set":
                self._switch(str(wish["name"]), wish["value"])
            case other:
                raise Impossible(f"There is no fault {other!r}.")
        return {}

    def _switch(self, name: str, value: object) -> None:
        current = getattr(self._faults, name, None)
        if not isinstance(current, bool | int | float):
            raise Impossible(f"There is no switch {name!r}.")
        if not isinstance(value, bool | int | float):
            raise Impossible(f"{name!r} takes a number or true and false.")
        setattr(self._faults, name, type(current)(value))

    def _typed(self, wish: Json) -> str:
        """The text as sent: composed from what was typed, unless `raw` says it is ready."""
        text = str(wish["text"])
        if wish.get("raw"):
            return text
        state = self._state
        names = {f"@{user.name}": f"<@{user.id}>" for user in state.users.values()}
        names |= {f"@{g.handle}": f"<!subteam^{g.id}>" for g in state.groups.values()}
        names |= {
            f"#{c.name}": f"<#{c.id}|{c.name}>" for c in state.channels.values() if c.kind != "im"
        }
        return compose(text, names | {"@here": "<!here>", "@channel": "<!channel>"})

    # --- files ------------------------------------------------------------------------------

    async def _download(self, request: web.Request) -> web.StreamResponse:
        bearer = f"Bearer {self._state.bot_token}"
        header = request.headers.get("Authorization", "")
        is_app = hmac.compare_digest(header.encode(), bearer.encode())
        file = self._state.files.get(request.match_info["file"])
        if is_app and not self._app_may_read(file):
            # as Slack: its log-in page instead of an error
            return web.Response(status=302, headers={"Location": f"{self._state.base_url}/signin"})
        if not (is_app or self._knows_token(request)) or file is None or file.content is None:
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
            cookie = self._cookie()
            response.set_cookie(cookie, self.token, httponly=True, samesite="Strict", path="/")
        return response

    def _page_file(self, path: str) -> Path | None:
        folder = self._state.settings.page_dir
        if folder is None:
            return None
        root = folder.resolve()
        file = (root / path).resolve()
        return file if file.is_relative_to(root) and file.is_file() else None


def _shown_envelope(envelope: Envelope) -> Json:
    return {
        "id": envelope.id,
        "type": envelope.type,
        "event": envelope.event.get("type") or envelope.payload.get("type"),
        "attempt": envelope.attempt,
        "socket": envelope.socket,
        "acked": envelope.acked,
        "outcome": envelope.outcome,
        "ack_seconds": envelope.ack_seconds,
        "response": envelope.response,
        "at": envelope.at,
    }


def _no(status: int, reason: str) -> web.Response:
    return web.json_response({"ok": False, "error": reason}, status=status)
