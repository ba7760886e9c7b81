"""The Web API over HTTP: decoding, tokens, scopes, limits, faults, and the record of each call."""

import asyncio
import copy
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from aiohttp import web
from aiohttp.multipart import BodyPartReader

from bot.sandbox.slack.faults import MethodFault
from bot.sandbox.slack.methods import Arguments, Method, Services, find
from bot.sandbox.slack.methods.registry import need_scope
from bot.sandbox.slack.model import Call, Impossible, Json, SlackError

_JSON_ARGUMENTS = {
    "blocks",
    "view",
    "attachments",
    "metadata",
    "files",
    "chunks",
    "prompts",
    "message",
    "loading_messages",
}


class Api:
    """Handles `/api/<method>`, uploads and downloads."""

    def __init__(self, services: Services) -> None:
        self._on = services

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Handle `GET` and `POST /api/<method>`."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        name = request.match_info["method"]
        call = self._on.state.record_call(name)
        fault = await self._fault(name, request)
        try:
            response = await self._answer(request, call, fault)
        finally:
            call.seconds = loop.time() - began
            self._on.state.feed.publish("call", call.as_json())
        return response

    async def _fault(self, name: str, request: web.Request) -> MethodFault | None:
        if not self._on.faults.methods.get(name):
            return None
        try:
            given = await arguments(request)
        except SlackError:
            given = {}
        channel, ts = (str(given.get(key) or "") for key in ("channel", "ts"))
        return self._on.faults.take(name, channel, ts)

    async def upload(self, request: web.Request) -> web.Response:
        """Handle `POST /upload/v1/<file>`: the bytes, raw or as a form."""
        file = self._on.state.files.get(request.match_info["file"])
        if file is None or file.content is not None:
            return web.Response(status=404, text="no upload is expected here")
        content = await _body(request)
        if len(content) != file.length:
            problem = f"expected {file.length} bytes, got {len(content)}"
            self._on.state.blame("upload", "length_mismatch", problem)
            return web.Response(status=400, text=problem)
        file.content = content
        return web.Response(text=f"OK - {len(content)}")

    # --- one call ---------------------------------------------------------------------------

    async def _answer(
        self, request: web.Request, call: Call, fault: MethodFault | None
    ) -> web.StreamResponse:
        if fault is not None and fault.kind not in {"drop_after", "slow"}:
            return self._meet(request, call, fault)
        try:
            given = await arguments(request)
            if fault is not None and fault.kind == "slow":
                # who hangs up meanwhile has asked all the same
                await fault.wait()
            with self._blaming(call):
                answer: Json = {"ok": True} | self._work(call, request, given)
        except SlackError as refusal:
            answer = {"ok": False, "error": refusal.code} | refusal.extra
        except Impossible as refusal:
            answer = {"ok": False, "error": "invalid_arguments", "detail": str(refusal)}
        response = self._respond(call, answer)
        if fault is not None and fault.kind == "drop_after":
            _cut(request)
        return response

    def _meet(self, request: web.Request, call: Call, fault: MethodFault) -> web.StreamResponse:
        """What a fault answers in the place of the work."""
        match fault.kind:
            case "ratelimited":
                limited = {"ok": False, "error": "ratelimited", "retry_after": fault.seconds}
                return self._respond(call, limited)
            case "error":
                return self._respond(call, {"ok": False, "error": fault.code})
            case "drop_before":
                _cut(request)
                return self._respond(call, {"ok": False, "error": "dropped"})
            case "html":
                call.status = 502
                page = "<html><body><h1>Bad gateway</h1></body></html>"
                return web.Response(status=502, text=page, content_type="text/html")
            case _:
                failed = {"ok": False, "error": "internal_error"}
                return self._respond(call, failed, status=int(fault.kind.removeprefix("http_")))

    def _work(self, call: Call, request: web.Request, given: Json) -> Json:
        token = _token(request, given)
        call.args = copy.deepcopy(given)
        method = find(call.method)
        if method is None:
            self._on.state.blame(call.method, "unknown_method", "the stand-in has no such method")
            raise SlackError("unknown_method", req_method=call.method)
        self._authorise(call, method, token)
        now = self._on.state.clock.now()
        wait = self._on.limits.method(method.name, method.tier, now)
        budget = self._on.limits.used(method.name, now)
        call.budget = None if budget is None else asdict(budget)
        if wait and (self._on.state.settings.rate_limits or self._on.faults.rate_limits):
            raise SlackError("ratelimited", retry_after=wait)
        try:
            return method.work(self._on, Arguments(given))
        except SlackError as refusal:
            if refusal.code == "missing_scope":
                self._blame_scope(call, refusal)
            raise

    def _authorise(self, call: Call, method: Method, token: str) -> None:
        state = self._on.state
        if not token:
            raise SlackError("not_authed")
        kinds = {state.bot_token: "bot", state.app_token: "app"}
        kind = kinds.get(token)
        if kind is None:
            raise SlackError("invalid_auth")
        if token in self._on.faults.revoked:
            raise SlackError("token_revoked")
        # Either token may ask who it is.
        if kind != method.kind and method.name != "auth.test":
            raise SlackError("not_allowed_token_type")
        try:
            need_scope(self._on, *method.scopes)
        except SlackError as refusal:
            self._blame_scope(call, refusal)
            raise

    def _blame_scope(self, call: Call, refusal: SlackError) -> None:
        needed = str(refusal.extra.get("needed"))
        self._on.state.blame(call.method, "missing_scope", f"the manifest lacks {needed}")

    def _respond(self, call: Call, answer: Json, status: int = 200) -> web.Response:
        headers = {
            "x-oauth-scopes": ",".join(self._on.state.manifest.scopes),
            "x-slack-req-id": self._on.state.ids.short(),
        }
        retry_after = answer.pop("retry_after", None)
        if retry_after is not None:
            status = 429
            headers["Retry-After"] = str(math.ceil(retry_after))
        text = json.dumps(answer)
        call.status, call.response = status, json.loads(text)
        return web.Response(
            status=status, text=text, headers=headers, content_type="application/json"
        )

    @contextmanager
    def _blaming(self, call: Call) -> Iterator[None]:
        """What is blamed within, where nothing else can run, is of this call."""
        before = len(self._on.state.violations)
        try:
            yield
        finally:
            call.breaches = self._on.state.violations[before:]


async def arguments(request: web.Request) -> Json:
    """The call's arguments from query, form and JSON body; raises `SlackError`."""
    given: Json = dict(request.query)
    if request.method == "POST" and request.body_exists:
        if request.content_type == "application/json":
            given |= _json_object(await request.text())
        else:
            given |= {k: v for k, v in (await request.post()).items() if isinstance(v, str)}
    for name in _JSON_ARGUMENTS & set(given):
        if isinstance(given[name], str):
            given[name] = _decoded(name, given[name])
    return {name: value for name, value in given.items() if value is not None}


def _json_object(text: str) -> Json:
    try:
        body = json.loads(text)
    except ValueError:
        raise SlackError("invalid_json") from None
    if not isinstance(body, dict):
        raise SlackError("json_not_object")
    return body


def _decoded(name: str, text: str) -> object:
    if not text:
        return None
    try:
        value: object = json.loads(text)
    except ValueError:
        code = "invalid_blocks_format" if name == "blocks" else "invalid_arguments"
        raise SlackError(code) from None
    return value


def _token(request: web.Request, given: Json) -> str:
    """The token of a call; an app-level token counts only in the header."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    argument = str(given.pop("token", ""))
    if scheme == "Bearer" and value:
        return value.strip()
    return "" if argument.startswith("xapp-") else argument


async def _body(request: web.Request) -> bytes:
    if request.content_type != "multipart/form-data":
        return await request.read()
    reader = await request.multipart()
    async for part in reader:
        if isinstance(part, BodyPartReader) and part.filename is not None:
            return bytes(await part.read())
    return b""


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
