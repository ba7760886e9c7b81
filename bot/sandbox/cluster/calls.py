"""One request to the API, read from its URL and headers."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from bot.sandbox.cluster import protobuf
from bot.sandbox.cluster.kinds import BY_PATH, NAMESPACES, Resource
from bot.sandbox.cluster.status import ApiError, bad_request, unsupported

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "HEAD": "get"}
PATCHES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)
TRUE = ("1", "true", "True")


@dataclass(frozen=True)
class Place:
    """Which object or collection a path names."""

    resource: Resource
    namespace: str | None
    name: str
    subresource: str


def locate(path: str) -> Place | None:
    """Read a path; None if it names no resource that is served."""
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = None
    own = len(rest) == 3 and rest[2] in ("status", "finalize") and not group
    if rest[0] == "namespaces" and len(rest) > 2 and not own:
        namespace, rest = rest[1], rest[2:]
    resource = BY_PATH.get((group, version, rest[0]))
    if resource is None or len(rest) > 3 or (namespace is not None and not resource.namespaced):
        return None
    name = rest[1] if len(rest) > 1 else ""
    if name and resource.namespaced and namespace is None:
        return None
    subresource = rest[2] if len(rest) > 2 else ""
    known = {*resource.subresources, *(["status"] if resource.status else [])}
    known |= {"scale"} if resource.scale else set()
    if subresource and subresource not in known:
        return None
    return Place(resource, namespace, name, subresource)


@dataclass(frozen=True)
class Call:
    """A request that names a resource, with everything that decides its answer."""

    place: Place
    method: str
    query: Mapping[str, str]
    user: str
    agent: str = ""
    content_type: str = ""
    body: bytes = b""
    warnings: list[str] = field(default_factory=list)

    @property
    def verb(self) -> str:
        """Return the verb that permissions use."""
        if self.method == "DELETE":
            return "delete" if self.place.name else "deletecollection"
        if self.method != "GET":
            return _VERBS.get(self.method, self.method.lower())
        if self.query.get("watch") in TRUE:
            return "watch"
        return "get" if self.place.name else "list"

    @property
    def dry_run(self) -> bool:
        """Say whether nothing is to be stored. Raises ApiError for an unknown value."""
        value = self.query.get("dryRun")
        if value not in (None, "", "All"):
            raise bad_request(f'invalid dryRun value "{value}": only All is supported')
        return value == "All"

    @property
    def manager(self) -> str:
        """Return who is recorded as having set the fields."""
        return self.query.get("fieldManager") or self.agent.partition("/")[0] or "unknown"

    @property
    def namespace(self) -> str:
        """Return the namespace that permissions look at."""
        if self.place.resource is NAMESPACES:
            return self.place.name
        return self.place.namespace or ""

    def json(self) -> Any:
        """Read the body. Raises ApiError when it is none."""
        kind = self.content_type.partition(";")[0].strip()
        if self.method == "PATCH":
            if kind not in PATCHES:
                raise unsupported(kind, PATCHES)
        elif kind == protobuf.TYPE:
            return protobuf.read(self.body)
        elif kind not in ("", "application/json", "application/yaml", "text/plain"):
            raise unsupported(kind, ("application/json", "application/yaml"))
        try:
            if "yaml" in kind:
                return yaml.safe_load(self.body)
            return json.loads(self.body)
        except (ValueError, yaml.YAMLError) as error:
            raise bad_request(f"error decoding the request body: {error}") from error

    def number(self, name: str) -> int | None:
        """Return a whole number from the query. Raises ApiError for anything else."""
        text = self.query.get(name)
        if not text:
            return None
        if not text.isdigit():
            raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax ({name})')
        return int(text)


def write_continue(version: int, start: str) -> str:
    """Make the token by which a client asks for the next page."""
    token = {"v": "meta.k8s.io/v1", "rv": version, "start": start + "\0"}
    text = json.dumps(token, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_continue(token: str) -> tuple[int, str]:
    """Read a page token. Raises ApiError 400 for a forged one."""
    try:
        found = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return int(found["rv"]), str(found["start"]).rstrip("\0")
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise ApiError(400, "BadRequest", "continue key is not valid") from error
