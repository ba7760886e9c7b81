"""Reading objects: what is in them, how old they are, and how two of them differ."""

import copy
import difflib
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import yaml
from pydantic import JsonValue

from tools._kit import ChangedPath
from tools.kubernetes.kinds import Object

NOT_SHOWN = "(not shown)"  # in the place of what a Secret holds
REVISION = "deployment.kubernetes.io/revision"
_Part = tuple[str, int, int, int, int]  # of a hunk, as difflib has them
_FLAGS = ("- -", "- '-", '- "-')
_WHICH = ("apiVersion", "kind", "metadata.name", "metadata.namespace")  # say which object it is
_HASH = "pod-template-hash"
_YEAR = 365  # days
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
# What the server and controllers write: it differs without anybody having changed anything.
_NOISE = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink")
_BOOKKEEPING = (REVISION, LAST_APPLIED)  # annotations that say nothing, unless a change writes them


def labels_of(thing: Object) -> dict[str, str]:
    """An object's labels."""
    return {str(key): str(value) for key, value in (meta(thing).get("labels") or {}).items()}


def version_of_secret(thing: Object) -> str:
    """What stands for a Secret's values in hashes that are kept, from which a short one would be
    guessed; empty of anything else.
    """
    return str(meta(thing).get("resourceVersion", "")) if thing.get("kind") == "Secret" else ""


def meta(thing: Object) -> Object:
    """The object's metadata."""
    found: Object = thing.get("metadata") or {}
    return found


def name_of(thing: Object) -> str:
    """The object's name."""
    return str(meta(thing).get("name", ""))


def namespace_of(thing: Object) -> str:
    """The object's namespace, empty where it has none."""
    return str(meta(thing).get("namespace", ""))


def annotation(thing: Object, key: str) -> str:
    """One annotation, or nothing."""
    return str((meta(thing).get("annotations") or {}).get(key, ""))


def moment(stamp: object) -> datetime | None:
    """A time stamp of the API."""
    if not isinstance(stamp, str) or not stamp:
        return None
    try:
        found = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def age(stamp: object, now: datetime) -> str:
    """How long ago, as kubectl writes it: 45s, 12m, 5h30m, 3d4h, 9d, 2y40d."""
    since = moment(stamp)
    if since is None:
        return "<unknown>"
    seconds = max(0, int((now - since).total_seconds()))
    if seconds < 120:
        return f"{seconds}s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 10:
        rest = seconds % 60
        return f"{minutes}m{rest}s" if rest else f"{minutes}m"
    if hours < 3:
        return f"{minutes}m"
    if hours < 8:
        rest = minutes % 60
        return f"{hours}h{rest}m" if rest else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        rest = hours % 24
        return f"{days}d{rest}h" if rest else f"{days}d"
    if days < 2 * _YEAR:
        return f"{days}d"
    rest = days % _YEAR
    return f"{days // _YEAR}y{rest}d" if rest and days < 8 * _YEAR else f"{days // _YEAR}y"


def conditions(thing: Object) -> dict[str, Object]:
    """The status conditions by type."""
    return {c["type"]: c for c in (thing.get("status") or {}).get("conditions") or ()}


def controller(thing: Object) -> str:
    """Who owns it, as kind/name, or nothing."""
    for reference in meta(thing).get("ownerReferences") or ():
        if reference.get("controller"):
            return f"{str(reference.get('kind')).lower()}/{reference.get('name')}"
    return ""


def template_of(workload: Object) -> Object:
    """The pod template without the label by which a controller tells its replica sets apart."""
    template: Object = copy.deepcopy((workload.get("spec") or {}).get("template") or {})
    (template.get("metadata", {}).get("labels") or {}).pop(_HASH, None)
    if template.get("metadata", {}).get("creationTimestamp", 0) is None:
        del template["metadata"]["creationTimestamp"]
    return template


def images_of(template: Object) -> tuple[str, ...]:
    """The images of a pod template's containers."""
    return tuple(
        str(c.get("image", "")) for c in (template.get("spec") or {}).get("containers") or ()
    )


def all_images_of(template: Object) -> tuple[str, ...]:
    """The same with its init containers', which come first."""
    init = (template.get("spec") or {}).get("initContainers") or ()
    return (*(str(one.get("image", "")) for one in init), *images_of(template))


def version_of(image: str) -> str:
    """What people call an image's version: its tag, or the start of its digest."""
    rest, _, digest = image.partition("@")
    tag = rest.rpartition("/")[2].partition(":")[2]
    return tag or digest.removeprefix("sha256:")[:12] or image


def why_moving(image: str) -> str:
    """Why the same reference may be other code at another time; empty for one version."""
    if "@" in image:
        return ""
    tag = image.rpartition("/")[2].partition(":")[2]
    if not tag:
        return f"{image} has no tag, which means latest"
    return f"{image} is whatever was pushed last" if tag == "latest" else ""


def selector_text(selector: Mapping[str, Any] | None) -> str:
    """An object's selector as a query writes it."""
    selector = selector or {}
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for expression in selector.get("matchExpressions") or ():
        key, operator = expression["key"], expression["operator"]
        values = ",".join(sorted(expression.get("values") or ()))
        match operator:
            case "Exists":
                parts.append(key)
            case "DoesNotExist":
                parts.append(f"!{key}")
            case _:
                parts.append(f"{key} {operator.lower()} ({values})")
    return ",".join(parts)


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Whether a selector with matchLabels and matchExpressions takes in these labels."""
    if selector is None:
        return False
    equal = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in equal.items()):
        return False
    return all(_holds(expression, labels) for expression in selector.get("matchExpressions") or ())


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case _:
            return key not in labels


def cleaned(thing: Object, keep: Collection[str] = ()) -> Object:
    """What people and git would call the object: without status and what controllers write.

    `keep` names annotations of theirs that matter here.
    """
    found = {key: value for key, value in thing.items() if key != "status"}
    if "metadata" in thing:
        metadata = {key: value for key, value in meta(thing).items() if key not in _NOISE}
        annotations = metadata.pop("annotations", None) or {}
        kept = {k: v for k, v in annotations.items() if k in keep or k not in _BOOKKEEPING}
        found["metadata"] = {**metadata, "annotations": kept} if kept else metadata
    return found


def compared(before: Object, after: Object) -> tuple[Object, Object]:
    """Both of them cleaned, but for what a change writes: then that is told, whatever it is."""
    written = [
        key for key in _BOOKKEEPING if after and annotation(before, key) != annotation(after, key)
    ]
    return cleaned(before, written), cleaned(after, written)


def with_version(live: Object, *operations: dict[str, JsonValue]) -> list[JsonValue]:
    """A JSON patch that is a conflict if anybody wrote the object since it was read."""
    version = str(meta(live)["resourceVersion"])
    lock: JsonValue = {"op": "replace", "path": "/metadata/resourceVersion", "value": version}
    return [lock, *operations]


def without_managed_fields(thing: Object) -> Object:
    """The object as the API holds it, but for the bookkeeping of who wrote which field."""
    return {**thing, "metadata": {k: v for k, v in meta(thing).items() if k != "managedFields"}}


def difference(before: Object, after: Object) -> str:
    """A unified diff of two objects as YAML. A Secret's content is never part of it.

    No hunk begins with a value whose name, or whose flag, stands just above it: values are masked
    by their names, so these must be seen.
    """
    old, new = map(_as_yaml, compared(before, after))
    groups = difflib.SequenceMatcher(None, old, new).get_grouped_opcodes(3)
    lines = [line for group in groups for line in _hunk(old, new, group)]
    return "\n".join(["--- now", "+++ after", *lines]) if lines else ""


def _as_yaml(thing: Object) -> Sequence[str]:
    if not thing:
        return ()  # what is not there yet, or no longer
    found = {**thing}
    if str(found.get("kind")) == "Secret":
        for part in ("data", "stringData"):
            found[part] = dict.fromkeys(found.get(part) or {}, NOT_SHOWN)
        if annotation(found, LAST_APPLIED):  # which holds the same
            hidden = {**meta(found)["annotations"], LAST_APPLIED: NOT_SHOWN}
            found["metadata"] = {**meta(found), "annotations": hidden}
    return _lines(json.dumps(found, sort_keys=True))


@lru_cache(maxsize=64)  # an object is shown again when its change is begun: unchanged, as a rule
def _lines(found: str) -> tuple[str, ...]:
    text: str = yaml.dump(json.loads(found), Dumper=_OneLine, sort_keys=True, width=_ENDLESS)
    return tuple(text.splitlines())


_ENDLESS = 2**31 - 1
# The one written in C is six times as fast; where it was not built, the other writes the same.
_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _OneLine(_Dumper):  # type: ignore[misc,valid-type]
    """Every text on the line of its key: of one that goes over many, a hunk would show a part."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if len(text.splitlines()) > 1 or text.endswith("\n") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_OneLine.add_representer(str, _text)


def _hunk(old: Sequence[str], new: Sequence[str], parts: list[_Part]) -> Iterator[str]:
    tag, start, end, new_start, new_end = parts[0]
    while start > 0 < new_start and old[start - 1] == new[new_start - 1] and _goes_on(old, start):
        start, new_start = start - 1, new_start - 1
    parts = [(tag, start, end, new_start, new_end), *parts[1:]]
    yield f"@@ -{_range(start, parts[-1][2])} +{_range(new_start, parts[-1][4])} @@"
    for kind, first, last, new_first, new_last in parts:
        if kind == "equal":
            yield from (f" {line}" for line in old[first:last])
        else:
            yield from (f"-{line}" for line in old[first:last])
            yield from (f"+{line}" for line in new[new_first:new_last])


def _goes_on(lines: Sequence[str], number: int) -> bool:
    """Whether a line is the value of what stands above it: of a name, or of a flag."""
    line, above = lines[number].lstrip(), lines[number - 1].lstrip()
    return line.startswith("value:") or (line.startswith("- ") and above.startswith(_FLAGS))


def _range(start: int, end: int) -> str:
    """Lines of a hunk as `diff` counts them."""
    count = end - start
    return str(start + 1) if count == 1 else f"{start + bool(count)},{count}"


def changed_paths(before: Any, after: Any, path: str = "") -> Iterator[ChangedPath]:
    """Every field in which two JSON values differ; list items with a name are told by it.

    A list in another order is told whole: init containers run in theirs.
    """
    if before == after:
        return
    if isinstance(before, list) and isinstance(after, list):
        named = _by_name(before), _by_name(after)
        before, after = (before, after) if _is_reordered(*named) else named
    if not isinstance(before, dict) or not isinstance(after, dict):
        yield ChangedPath(path=path, before=before, after=after)
        return
    for key in dict.fromkeys([*before, *after]):
        step = key if key.startswith("[") else f".{_quoted(key)}" if path else key
        yield from changed_paths(before.get(key), after.get(key), path + step)


def shaped(given: Any, stored: Any) -> Any:
    """What is stored of that which is given: the same fields, and nothing beside them."""
    if isinstance(given, dict) and isinstance(stored, dict):
        return {key: shaped(value, stored[key]) for key, value in given.items() if key in stored}
    if isinstance(given, list) and isinstance(stored, list):
        named = {one.get("name"): one for one in stored if isinstance(one, dict)}
        if None not in named and len(named) == len(stored) and all(_named(one) for one in given):
            return [shaped(one, named[one["name"]]) for one in given if one["name"] in named]
    return stored


def _named(one: Any) -> bool:
    return isinstance(one, dict) and "name" in one


def written_paths(before: Object, after: Object) -> tuple[ChangedPath, ...]:
    """Every field that a write changes in an object, each by itself also where a whole map is new.

    What a Secret holds is told as changed and never shown.
    """
    found = changed_paths(*compared(before, after))
    # in one order, whichever way one comes from the one to the other
    leaves = sorted((leaf for change in found for leaf in _leaves(change)), key=_by_path)
    leaves = [leaf for leaf in leaves if leaf.path not in _WHICH]
    hidden = str(after.get("kind") or before.get("kind")) == "Secret"
    return tuple(
        _unshown(leaf) if hidden and _holds_content(leaf.path) else leaf for leaf in leaves
    )


def _holds_content(path: str) -> bool:
    return path.startswith(("data", "stringData")) or path.endswith(f'"{LAST_APPLIED}"')


def _by_path(change: ChangedPath) -> str:
    return change.path


def _leaves(change: ChangedPath) -> Iterator[ChangedPath]:
    old, new = change.before, change.after
    value = new if old is None else old
    if (old is None or new is None) and isinstance(value, dict) and value:
        for one in changed_paths(old or {}, new or {}, change.path):
            yield from _leaves(one)
    else:
        yield change


def _unshown(change: ChangedPath) -> ChangedPath:
    return ChangedPath(
        path=change.path,
        before=None if change.before is None else NOT_SHOWN,
        after=None if change.after is None else NOT_SHOWN,
    )


def _by_name(items: list[Any]) -> Any:
    names = [item.get("name") if isinstance(item, dict) else None for item in items]
    if None in names or len(set(names)) != len(names):
        return items
    return {f"[{name}]": item for name, item in zip(names, items, strict=True)}


def _is_reordered(before: Any, after: Any) -> bool:
    """Whether items that both have, by their names, stand in another order."""
    if not isinstance(before, dict) or not isinstance(after, dict):
        return False
    return [key for key in before if key in after] != [key for key in after if key in before]


def _quoted(key: str) -> str:
    return key if _PLAIN_KEY.fullmatch(key) else json.dumps(key)


_PLAIN_KEY = re.compile(r"[^./\[\]\"]+")


# Where a text may be a secret: variables, headers, annotations, options of drivers.
_FREE_TEXT = re.compile(r"\.value$|\bannotations\.|\b(?:volumeAttributes|options)\.")


def is_free_text(change: ChangedPath) -> bool:
    """Whether a value stands there that may be a secret."""
    return _FREE_TEXT.search(change.path) is not None


def told(change: ChangedPath, limit: int = 80) -> str:
    """A changed path on one line: "image 1.9.0 → 1.8.0".

    A value that may be a secret is not said: here it would stand without the name that tells.
    """
    short = change.path.removeprefix("spec.template.").removeprefix("spec.")
    if change.before is None:
        return f"{short} added"
    if change.after is None:
        return f"{short} removed"
    values = (change.before, change.after)
    if is_free_text(change) or any(isinstance(v, (dict, list)) for v in values):
        return f"{short} changed"
    said = [v if isinstance(v, str) else json.dumps(v) for v in values]
    text = f"{short} {said[0]} → {said[1]}"
    return text if len(text) <= limit else f"{short} changed"
