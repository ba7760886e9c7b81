"""/openapi/v3: schemas and paths, from the official client's generated models.

kubectl asks it whether the server checks fields, how to merge, and what `explain` says.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from bot.sandbox.cluster import schema
from bot.sandbox.cluster.kinds import RESOURCES, Resource

Json = dict[str, Any]

_SCALARS: dict[str, Json] = {
    "str": {"type": "string"},
    "int": {"type": "integer", "format": "int32"},
    "bool": {"type": "boolean"},
    "float": {"type": "number", "format": "double"},
    "datetime": {"type": "string", "format": "date-time"},
    "bytes": {"type": "string", "format": "byte"},
    "object": {"type": "object"},
}
_LIST = re.compile(r"List\[(.+)\]", re.IGNORECASE)
_MAP = re.compile(r"Dict[\[(]str, (.+)[\])]", re.IGNORECASE)


def document(path: str) -> Json | None:
    """Return the index, the document of a group's version, or None."""
    parts = path.strip("/").split("/")
    if parts[:2] != ["openapi", "v3"]:
        return None
    if len(parts) == 2:
        return {
            "paths": {
                place: {"serverRelativeURL": f"/openapi/v3/{place}?hash=demo"}
                for place in _places()
            }
        }
    return _of("/".join(parts[2:]))


def _place(resource: Resource) -> str:
    return f"apis/{resource.api_version}" if resource.group else f"api/{resource.version}"


def _places() -> list[str]:
    return list(dict.fromkeys(_place(resource) for resource in RESOURCES))


@cache
def _of(place: str) -> Json | None:
    resources = [resource for resource in RESOURCES if _place(resource) == place]
    if not resources:
        return None
    schemas: Json = {}
    for resource in resources:
        _add(schemas, schema.model_of(resource))
        schemas[schema.model_of(resource)]["x-kubernetes-group-version-kind"] = [_gvk(resource)]
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1.36.2"},
        "paths": dict(path for resource in resources for path in _paths(resource)),
        "components": {"schemas": schemas},
    }


def _gvk(resource: Resource) -> Json:
    return {"group": resource.group, "version": resource.version, "kind": resource.kind}


def _paths(resource: Resource) -> Iterator[tuple[str, Json]]:
    collection = resource.path("{namespace}") if resource.namespaced else resource.path(None)
    content = {"application/json": {"schema": _reference(schema.model_of(resource))}}
    answer = {"200": {"description": "OK", "content": content}}
    query = [
        {"name": name, "in": "query", "schema": {"type": "string"}}
        for name in ("dryRun", "fieldManager", "fieldValidation", "force")
    ]
    about = {"x-kubernetes-group-version-kind": _gvk(resource), "responses": answer}
    writing = {"parameters": query, "requestBody": {"content": content}, **about}
    yield (
        collection,
        {
            "get": {**about, "x-kubernetes-action": "list"},
            "post": {**writing, "x-kubernetes-action": "post"},
        },
    )
    yield (
        f"{collection}/{{name}}",
        {
            "get": {**about, "x-kubernetes-action": "get"},
            "put": {**writing, "x-kubernetes-action": "put"},
            "patch": {**writing, "x-kubernetes-action": "patch"},
            "delete": {**about, "x-kubernetes-action": "delete"},
        },
    )


def _reference(model: str) -> Json:
    return {"$ref": f"#/components/schemas/{model}"}


def _add(schemas: Json, model: str) -> None:
    """Put a model and all that it uses into `schemas`."""
    if model in schemas:
        return
    made: Json = {"type": "object", "description": schema.description(model), "properties": {}}
    schemas[model] = made
    for name, (kind, words) in schema.properties(model).items():
        made["properties"][name] = {"description": words, **_kind(schemas, kind)}
    if required := schema.required(model):
        made["required"] = list(required)


def _kind(schemas: Json, kind: str) -> Json:
    if listed := _LIST.fullmatch(kind):
        return {"type": "array", "items": _kind(schemas, listed[1])}
    if mapped := _MAP.fullmatch(kind):
        return {"type": "object", "additionalProperties": _kind(schemas, mapped[1])}
    if kind in _SCALARS:
        return dict(_SCALARS[kind])
    _add(schemas, kind)
    return {"allOf": [_reference(kind)]}
