"""Label and field selectors, as query parameters and as the objects' own selectors."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.sandbox.cluster.kinds import EVENTS, PODS, Resource
from bot.sandbox.cluster.status import ApiError, bad_request

_KEY = r"(?:[A-Za-z0-9.\-]+/)?[A-Za-z0-9](?:[A-Za-z0-9_.\-]*[A-Za-z0-9])?"
_VALUE = r"(?:[A-Za-z0-9](?:[A-Za-z0-9_.\-]*[A-Za-z0-9])?)?"
_SET = re.compile(rf"({_KEY})\s+(in|notin)\s+\(([^()]*)\)")
_EQUAL = re.compile(rf"({_KEY})\s*(==|=|!=)\s*({_VALUE})")
_EXISTS = re.compile(rf"(!?)\s*({_KEY})")
_SPLIT = re.compile(r",(?![^()]*\))")

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Requirement:
    """One condition on one label."""

    key: str
    operator: str  # In, NotIn, Exists, DoesNotExist
    values: frozenset[str] = frozenset()

    def holds(self, labels: Labels) -> bool:
        """Say whether `labels` meet it; an absent label meets NotIn."""
        match self.operator:
            case "In":
                return self.key in labels and labels[self.key] in self.values
            case "NotIn":
                return labels.get(self.key) not in self.values
            case "Exists":
                return self.key in labels
            case _:
                return self.key not in labels


def parse_labels(text: str) -> list[Requirement]:
    """Read a `labelSelector`. Raises ApiError 400 for what is none."""
    return [_requirement(part.strip(), text) for part in _SPLIT.split(text)] if text else []


def _requirement(part: str, whole: str) -> Requirement:
    if found := _SET.fullmatch(part):
        values = frozenset(value.strip() for value in found[3].split(","))
        if not all(re.fullmatch(_VALUE, value) for value in values):
            raise bad_request(f"unable to parse requirement: invalid value in {whole!r}")
        return Requirement(found[1], "In" if found[2] == "in" else "NotIn", values)
    if found := _EQUAL.fullmatch(part):
        return Requirement(found[1], "NotIn" if found[2] == "!=" else "In", frozenset({found[3]}))
    if found := _EXISTS.fullmatch(part):
        return Requirement(found[2], "DoesNotExist" if found[1] else "Exists")
    raise bad_request(f"unable to parse requirement: found {part!r} in {whole!r}")


def of_object(selector: Mapping[str, Any] | None) -> list[Requirement]:
    """Read the selector that a workload or budget carries in its spec."""
    if selector is None:
        return []
    equal = selector.get("matchLabels") or {}
    more = selector.get("matchExpressions") or []
    return [Requirement(key, "In", frozenset({value})) for key, value in equal.items()] + [
        Requirement(e["key"], e["operator"], frozenset(e.get("values") or ())) for e in more
    ]


def matches(requirements: list[Requirement], labels: Labels | None) -> bool:
    """Say whether all requirements hold."""
    return all(requirement.holds(labels or {}) for requirement in requirements)


def write(selector: Mapping[str, Any]) -> str:
    """Write an object's selector as a string, as the scale sub-resource shows it."""
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for expression in selector.get("matchExpressions") or []:
        key, operator = expression["key"], expression["operator"]
        if operator in ("In", "NotIn"):
            values = ",".join(sorted(expression.get("values") or ()))
            parts.append(f"{key} {operator.lower()} ({values})")
        else:
            parts.append(key if operator == "Exists" else f"!{key}")
    return ",".join(parts)


_COMMON = ("metadata.name", "metadata.namespace")
_FIELDS = {
    PODS: ("status.phase", "spec.nodeName", "spec.restartPolicy", "status.podIP"),
    EVENTS: (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "reason",
        "type",
        "reportingComponent",
    ),
}


def parse_fields(resource: Resource, text: str) -> Callable[[Mapping[str, Any]], bool]:
    """Read a `fieldSelector`. Raises ApiError 400 for a field that this resource does not index."""
    conditions: list[tuple[str, bool, str]] = []
    for part in text.split(",") if text else []:
        found = re.fullmatch(r"\s*([A-Za-z.]+)\s*(==|=|!=)(.*)", part)
        if found is None:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        if found[1] not in (*_COMMON, *_FIELDS.get(resource, ())):
            raise _unknown_field(resource, text, found[1])
        conditions.append((found[1], found[2] != "!=", found[3]))
    return lambda thing: all(
        (_field(thing, path) == value) is equal for path, equal, value in conditions
    )


def _unknown_field(resource: Resource, text: str, field: str) -> ApiError:
    return bad_request(
        f'Unable to find "{resource.path(None)}" that match label selector "", field selector '
        f'"{text}": field label not supported: {field}'
    )


def _field(thing: Mapping[str, Any], path: str) -> str:
    value: Any = thing
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return "" if value is None else str(value)
