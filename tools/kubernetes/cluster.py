"""The client of one cluster: what is asked of its API, as whom."""

import copy
import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from pydantic import JsonValue

from tools._kit import Access, Identity, Refused, Unavailable
from tools.kubernetes.connection import Connection, context_name
from tools.kubernetes.discovery import Discovery
from tools.kubernetes.executing import Output
from tools.kubernetes.kinds import RESOURCES, Object, Resource
from tools.kubernetes.settings import Settings
from tools.kubernetes.wire import Expired, Request, Wire

MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
LOG_BYTES = 1_000_000  # of one container, unless more are asked for
APPLY_PATCH = "application/apply-patch+yaml"
MANAGER = "countersign"  # as whom the server notes who set a field
_COMMAND_SECONDS = 30.0
_COMMAND_BYTES = 100_000  # of what a command writes
_PAGE = 500  # objects of a list in one answer, as kubectl asks
_PAGES = 20  # a server may give fewer than asked for at once, but not for ever
MOST = 5000  # objects of a list that are read at all
_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_PEOPLE = 200  # whose clients are kept: what each remembers is little
_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@dataclass(frozen=True)
class Write:
    """Where something is written, and whether only to see what would come of it."""

    kind: str | Resource
    namespace: str
    name: str
    sub: str = ""
    dry_run: bool = False
    options: tuple[tuple[str, str], ...] = ()


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
        self.exec_commands = settings.exec_commands
        self._settings = settings
        self._discovery = Discovery(self.document)
        self._wire = Wire(settings, self._context, self.name)
        self._identity: Identity | None = None  # the bot's own
        self._others: OrderedDict[Identity, Self] = OrderedDict()

    def acting_as(self, identity: Identity) -> Self:
        """The same cluster as somebody: every request says so, and nothing it has read is shared.

        The connection is one for all: its credential stays the bot's.
        """
        found = self._others.pop(identity, None)
        if found is None:
            found = copy.copy(self)
            found._identity = identity  # noqa: SLF001 - a copy of this
            found._discovery = Discovery(found.document)  # noqa: SLF001
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
        self.name = self._wire.name = self._called or connection.name

    async def close(self) -> None:
        """Drop the connections."""
        await self._wire.close()

    async def connected(self) -> Connection:
        """The loaded configuration. Raises `Unavailable` with a sentence that says what to mend."""
        return await self._wire.connected()

    def is_home(self, namespace: str) -> bool:
        """Whether this process itself runs there."""
        return namespace == self._settings.own_namespace

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
        pages, cut = await self._pages(_many(resource, namespace, labels, fields), limit)
        return Listing(tuple(one for page in pages for one in _items(page)), cut)

    async def tables(
        self,
        resource: Resource,
        namespace: str | None,
        *,
        labels: str = "",
        fields: str = "",
        limit: int = MOST,
        include: str = "Metadata",
    ) -> tuple[tuple[Object, ...], bool]:
        """The same as the server's own tables, page by page, and whether there are more.

        `include`: None, Metadata or Object of what each row is about. A server that makes no
        tables answers with lists.
        """
        request = _many(resource, namespace, labels, fields)
        query = (*request.query, ("includeObject", include))
        accept = f"{_TABLE},application/json"
        return await self._pages(replace(request, query=query, accept=accept), limit)

    async def _pages(self, request: Request, limit: int) -> tuple[tuple[Object, ...], bool]:
        """At most `limit` objects or rows, page by page, and whether there are more."""
        pages = []
        count, token = 0, ""
        for _ in range(_PAGES):
            more = (("continue", token),) if token else ()
            query = (*request.query, ("limit", str(min(_PAGE, limit - count))), *more)
            try:
                page = await self.send(replace(request, query=query))
            except Expired:
                if not token:
                    raise
                break  # what came before is of one moment; the rest is unknown
            pages.append(page)
            count += len(page.get("items") or page.get("rows") or ())
            token = str((page.get("metadata") or {}).get("continue") or "")
            if not token or count >= limit:
                break
        return tuple(pages), bool(token)

    async def patch(
        self,
        target: tuple[str | Resource, str, str],
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
        return await self._write(
            "PATCH", Write(kind, namespace, name, sub, dry_run), body, content_type
        )

    async def apply(
        self,
        target: tuple[str | Resource, str, str],
        body: JsonValue,
        *,
        force: bool,
        dry_run: bool,
    ) -> Object:
        """Say which fields an object (kind, namespace, name) shall have as ours, making it where
        there is none. Raises `Conflict` with the server's words where somebody else owns one.
        """
        options = (("force", "true"),) if force else ()
        kind, namespace, name = target
        write = Write(kind, namespace, name, dry_run=dry_run, options=options)
        return await self._write("PATCH", write, body, APPLY_PATCH)

    async def create(
        self,
        kind: str | Resource,
        namespace: str,
        body: JsonValue,
        *,
        below: tuple[str, str] = ("", ""),
        dry_run: bool = False,
    ) -> Object:
        """Make an object; or below one, by its name and a sub-resource.

        Raises `Conflict` when the name is taken.
        """
        name, sub = below
        return await self._write("POST", Write(kind, namespace, name, sub, dry_run), body)

    async def delete(
        self,
        target: tuple[str | Resource, str, str],
        preconditions: Mapping[str, str],
        *,
        propagation: str = "Background",
        dry_run: bool = False,
    ) -> Object:
        """Delete exactly the object (kind, namespace, name) that has this uid or version.

        Raises `Conflict` when it is another one.
        """
        kind, namespace, name = target
        body: dict[str, JsonValue] = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": dict(preconditions),
            "propagationPolicy": propagation,
        }
        if dry_run:  # the server reads the options of a deletion from its body, if it has one
            body["dryRun"] = ["All"]
        return await self._write("DELETE", Write(kind, namespace, name, dry_run=dry_run), body)

    async def execute(
        self, namespace: str, pod: str, container: str, command: Sequence[str]
    ) -> Output:
        """Run a command in a container, without a shell and without input. Raises `ToolError`."""
        query = (
            *(("command", word) for word in command),
            ("container", container),
            ("stdout", "true"),
            ("stderr", "true"),
        )
        path = RESOURCES["pod"].path(namespace, pod, "exec")
        request = Request(f"pod/{pod} in {namespace}", "GET", path, query)
        return await self._wire.execute(
            request, self._identity, seconds=_COMMAND_SECONDS, most=_COMMAND_BYTES
        )

    async def _write(
        self, method: str, write: "Write", body: JsonValue, content_type: str = "application/json"
    ) -> Object:
        resource = write.kind if isinstance(write.kind, Resource) else RESOURCES[write.kind]
        options = (
            {} if method == "DELETE" else {"fieldManager": MANAGER, "fieldValidation": "Strict"}
        )
        query = tuple((options | ({"dryRun": "All"} if write.dry_run else {})).items())
        path = resource.path(write.namespace, write.name, write.sub)
        what = _named(resource.kind, write.namespace if resource.namespaced else "", write.name)
        request = Request(what, method, path, query + write.options, body, content_type)
        return await self.send(request)

    async def log(self, namespace: str, pod: str, options: Mapping[str, str]) -> str:
        """What one container wrote. Raises `Unable` when it cannot have a log."""
        query = {"limitBytes": str(LOG_BYTES), **options, "timestamps": "true"}
        path = RESOURCES["pod"].path(namespace, pod, "log")
        request = Request(f"the log of {pod}", "GET", path, tuple(query.items()))
        return (await self._wire.ask(request, self._identity)).decode(errors="replace")

    async def send(self, request: Request) -> Object:
        """Call the API and read the object that it answers. Raises `ToolError`."""
        answer = await self._wire.ask(request, self._identity)
        try:
            found = json.loads(answer)
        except ValueError as error:
            raise self._not_an_api(request) from error
        if not isinstance(found, dict):
            raise self._not_an_api(request)
        return found

    async def says(self, what: str, path: str) -> str:
        """What the server answers in plain text. Raises `ToolError`."""
        request = Request(what, "GET", path)
        return (await self._wire.ask(request, self._identity)).decode(errors="replace")

    async def document(self, path: str) -> Object:
        """One of the documents in which the server says what it serves."""
        return await self.send(Request("what it serves", "GET", path))

    def _not_an_api(self, request: Request) -> Unavailable:
        return Unavailable(
            f"What answers as cluster {self.name} is no Kubernetes API: check the address.",
            nothing_sent=not request.changes,
        )


def _look(kind: str | Resource, namespace: str, name: str) -> Request:
    resource = kind if isinstance(kind, Resource) else RESOURCES[kind]
    what = _named(resource.kind, namespace if resource.namespaced else "", name)
    return Request(what, "GET", resource.path(namespace, name))


def _items(page: Object) -> Iterator[Object]:
    """The members of a list with kind and version, which it says once: masking goes by them."""
    kind, version = str(page.get("kind", "")).removesuffix("List"), page.get("apiVersion")
    for one in page.get("items") or ():
        one.setdefault("kind", kind)
        one.setdefault("apiVersion", version)
        yield one


def _many(resource: Resource, namespace: str | None, labels: str, fields: str) -> Request:
    what = resource.plural + (f" in {namespace}" if namespace else "")
    selected = (("labelSelector", labels), ("fieldSelector", fields))
    query = tuple((key, value) for key, value in selected if value)
    return Request(what, "GET", resource.path(namespace), query)


def _named(kind: str, namespace: str, name: str) -> str:
    return f"{kind}/{name}" + (f" in {namespace}" if namespace else "")
