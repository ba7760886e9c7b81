"""The client of one cluster: one way across to the official library, and errors as sentences."""

import copy
import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import urllib3
from kubernetes.client.exceptions import ApiException
from pydantic import JsonValue

from tools._kit import Access, Identity, NotFound, Refused, Threads, ToolError, Unavailable
from tools.kubernetes.connection import Connection, connect, context_name
from tools.kubernetes.discovery import Discovery
from tools.kubernetes.kinds import RESOURCES, Object, Resource
from tools.kubernetes.settings import Settings

MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
_LOG_BYTES = 1_000_000  # of one container: more would never be read
_PAGE = 500  # objects of a list in one answer, as kubectl asks
_PAGES = 20  # a server may give fewer than asked for at once, but not for ever
MOST = 5000  # objects of a list that are read at all
_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_PEOPLE = 200  # whose clients are kept: what each remembers is little
_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


class Conflict(Refused):
    """Somebody wrote the object since it was read; nothing was changed."""


class Expired(Refused):
    """The place in a list where one went on from is forgotten."""


class Unable(Refused):
    """The request was understood and cannot be answered: an ordinary thing with logs."""

    def __init__(self, message: str, words: str) -> None:
        super().__init__(message)
        self.words = words  # the server's own


@dataclass(frozen=True)
class Request:
    """One call to the API server. `what` names its object in sentences."""

    what: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: JsonValue = None
    content_type: str = "application/json"
    leaves_no_trace: bool = False  # though it is no GET: a question that is posted
    accept: str = "*/*"

    @property
    def changes(self) -> bool:
        """Whether it may leave a trace in the cluster."""
        if self.leaves_no_trace:
            return False
        return self.method != "GET" and ("dryRun", "All") not in self.query


@dataclass(frozen=True)
class Listing:
    """A list as far as it was read: what is `cut` is never a count or a proof of absence."""

    items: tuple[Object, ...]
    cut: bool  # there are more


class Cluster:
    """One cluster. A kubeconfig that cannot be used is tried again at every call: once it is
    mended, the tools work."""

    def __init__(self, settings: Settings, context: str | None = None, name: str = "") -> None:
        """`context` of the kubeconfig, and what people call it; by default the settings' one."""
        self._context = context or settings.context
        self._called = name
        self.name = name or context_name(settings.kubeconfig, self._context, settings.in_cluster)
        self.settle_seconds = settings.settle_seconds
        self._settings = settings
        self._discovery = Discovery(self._document)
        self._threads = Threads("The cluster")
        self._connection: Connection | None = None
        self._identity: Identity | None = None  # the bot's own
        self._own = self  # the one that holds the connection
        self._others: OrderedDict[Identity, Self] = OrderedDict()

    def acting_as(self, identity: Identity) -> Self:
        """The same cluster as somebody: every request says so, and nothing it has read is shared.

        The connection is one for all: its credential stays the bot's.
        """
        found = self._others.pop(identity, None)
        if found is None:
            found = copy.copy(self)
            found._identity = identity  # noqa: SLF001 - a copy of this
            found._discovery = Discovery(found._document)  # noqa: SLF001
            found._others = OrderedDict()  # noqa: SLF001
            if len(self._others) >= _PEOPLE:
                self._others.popitem(last=False)
        self._others[identity] = found
        return found

    async def start(self) -> None:
        """Load the configuration, so that the cluster has its context's name from the start."""
        try:
            connection = await self.connected()
        except Unavailable:
            return  # said by every tool that needs it
        self.name = self._called or connection.name

    def close(self) -> None:
        """Drop the connections."""
        self._threads.close()
        if self._connection is not None:
            self._connection.api.close()

    async def connected(self) -> Connection:
        """The loaded configuration. Raises `Unavailable` with a sentence that says what to mend."""
        if self._own is not self:
            return await self._own.connected()
        if self._connection is None:
            options = self._settings
            self._connection = await self._threads.run(
                30,  # a kubeconfig's credential helper may ask a cloud first
                connect,
                options.kubeconfig,
                self._context,
                options.in_cluster,
            )
        return self._connection

    async def is_home(self, namespace: str) -> bool:
        """Whether this process itself runs there."""
        return namespace == (await self.connected()).own_namespace

    async def check(self) -> None:
        """Ask for the server's version; raises `Unavailable` when it does not answer."""
        try:
            await self.send(Request("its version", "GET", "/version"))
        except Refused as error:
            raise Unavailable(str(error), nothing_sent=True) from error

    async def may(self, access: Access) -> bool:
        """Whether whom this acts as may do that, as the cluster itself says."""
        attributes: dict[str, JsonValue] = {
            "verb": access.verb,
            "group": access.group,
            "resource": access.resource,
            "subresource": access.sub,
            "namespace": access.namespace,
            "name": access.name,
        }
        body: JsonValue = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        question = Request("an access review", "POST", _REVIEWS, body=body, leaves_no_trace=True)
        answer = await self.send(question)
        return (answer.get("status") or {}).get("allowed") is True

    async def resource(self, kind: str) -> Resource:
        """Where a kind lives, asking the cluster for one that is not built in.

        Raises `NotFound`, naming near ones.
        """
        if kind in RESOURCES:
            return RESOURCES[kind]
        return await self._discovery.find(kind, self.name)

    async def get(self, kind: str | Resource, namespace: str, name: str) -> Object:
        """One object. Raises `NotFound`."""
        return await self.send(_look(kind, namespace, name))

    async def cells(self, resource: Resource, namespace: str, name: str) -> dict[str, str]:
        """One object as the server's table shows it: what it holds never leaves the cluster."""
        rows = await self._table(_look(resource, namespace, name))
        return rows[0] if rows else {}

    async def names(self, resource: Resource, namespace: str | None) -> list[str]:
        """Names of one kind, not all where there are many; nothing else of them is sent."""
        limit = (("limit", str(_PAGE)),)
        path = resource.path(namespace)
        rows = await self._table(Request(f"{resource.plural} there", "GET", path, limit))
        return [row["Name"] for row in rows if "Name" in row]

    async def places(self, resource: Resource, name: str = "") -> list[str]:
        """The namespaces that hold one kind, or one name of it; not all where there are many."""
        limit = (("limit", str(_PAGE)), ("includeObject", "Metadata"))
        named = (("fieldSelector", f"metadata.name={name}"),) if name else ()
        request = Request(f"{resource.plural} anywhere", "GET", resource.path(None), limit + named)
        found = await self.send(replace(request, accept=_TABLE))
        holders = [
            (row.get("object") or {}).get("metadata") or {} for row in found.get("rows") or ()
        ]
        return sorted({str(one["namespace"]) for one in holders if one.get("namespace")})

    async def _table(self, request: Request) -> list[dict[str, str]]:
        """The rows of the server's own table, their cells by title."""
        query = (*request.query, ("includeObject", "None"))
        found = await self.send(replace(request, query=query, accept=_TABLE))
        titles = [str(column.get("name")) for column in found.get("columnDefinitions") or ()]
        return [
            dict(zip(titles, map(str, row.get("cells") or ()), strict=False))
            for row in found.get("rows") or ()
        ]

    async def list(
        self,
        kind: str | Resource,
        namespace: str | None,
        *,
        labels: str = "",
        fields: str = "",
        limit: int = MOST,
    ) -> Listing:
        """Objects of one namespace, or of all: None. At most `limit`, read page by page."""
        resource = kind if isinstance(kind, Resource) else RESOURCES[kind]
        what = resource.plural + (f" in {namespace}" if namespace else "")
        items: list[Object] = []
        token = ""
        for _ in range(_PAGES):
            query = {
                "limit": str(min(_PAGE, limit - len(items))),
                "labelSelector": labels,
                "fieldSelector": fields,
                "continue": token,
            }
            given = tuple((key, value) for key, value in query.items() if value)
            try:
                page = await self.send(Request(what, "GET", resource.path(namespace), given))
            except Expired:
                break  # what came before is of one moment; the rest is unknown
            items += page.get("items") or ()
            token = str((page.get("metadata") or {}).get("continue") or "")
            if not token or len(items) >= limit:
                break
        return Listing(tuple(items), bool(token))

    async def patch(
        self,
        target: tuple[str, str, str],
        body: JsonValue,
        content_type: str,
        *,
        sub: str = "",
        dry_run: bool = False,
    ) -> Object:
        """Write part of an object (kind, namespace, name), or of its sub-resource.

        Raises `Conflict` when the body's resourceVersion is not the live one.
        """
        kind, namespace, name = target
        options = {"fieldManager": "countersign", "fieldValidation": "Strict"}
        query = tuple((options | ({"dryRun": "All"} if dry_run else {})).items())
        path = RESOURCES[kind].path(namespace, name, sub)
        what = _named(kind, namespace, name)
        return await self.send(Request(what, "PATCH", path, query, body, content_type))

    async def log(self, namespace: str, pod: str, options: Mapping[str, str]) -> str:
        """What one container wrote. Raises `Unable` when it cannot have a log."""
        query = {**options, "timestamps": "true", "limitBytes": str(_LOG_BYTES)}
        path = RESOURCES["pod"].path(namespace, pod, "log")
        request = Request(f"the log of {pod}", "GET", path, tuple(query.items()))
        return (await self._bytes(request)).decode(errors="replace")

    async def send(self, request: Request) -> Object:
        """Call the API and read the object that it answers. Raises `ToolError`."""
        answer = await self._bytes(request)
        try:
            found = json.loads(answer)
        except ValueError as error:
            raise self._not_an_api(request) from error
        if not isinstance(found, dict):
            raise self._not_an_api(request)
        return found

    async def _bytes(self, request: Request) -> bytes:
        connection = await self.connected()
        seconds = self._settings.timeout_seconds
        try:
            # The library's own timeout is the shorter one: it names what went wrong.
            return await self._threads.run(seconds * 2 + 1, self._call, connection, request)
        except Unavailable as error:
            if request.changes:
                raise
            raise Unavailable(str(error), nothing_sent=True) from error.__cause__

    def _call(self, connection: Connection, request: Request) -> bytes:
        """The one function that runs in a thread."""
        api, seconds = connection.api, self._settings.timeout_seconds
        prepared = api.param_serialize(
            request.method,
            request.path,
            query_params=list(request.query),
            header_params={"Accept": request.accept, "Content-Type": request.content_type},
            body=request.body,
            auth_settings=["BearerToken"],
        )
        if self._identity is not None:
            prepared = _impersonating(prepared, self._identity)
        try:
            response = _resent_once(api, prepared, seconds, again=request.method == "GET")
        except (ApiException, urllib3.exceptions.HTTPError) as error:
            raise self._unreachable(error) from error
        status, body = response
        if 200 <= status < 300:
            return body
        raise self._refusal(request, status, body)

    def _unreachable(self, error: Exception) -> Unavailable:
        """The connection failed: was anything sent?"""
        reason = getattr(error, "reason", None) or error
        if isinstance(reason, urllib3.exceptions.NameResolutionError):
            said, sent = "its address cannot be resolved; check the kubeconfig's server", False
        elif isinstance(reason, urllib3.exceptions.ConnectTimeoutError):
            # NewConnectionError is one of these.
            refused = isinstance(reason, urllib3.exceptions.NewConnectionError)
            said = "it refuses connections" if refused else "it cannot be connected to in time"
            sent = False
        elif isinstance(reason, urllib3.exceptions.ReadTimeoutError):
            said, sent = f"it did not answer within {self._settings.timeout_seconds:g} s", True
        elif isinstance(error, ApiException) or isinstance(reason, urllib3.exceptions.SSLError):
            said, sent = "its certificate is not trusted; check the kubeconfig's authority", True
        else:
            said, sent = "the connection broke before it answered", True
        return Unavailable(f"Cluster {self.name} is away: {said}.", nothing_sent=not sent)

    def _refusal(self, request: Request, status: int, body: bytes) -> ToolError:
        """The server said no: whose turn is it?"""
        said = _message(body)
        because = f": {said}." if said else "."
        match status:
            case 400:
                text = f"Cluster {self.name} refused {request.what} ({status}){because}"
                return Unable(text, said)
            case 404:
                return NotFound(f"There is no {request.what} on cluster {self.name}.")
            case 409:
                return Conflict(f"Somebody else is changing {request.what}.")
            case 410:
                return Expired(f"Cluster {self.name} has forgotten where the list went on.")
            case 401:
                return Refused(
                    f"Cluster {self.name} does not accept our credentials (401): renew them."
                )
            case 403:
                return Refused(f"Cluster {self.name} does not allow this{because}")
            case 429:  # turned away before it was looked at
                return Unavailable(
                    f"Cluster {self.name} is overloaded (429); try again.", nothing_sent=True
                )
            case _ if status >= 500:
                return Unavailable(f"Cluster {self.name} failed with {status}{because}")
            case _:
                return Refused(f"Cluster {self.name} refused {request.what} ({status}){because}")

    async def _document(self, path: str) -> Object:
        """One of the documents in which the server says what it serves."""
        return await self.send(Request("what it serves", "GET", path))

    def _not_an_api(self, request: Request) -> Unavailable:
        return Unavailable(
            f"What answers as cluster {self.name} is no Kubernetes API: check the address.",
            nothing_sent=not request.changes,
        )


def _impersonating(prepared: tuple[Any, ...], identity: Identity) -> tuple[Any, ...]:
    """The request with the headers that say as whom; a group is a header of its own."""
    method, url, given, *rest = prepared
    headers = urllib3.HTTPHeaderDict(given)
    headers["Impersonate-User"] = identity.name
    for group in identity.groups:
        headers.add("Impersonate-Group", group)
    return (method, url, headers, *rest)


def _resent_once(
    api: Any, prepared: tuple[Any, ...], seconds: float, *, again: bool
) -> tuple[int, bytes]:
    """Status and body; a look is repeated once, as an idle connection may have been closed."""
    try:
        response = api.call_api(*prepared, _request_timeout=(min(seconds, 5), seconds))
        return response.status, response.read() or b""
    except (urllib3.exceptions.ProtocolError, urllib3.exceptions.MaxRetryError) as error:
        reason = getattr(error, "reason", None) or error
        if not again or not isinstance(reason, urllib3.exceptions.ProtocolError):
            raise
    return _resent_once(api, prepared, seconds, again=False)


def _message(body: bytes) -> str:
    """The server's own words, if they are a Status: one line, cut. Never any other body."""
    try:
        status = json.loads(body)
    except ValueError:
        return ""
    if not isinstance(status, dict) or status.get("kind") != "Status":
        return ""
    words = " ".join(str(status.get("message", "")).split())
    clean = "".join(c for c in words if c.isprintable()).rstrip(".")
    return clean if len(clean) <= 300 else clean[:299] + "…"


def _look(kind: str | Resource, namespace: str, name: str) -> Request:
    resource = kind if isinstance(kind, Resource) else RESOURCES[kind]
    what = _named(resource.kind, namespace if resource.namespaced else "", name)
    return Request(what, "GET", resource.path(namespace, name))


def _named(kind: str, namespace: str, name: str) -> str:
    return f"{kind}/{name}" + (f" in {namespace}" if namespace else "")
