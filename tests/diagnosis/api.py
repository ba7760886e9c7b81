"""A read-only API server over a world: what a real one answers to looks, and 403 for the rest."""

import asyncio
import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from bot.sandbox.cluster.kinds import Resource
from bot.sandbox.cluster.selectors import matches, parse_labels
from bot.sandbox.cluster.status import ApiError
from bot.sandbox.cluster.tables import as_table
from tests.diagnosis.kinds import BEYOND_VIEW, METRICS, SERVED
from tests.diagnosis.world import Object, World

_FIELDS = {
    "Pod": (
        "spec.nodeName spec.restartPolicy spec.schedulerName spec.serviceAccountName"
        " spec.hostNetwork status.phase status.podIP status.nominatedNodeName"
    ),
    "Event": (
        "involvedObject.kind involvedObject.namespace involvedObject.name involvedObject.uid"
        " involvedObject.apiVersion involvedObject.resourceVersion involvedObject.fieldPath"
        " reason reportingComponent source type"
    ),
    "Secret": "type",
    "Namespace": "status.phase",
    "ReplicaSet": "status.replicas",
    "Job": "status.successful",
    "Node": "spec.unschedulable",
}
_CUSTOM = frozenset({"cert-manager.io"})  # kinds whose lists keep each object's own kind


@dataclass
class Answers:
    """What the server has to say, to whom, and how often it was asked."""

    world: World
    view_only: bool = False
    tables: bool = True
    latency: float = 0
    calls: list[str] = field(default_factory=list)
    bytes: int = 0

    def served(self) -> tuple[Resource, ...]:
        """The resources that this cluster has."""
        found = SERVED if self.world.without_metrics else SERVED + METRICS
        return tuple(
            one for one in found if one.group not in _CUSTOM or self.world.objects[one.kind]
        )


class Server:
    """Serves one world at a time in a thread of its own."""

    def __init__(self) -> None:
        self.answers: Answers | None = None
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one call and count it."""
        answers = self.answers
        assert answers is not None
        answers.calls.append(f"{request.method} {request.path_qs}")
        if answers.latency:
            await asyncio.sleep(answers.latency)
        try:
            body: Any = answer(answers, request)
            status = 200
        except ApiError as error:
            body, status = error.body(), error.code
        text = body if isinstance(body, str) else json.dumps(body)
        kind = "text/plain" if isinstance(body, str) else "application/json"
        answers.bytes += len(text)
        return web.Response(text=text, status=status, content_type=kind)


@contextmanager
def serve() -> Iterator[Server]:
    """A server on a port of its own."""
    server, loop = Server(), asyncio.new_event_loop()

    async def start() -> web.AppRunner:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", server.handle)
        runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    thread = threading.Thread(target=loop.run_forever, name="state-api")
    thread.start()
    try:
        runner = asyncio.run_coroutine_threadsafe(start(), loop).result()
        yield server
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def answer(answers: Answers, request: web.Request) -> Object | str:
    """The body for a call. Raises `ApiError`."""
    if request.method != "GET":
        raise _forbidden(answers, "create", request.path.rpartition("/")[2], "", "")
    parts = request.path.strip("/").split("/")
    found = _discovery(answers, parts)
    if found is not None:
        return found
    return _resource(answers, parts, request)


def _resource(answers: Answers, parts: list[str], request: web.Request) -> Object | str:
    if parts[0] == "api" and len(parts) > 2:
        group, rest = "", parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, rest = parts[1], parts[3:]
    else:
        raise _missing(request.path)
    place = ""
    if rest[0] == "namespaces" and len(rest) > 2:
        place, rest = rest[1], rest[2:]
    served = {(one.group, one.plural): one for one in answers.served()}
    resource = served.get((group, rest[0]))
    if resource is None or len(rest) > 3:
        raise _missing(request.path)
    name, sub = (*rest[1:], "", "")[:2]
    verb = "get" if name else "list"
    own = resource.namespaced and place == answers.world.namespace
    seen = own and resource.qualified not in BEYOND_VIEW
    if answers.view_only and not (seen or (resource.kind == "Namespace" and name)):
        raise _forbidden(answers, verb, resource.plural, resource.group, place)
    if sub == "log" and resource.kind == "Pod":
        return _log(answers.world, place, name, request)
    if sub not in ("", "status", "scale"):
        raise _missing(request.path)
    if resource in METRICS:
        return _metrics(answers.world, resource, place, name, request)
    if name:
        return _one(answers, resource, place, name, request)
    return _list(answers, resource, place, request)


def _one(
    answers: Answers, resource: Resource, place: str, name: str, request: web.Request
) -> Object:
    found = answers.world.objects[resource.kind].get((place, name))
    if found is None:
        raise _absent(resource, name)
    return _shaped(answers, resource, found, request)


def _list(answers: Answers, resource: Resource, place: str, request: web.Request) -> Object:
    query, world = request.query, answers.world
    labels = parse_labels(query.get("labelSelector", ""))
    fields = _parse_fields(resource, query.get("fieldSelector", ""))
    items = [
        one
        for (where, _), one in sorted(world.objects[resource.kind].items())
        if (not place or where == place)
        and matches(labels, one["metadata"].get("labels"))
        and all((_field(one, path) == value) is equal for path, equal, value in fields)
    ]
    limit, token = int(query.get("limit") or 0), query.get("continue", "")
    start = int(base64.b64decode(token)) if token else 0
    page = items[start : start + limit] if limit else items[start:]
    meta: Object = {"resourceVersion": "98765432"}
    left = len(items) - start - len(page)
    if left > 0:
        meta["continue"] = base64.b64encode(str(start + len(page)).encode()).decode()
        if not labels and not fields:
            meta["remainingItemCount"] = left
    # The items of a list do not say again what kind they are, except those of custom resources.
    if resource.group not in _CUSTOM:
        page = [{k: v for k, v in one.items() if k not in ("kind", "apiVersion")} for one in page]
    head = {"kind": f"{resource.kind}List", "apiVersion": resource.api_version, "metadata": meta}
    return _shaped(answers, resource, {**head, "items": page}, request)


def _shaped(answers: Answers, resource: Resource, body: Object, request: web.Request) -> Object:
    """As the client asked for it, as far as this server can."""
    wanted = [part.strip() for part in request.headers.get("Accept", "").split(",")]
    first = wanted[0]
    if "as=PartialObjectMetadata" in first:
        head = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
        if "items" not in body:
            return {**head, "metadata": body["metadata"]}
        items = [{**head, "metadata": one["metadata"]} for one in body["items"]]
        kind = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1"}
        return {**kind, "metadata": body["metadata"], "items": items}
    if "as=Table" not in first:
        return body
    if not answers.tables:
        if any("as=" not in part for part in wanted):
            return body
        message = "the body of the request was in an unknown format - accepted media types include:"
        raise _error(406, "NotAcceptable", f"{message} application/json, application/yaml")
    include = request.query.get("includeObject", "Metadata")
    return as_table(resource, body, answers.world.now, include=include)


def _parse_fields(resource: Resource, text: str) -> list[tuple[str, bool, str]]:
    found = []
    known = ("metadata.name", "metadata.namespace", *_FIELDS.get(resource.kind, "").split())
    for part in filter(None, text.split(",")):
        path, sign, value = part.partition("!=" if "!=" in part else "=")
        if path not in known:
            raise _error(400, "BadRequest", f"field label not supported: {path}")
        found.append((path, sign == "=", value.removeprefix("=")))
    return found


def _field(thing: Object, path: str) -> str:
    value: Any = thing
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    if path == "source":
        return str((value or {}).get("component", ""))
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _log(world: World, place: str, name: str, request: web.Request) -> str:
    pod = world.objects["Pod"].get((place, name))
    if pod is None:
        raise _error(404, "NotFound", f'pods "{name}" not found')
    containers = [one["name"] for one in pod["spec"].get("initContainers") or ()]
    main = [one["name"] for one in pod["spec"]["containers"]]
    wanted = request.query.get("container") or ""
    if not wanted and len(main) > 1:
        text = (
            f"a container name must be specified for pod {name}, choose one of: [{' '.join(main)}]"
        )
        raise _error(400, "BadRequest", text)
    wanted = wanted or main[0]
    if wanted not in (*main, *containers):
        raise _error(400, "BadRequest", f"container {wanted} is not valid for pod {name}")
    node = pod["spec"].get("nodeName", "")
    if node in world.silent_kubelets:
        address = pod["status"].get("hostIP", node)
        text = f'Get "https://{address}:10250/containerLogs/{place}/{name}/{wanted}": dial tcp'
        raise _error(500, "InternalError", f"{text} {address}:10250: i/o timeout")
    previous = request.query.get("previous") in ("true", "1")
    _can_have_log(pod, wanted, previous)
    lines = world.logs.get((place, name, wanted, previous), "").splitlines(keepends=True)
    if request.query.get("timestamps") != "true":
        lines = [line.partition(" ")[2] for line in lines]
    tail = request.query.get("tailLines")
    lines = lines[-int(tail) :] if tail and int(tail) else lines
    return "".join(lines)[: int(request.query.get("limitBytes") or 10**9)]


def _can_have_log(pod: Object, container: str, previous: bool) -> None:
    name = pod["metadata"]["name"]
    status = pod["status"]
    every = (*status.get("containerStatuses", ()), *status.get("initContainerStatuses", ()))
    mine = next((one for one in every if one["name"] == container), None)
    if mine is None:
        if status.get("phase") == "Failed":
            raise _error(
                400, "BadRequest", f'container "{container}" in pod "{name}" is terminated'
            )
        return  # a pod without a node has an empty log
    waits = mine["state"].get("waiting")
    if previous and not mine["lastState"].get("terminated"):
        text = f'previous terminated container "{container}" in pod "{name}" not found'
        raise _error(400, "BadRequest", text)
    if waits and not previous and not mine.get("containerID"):
        reason = waits["reason"]
        said = {
            "ContainerCreating": "is waiting to start: ContainerCreating",
            "PodInitializing": "is waiting to start: PodInitializing",
        }.get(reason, f"is waiting to start: {reason}")
        raise _error(400, "BadRequest", f'container "{container}" in pod "{name}" {said}')


def _metrics(
    world: World, resource: Resource, place: str, name: str, request: web.Request
) -> Object:
    if resource.kind == "NodeMetrics":
        usage: Object = {"cpu": "1250m", "memory": "9000Mi"}
        items: list[Object] = [
            {"metadata": {"name": one["metadata"]["name"]}, "usage": usage}
            for one in world.all("Node")
        ]
    else:
        labels = parse_labels(request.query.get("labelSelector", ""))
        items = [
            {
                "metadata": {key: one["metadata"][key] for key in ("name", "namespace", "labels")},
                "containers": [
                    {"name": c["name"], "usage": {"cpu": "21m", "memory": "90Mi"}}
                    for c in one["spec"]["containers"]
                ],
            }
            for one in world.all("Pod", place or None)
            if one["status"].get("phase") == "Running"
            and matches(labels, one["metadata"].get("labels"))
        ]
    for one in items:
        one |= {"timestamp": world.ago(20), "window": "15s"}
    if name:
        found = next((one for one in items if one["metadata"]["name"] == name), None)
        if found is None:
            raise _absent(resource, name)
        return {"kind": resource.kind, "apiVersion": resource.api_version, **found}
    head: Object = {"kind": f"{resource.kind}List", "apiVersion": resource.api_version}
    return {**head, "metadata": {}, "items": items}


def _discovery(answers: Answers, parts: list[str]) -> Object | None:
    match parts:
        case ["version"]:
            return {"major": "1", "minor": "32", "gitVersion": "v1.32.5", "platform": "linux/amd64"}
        case ["api"]:
            return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
        case ["apis"]:
            groups = dict.fromkeys(
                (one.group, one.version) for one in answers.served() if one.group
            )
            return {
                "kind": "APIGroupList",
                "apiVersion": "v1",
                "groups": [_group(*one) for one in groups],
            }
        case ["api", "v1"]:
            return _resources(answers, "", "v1")
        case ["apis", group, version]:
            return _resources(answers, group, version)
        case _:
            return None


def _group(name: str, version: str) -> Object:
    served = {"groupVersion": f"{name}/{version}", "version": version}
    return {"name": name, "versions": [served], "preferredVersion": served}


def _resources(answers: Answers, group: str, version: str) -> Object | None:
    mine = [one for one in answers.served() if (one.group, one.version) == (group, version)]
    if not mine:
        return None
    listed: list[Object] = []
    for one in mine:
        looks = ["get", "list"] if one in METRICS else ["create", "delete", "get", "list", "watch"]
        body: Object = {
            "name": one.plural,
            "singularName": one.singular,
            "namespaced": one.namespaced,
        }
        listed.append({**body, "kind": one.kind, "verbs": looks, "shortNames": list(one.short)})
        listed += [
            {**body, "name": f"{one.plural}/{sub}", "kind": one.kind, "verbs": ["get"]}
            for sub in (*one.subresources, *(["status"] if one.status else []))
        ]
    name = f"{group}/{version}" if group else version
    head: Object = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name}
    return {**head, "resources": listed}


def _error(code: int, reason: str, message: str) -> ApiError:
    return ApiError(code, reason, message)


def _missing(_path: str) -> ApiError:
    return _error(404, "NotFound", "the server could not find the requested resource")


def _absent(resource: Resource, name: str) -> ApiError:
    return _error(404, "NotFound", f'{resource.qualified} "{name}" not found')


def _forbidden(answers: Answers, verb: str, plural: str, group: str, place: str) -> ApiError:
    where = f'in the namespace "{place}"' if place else "at the cluster scope"
    who = f'User "system:serviceaccount:{answers.world.namespace}:countersign"'
    text = f'{plural} is forbidden: {who} cannot {verb} resource "{plural}" in API group "{group}"'
    return _error(403, "Forbidden", f"{text} {where}")
