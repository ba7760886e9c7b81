"""The HTTP side: who calls, what for, may they, and how the answer looks on the wire."""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from bot.sandbox.cluster import discovery, executing, openapi, protobuf, reviews, status
from bot.sandbox.cluster.calls import TRUE, Call, Place, locate
from bot.sandbox.cluster.clock import Clock
from bot.sandbox.cluster.faults import Fault, Faults
from bot.sandbox.cluster.metrics import Metrics
from bot.sandbox.cluster.rights import ANONYMOUS, Deed, Identity, Rights, forbidden
from bot.sandbox.cluster.status import ApiError
from bot.sandbox.cluster.store import Object, Store
from bot.sandbox.cluster.subresources import Subresources
from bot.sandbox.cluster.tables import as_table, wants_table
from bot.sandbox.cluster.verbs import Verbs
from bot.sandbox.cluster.watches import Watches

_WRITES = ("create", "update", "patch", "delete", "deletecollection")
REQUESTS_KEPT = 20_000
_LOG_SECONDS = 0.3  # between two looks at a log that somebody follows
_EXTRA = "impersonate-extra-"
_HEALTH = ("/readyz", "/livez", "/healthz")


@dataclass
class Request:
    """One request as it was answered. `status` 0: the connection was dropped."""

    time: datetime
    user: str
    verb: str
    path: str
    query: dict[str, str]
    body: Any
    status: int = 0
    dry_run: bool = False
    processed: bool = False
    size: int = 0  # of the answer's body, in bytes; a watch has none

    @property
    def mutates(self) -> bool:
        """Say whether this changed, or meant to change, an object."""
        return self.verb in _WRITES and not self.dry_run and reviews.kind_at(self.path) is None


@dataclass
class Api:
    """The server's one request handler."""

    store: Store
    clock: Clock
    rights: Rights
    faults: Faults
    verbs: Verbs
    below: Subresources
    watches: Watches
    metrics: Metrics
    requests: list[Request] = field(default_factory=list)
    listeners: list[Callable[[], None]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request, with whatever fault is planned for it."""
        body = await request.read()
        call = self._call(request, body)
        method, path = request.method, request.path
        verb = call.verb if call else method.lower()
        entry = self._note(request, call, body, verb)
        delay = self.faults.delay(verb, method, path, dry=entry.dry_run)
        if delay:
            await asyncio.sleep(delay)
        fault = self.faults.failure(verb, method, path, dry=entry.dry_run)
        if fault and not fault.after_processing:
            return self._fail(request, fault, entry)
        try:
            answer = await self._answer(request, call, entry)
        except ApiError as error:
            entry.status = error.code
            answer = _json(error.code, error.body())
        if fault:
            entry.processed = entry.status < 300
            return self._fail(request, fault, entry)
        if isinstance(answer, web.Response) and isinstance(answer.body, bytes):
            entry.size = len(answer.body)
        return answer

    def _call(self, request: web.Request, body: bytes) -> Call | None:
        place = locate(request.path)
        if place is None:
            return None
        return Call(
            place=place,
            method=request.method,
            query=dict(request.query),
            user="",
            agent=request.headers.get("User-Agent", ""),
            content_type=request.headers.get("Content-Type", ""),
            body=body,
        )

    def _note(self, request: web.Request, call: Call | None, body: bytes, verb: str) -> Request:
        query = dict(request.query)
        entry = Request(
            time=self.clock.now(),
            user=self.rights.user(request.headers.get("Authorization", "")) or "",
            verb="create" if reviews.kind_at(request.path) or _is_exec(call) else verb,
            path=request.path,
            query=query,
            body=_readable(body),
            dry_run="dryRun" in query,
        )
        if call is not None and call.verb.startswith("delete") and isinstance(entry.body, dict):
            entry.dry_run = bool(entry.body.get("dryRun"))
        self.requests.append(entry)
        del self.requests[:-REQUESTS_KEPT]
        for listener in tuple(self.listeners):
            listener()
        return entry

    def _fail(self, request: web.Request, fault: Fault, entry: Request) -> web.Response:
        entry.status = fault.status or 0
        if not fault.status:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        reasons = {429: "TooManyRequests", 503: "ServiceUnavailable", 504: "Timeout"}
        reason = reasons.get(fault.status, "InternalError")
        failed = _json(fault.status, ApiError(fault.status, reason, "planned fault").body())
        if fault.status == 429:
            failed.headers["Retry-After"] = "1"
        return failed

    async def _answer(
        self, request: web.Request, call: Call | None, entry: Request
    ) -> web.StreamResponse:
        if request.path.rstrip("/") in _HEALTH:
            entry.status = 200
            return web.Response(text="ok", content_type="text/plain", charset="utf-8")
        who = self._identity(request.headers)
        entry.user = who.user
        kind = reviews.kind_at(request.path)
        if kind is not None and request.method == "POST":
            entry.status = 201
            return _json(201, reviews.answer(self.rights, who, kind, await _review(request)))
        if call is None:
            found = self._document(request, who)
            entry.status = 200 if found else 404
            if found is None:
                return web.Response(status=404, text="404 page not found\n")
            return _json(200, found)
        return await self._serve(request, replace(call, user=who.user), who, entry)

    def _document(self, request: web.Request, who: Identity) -> Object | None:
        """What the server says of itself, or what the metrics server says."""
        path = request.path.rstrip("/")
        if found := discovery.document(path) or openapi.document(path):
            return found
        labels = request.query.get("labelSelector", "")
        found = self.metrics.answer(path, labels, self.clock.now())
        if found is not None:
            parts = path.split("/")
            namespace = parts[5] if parts[4:5] == ["namespaces"] else ""
            plural = "nodes" if "/nodes" in path else "pods"
            verb = "list" if parts[-1] == plural else "get"
            deed = Deed(verb, "metrics.k8s.io", plural, namespace)
            if not self.rights.permits(who, deed):
                raise forbidden(who.user, deed)
        return found

    async def _serve(
        self, request: web.Request, call: Call, who: Identity, entry: Request
    ) -> web.StreamResponse:
        self._authorise(who, call)
        if call.verb == "watch":
            entry.status = 200
            return await self.watches.stream(request, call)
        if call.place.subresource == "exec":
            return await self._execute(request, call, who, entry)
        if call.place.subresource == "log" and call.query.get("follow") in TRUE:
            entry.status = 200
            return await self._follow_log(request, call)
        if call.place.subresource == "log":
            text = self.below.log(call)
            entry.status = 200
            return web.Response(body=text.encode(), headers={"Content-Type": "text/plain"})
        code, body = self._do(call)
        entry.status = code
        entry.processed = True
        if wants_table(request.headers.get("Accept", "")):
            include = call.query.get("includeObject", "Metadata")
            body = as_table(call.place.resource, body, self.clock.now(), include=include)
        answer = _json(code, body)
        for warning in dict.fromkeys(call.warnings):
            escaped = warning.replace("\\", "\\\\").replace('"', '\\"')
            answer.headers.add("Warning", f'299 - "{escaped}"')
        return answer

    async def _execute(
        self, request: web.Request, call: Call, who: Identity, entry: Request
    ) -> web.StreamResponse:
        """Run a command and tell its output over a web socket, in the kubelet's framing."""
        deed = Deed("create", "", "pods/exec", call.namespace, call.place.name)
        if not self.rights.permits(who, deed):
            raise forbidden(who.user, deed, call.place.resource)
        words = request.query.getall("command", [])
        wrote, code = self.below.execute(call, words)
        socket = web.WebSocketResponse(protocols=executing.PROTOCOLS)
        if not socket.can_prepare(request):
            raise status.bad_request("Upgrade request required")
        await socket.prepare(request)
        entry.status, entry.processed = 101, True
        if wrote:
            await socket.send_bytes(bytes([1]) + wrote.encode())
        ended = json.dumps(executing.status_of(words, code)).encode()
        await socket.send_bytes(bytes([3]) + ended)
        await socket.close()
        return socket

    async def _follow_log(self, request: web.Request, call: Call) -> web.StreamResponse:
        """Write what a container wrote and then what it writes, until its run ends."""
        stamped = call.query.get("timestamps") in TRUE
        query = {key: value for key, value in call.query.items() if key != "limitBytes"}
        asked = replace(call, query=query | {"timestamps": "true"})
        lines = self.below.log(asked).splitlines()
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        last = ""
        later = {k: v for k, v in asked.query.items() if k not in ("tailLines", "sinceSeconds")}
        try:
            while True:
                for line in lines:
                    last, _, text = line.partition(" ")
                    await response.write(f"{line if stamped else text}\n".encode())
                if not self.below.is_writing(call) or request.transport is None:
                    break
                await asyncio.sleep(_LOG_SECONDS)
                again = replace(asked, query=later | ({"sinceTime": last} if last else {}))
                lines = [
                    one for one in self.below.log(again).splitlines() if one[: len(last)] > last
                ]
            await response.write_eof()
        except (ApiError, ConnectionError):
            return response  # the pod is gone, or who followed
        return response

    def _do(self, call: Call) -> tuple[int, Object]:
        match call.place.subresource:
            case "scale":
                return self.below.scale(call)
            case "eviction":
                return self.below.evict(call)
            case _:
                return self.verbs.answer(call)

    def _identity(self, headers: Mapping[str, str]) -> Identity:
        """Who calls, or whom he may and does act for. Raises ApiError 401 and 403."""
        given = headers.get("Authorization")
        if given is None:
            return Identity(ANONYMOUS)
        user = self.rights.user(given)
        if user is None:
            raise status.unauthorized()
        own = Identity(user)
        wanted = headers.get("Impersonate-User")
        meant = Identity(
            wanted or "",
            tuple(_all(headers, "Impersonate-Group")),
            headers.get("Impersonate-Uid", ""),
            _extra(headers),
        )
        if wanted is None:
            if meant != Identity(""):
                raise status.bad_request(
                    "requested groups, a uid or extras without a user to impersonate"
                )
            return own
        for deed in _impersonations(meant):
            if not self.rights.permits(own, deed):
                raise forbidden(user, deed)
        return meant

    def _authorise(self, who: Identity, call: Call) -> None:
        place: Place = call.place
        what = place.resource.plural
        if place.subresource:
            what += f"/{place.subresource}"
        deed = Deed(call.verb, place.resource.group, what, call.namespace, place.name)
        if not self.rights.permits(who, deed):
            raise forbidden(who.user, deed, place.resource)


def _is_exec(call: Call | None) -> bool:
    return call is not None and call.place.subresource == "exec"


def _acting_as(user: str) -> Deed:
    """A service account is impersonated as the object that it is."""
    parts = user.split(":")
    if user.startswith("system:serviceaccount:") and len(parts) == 4:
        return Deed("impersonate", "", "serviceaccounts", parts[2], parts[3])
    return Deed("impersonate", "", "users", name=user)


def _impersonations(meant: Identity) -> Iterator[Deed]:
    """Every right that is needed to act as `meant`."""
    yield _acting_as(meant.user)
    for group in meant.groups:
        yield Deed("impersonate", "", "groups", name=group)
    if meant.uid:
        yield Deed("impersonate", reviews.AUTHENTICATION[0], "uids", name=meant.uid)
    for key, value in meant.extra:
        yield Deed("impersonate", reviews.AUTHENTICATION[0], f"userextras/{key}", name=value)


def _extra(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The extras of who is acted for; their keys are the ends of header names."""
    return tuple(
        (unquote(name[len(_EXTRA) :].lower()), value)
        for name, value in headers.items()
        if name.lower().startswith(_EXTRA)
    )


def _all(headers: Mapping[str, str], name: str) -> list[str]:
    """Every value of a header that may come several times."""
    found: list[str] = getattr(headers, "getall", lambda _name, _none: [])(name, [])
    return found


async def _review(request: web.Request) -> Any:
    body = await request.read()
    match request.content_type:
        case protobuf.TYPE:
            return protobuf.read(body)
        case "application/json" | "application/octet-stream":
            return _readable(body)
        case other:
            raise status.unsupported(other, ("application/json",))


def _readable(body: bytes) -> Any:
    if not body:
        return None
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")


def _json(code: int, body: Object) -> web.Response:
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    return web.Response(
        status=code, body=text.encode(), headers={"Content-Type": "application/json"}
    )
