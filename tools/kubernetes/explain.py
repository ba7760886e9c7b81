"""What the fields of a kind mean, by the schema that the cluster itself publishes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tools._kit import Lines, NotFound, Refused
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.counting import counted
from tools.kubernetes.kinds import Object, Resource

_MOST = 120  # fields of one object
_WORDS = 160  # characters of a field's description in a list of fields
_LONG = 1500  # of the one that is asked about
_INDEX = "/openapi/v3"


async def explain(cluster: Cluster, resource: Resource, field: str) -> Lines:
    """A field with what is in it. Raises `NotFound`, naming the fields that there are."""
    schemas, schema = await _schema(cluster, resource)
    walked: list[str] = []
    for step in [part for part in field.split(".") if part]:
        known = _inner(schemas, schema).get("properties") or {}
        if step not in known:
            where = ".".join((resource.kind, *walked))
            raise NotFound(f"{where} has no field {step}; it has {', '.join(known) or 'none'}.")
        walked.append(step)
        schema = known[step]
    what = ".".join((resource.kind, *walked))
    inner = _inner(schemas, schema)
    words = _described(schemas, schema) or "nothing is said about it"
    lines = [f"{what} <{_type(schemas, schema)}>", f"  {_cut(words, _LONG)}"]
    if choices := inner.get("enum"):
        lines.append(f"  one of {', '.join(map(str, choices))}")
    lines += _fields(schemas, inner)
    return Lines(tuple(lines), f"{resource.api_version} as cluster {cluster.name} serves it")


async def _schema(cluster: Cluster, resource: Resource) -> tuple[Mapping[str, Any], Object]:
    """All schemas of the kind's group, and its own."""
    index = await cluster.document(_INDEX)
    place = (index.get("paths") or {}).get(resource.prefix.lstrip("/")) or {}
    path = str(place.get("serverRelativeURL") or "")
    if not path.startswith(f"{_INDEX}/") or ".." in path:  # nobody is sent elsewhere by an answer
        raise Refused(f"Cluster {cluster.name} publishes no schema of {resource.api_version}.")
    document = await cluster.document(path)
    schemas: Mapping[str, Any] = (document.get("components") or {}).get("schemas") or {}
    for schema in schemas.values():
        for one in schema.get("x-kubernetes-group-version-kind") or ():
            named = (str(one.get("kind", "")).lower(), str(one.get("group", "")))
            if named == (resource.kind, resource.group):
                return schemas, schema
    raise Refused(f"Cluster {cluster.name} publishes no schema of {resource.kind}.")


def _resolved(schemas: Mapping[str, Any], schema: Object) -> Object:
    """What a reference stands for; schemas wrap it to add a description."""
    for _ in range(10):
        wrapped: list[Object] = schema.get("allOf") or []
        reference = schema.get("$ref") or (wrapped[0].get("$ref") if len(wrapped) == 1 else None)
        if not reference:
            break
        schema = schemas.get(str(reference).rpartition("/")[2]) or {}
    return schema


def _inner(schemas: Mapping[str, Any], schema: Object) -> Object:
    """The object that a field is, or that the members of a list or a map are."""
    for _ in range(10):
        schema = _resolved(schemas, schema)
        within = schema.get("items") or schema.get("additionalProperties")
        if not isinstance(within, dict):
            break
        schema = within
    return _resolved(schemas, schema)


def _type(schemas: Mapping[str, Any], schema: Object) -> str:
    found = _resolved(schemas, schema)
    if found.get("type") == "array":
        return f"[]{_type(schemas, found.get('items') or {})}"
    if isinstance(more := found.get("additionalProperties"), dict):
        return f"map[string]{_type(schemas, more)}"
    if found.get("x-kubernetes-int-or-string"):
        return "integer or string"
    return str(found.get("type") or found.get("format") or "any")


def _described(schemas: Mapping[str, Any], schema: Object) -> str:
    own = schema.get("description") or _resolved(schemas, schema).get("description")
    return " ".join(str(own or "").split())


def _fields(schemas: Mapping[str, Any], inner: Object) -> Iterator[str]:
    known: Mapping[str, Object] = inner.get("properties") or {}
    required: Sequence[str] = inner.get("required") or ()
    if known:
        yield "fields:"
    for name in sorted(known)[:_MOST]:
        needed = ", required" if name in required else ""
        words = _cut(_described(schemas, known[name]), _WORDS)
        yield f"  {name} <{_type(schemas, known[name])}>{needed}: {words}"
    if len(known) > _MOST:
        yield f"  {counted(len(known) - _MOST, 'more field')}"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
