"""What `get` finds: which objects are meant, and in which form they are shown."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tools._kit import Finding, JsonObject, Lines, Malformed, Manifests, NotFound, Table
from tools.kubernetes import missing
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.counting import counted
from tools.kubernetes.jsonpath import BadPath, Path, Template, path, template
from tools.kubernetes.kinds import Object, Resource, is_built_in
from tools.kubernetes.objects import name_of, namespace_of, without_managed_fields
from tools.kubernetes.quantities import amount, is_quantity
from tools.kubernetes.tables import table

_PATH = "jsonpath="


@dataclass(frozen=True)
class Wanted:
    """Which objects, and how they are shown."""

    resource: Resource
    place: str  # the namespace; of no meaning for what has none
    names: tuple[str, ...]
    everywhere: bool
    selector: str
    fields: str
    sort: str
    limit: int
    output: str  # auto, table, wide, yaml, json, name or jsonpath=…

    @property
    def within(self) -> str | None:
        """The namespace that is looked into; None: all, or none."""
        return None if self.everywhere or not self.resource.namespaced else self.place

    @property
    def spread(self) -> bool:
        """Whether what is found can be of several namespaces."""
        return self.everywhere and self.resource.namespaced


# Their order by anything else would tell of their values.
_OF_SECRETS = ("", ".metadata.name", ".metadata.namespace", ".metadata.creationTimestamp", ".type")


async def find(cluster: Cluster, wanted: Wanted) -> Finding:
    """The objects in the form that is wanted. Raises `Malformed` for a path that is none."""
    written, order = _template(wanted.output), _path(wanted.sort)
    if wanted.resource.kind == "secret" and wanted.sort.strip("{}") not in _OF_SECRETS:
        raise Malformed(f"Secrets are put in order by {', '.join(filter(None, _OF_SECRETS))} only.")
    if wanted.names:
        return await _named(cluster, wanted, written, order)
    if written is None and _is_made_by_server(wanted):
        return await _servers(cluster, wanted, order)
    if wanted.output == "name" and order is None and wanted.resource.kind != "secret":
        return await _only_names(cluster, wanted)
    listing = await cluster.list(
        wanted.resource,
        wanted.within,
        labels=wanted.selector,
        fields=wanted.fields,
        limit=wanted.limit,
    )
    items = _sorted(listing.items, order)
    note = await _note(cluster, wanted, len(items), cut=listing.cut)
    return _shown(wanted, items, note, written, alone=False)


def _is_made_by_server(wanted: Wanted) -> bool:
    """Wide tables, and those of kinds that only the server knows how to show.

    Never of Secrets: what a row is about would be sent along.
    """
    if wanted.resource.kind == "secret":
        return False
    known = is_built_in(wanted.resource)
    return wanted.output == "wide" or (wanted.output in ("auto", "table") and not known)


async def _named(
    cluster: Cluster, wanted: Wanted, written: Template | None, order: Path | None
) -> Finding:
    if wanted.everywhere or wanted.selector or wanted.fields:
        what = "all_namespaces" if wanted.everywhere else "a selector"
        raise Malformed(f"`name` says which ones already: it does not go with {what}.")
    looks = (missing.found(cluster, wanted.resource, wanted.place, n) for n in wanted.names)
    answers = await asyncio.gather(*looks, return_exceptions=True)
    items = []
    absent: list[NotFound] = []
    for answer in answers:
        if isinstance(answer, NotFound):
            absent.append(answer)
        elif isinstance(answer, BaseException):
            raise answer
        else:
            items.append(answer)
    if not items:
        raise absent[0]
    note = f"{wanted.resource.kind}/{','.join(name_of(one) for one in items)}"
    note += "".join(f"; {one}" for one in absent)
    return _shown(wanted, _sorted(items, order), note, written, alone=len(wanted.names) == 1)


def _shown(
    wanted: Wanted, items: Sequence[Object], note: str, written: Template | None, *, alone: bool
) -> Finding:
    output = wanted.output
    if written is None and output == "auto":
        output = "yaml" if alone else "table"
    objects = tuple(without_managed_fields(one) for one in items)
    if written is not None:
        return Manifests(objects, note, lambda seen: written.written(_whole(seen, alone=alone)))
    match output:
        case "yaml":
            return Manifests(objects, note)
        case "json":
            return Manifests(objects, note, lambda seen: _json(_whole(seen, alone=alone)))
        case "name":
            return _as_names(wanted, [(namespace_of(one), name_of(one)) for one in items], note)
        case _:
            now = datetime.now(UTC)
            return table(wanted.resource, items, now, namespaces=wanted.spread, note=note)


def _as_names(wanted: Wanted, found: Sequence[tuple[str, str]], note: str) -> Finding:
    kind = wanted.resource.kind
    if wanted.spread:
        rows = tuple((namespace, f"{kind}/{name}") for namespace, name in found)
        return Table(("NAMESPACE", "NAME"), rows, note)
    return Lines(tuple(f"{kind}/{name}" for _, name in found), note)


def _whole(objects: Sequence[JsonObject], *, alone: bool) -> Any:
    """As kubectl has them: one object, or a list of them."""
    if alone and len(objects) == 1:
        return objects[0]
    return {"apiVersion": "v1", "kind": "List", "items": list(objects)}


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


# --- the server's own tables --------------------------------------------------------------------


async def _servers(cluster: Cluster, wanted: Wanted, order: Path | None) -> Finding:
    """The server's columns: those of custom resources are their authors'."""
    include = "Object" if order else "Metadata"
    pages, cut = await cluster.tables(
        wanted.resource,
        wanted.within,
        labels=wanted.selector,
        fields=wanted.fields,
        limit=wanted.limit,
        include=include,
    )
    if any("rows" not in page for page in pages):  # it makes none
        items = _sorted([one for page in pages for one in page.get("items") or ()], order)
        note = await _note(cluster, wanted, len(items), cut=cut)
        return table(wanted.resource, items, datetime.now(UTC), namespaces=wanted.spread, note=note)
    columns = pages[0].get("columnDefinitions") or () if pages else ()
    chosen = [
        number
        for number, column in enumerate(columns)
        if wanted.output == "wide" or not column.get("priority")
    ]
    rows = [row for page in pages for row in page.get("rows") or ()]
    by_object = {id(row.get("object")): row for row in rows}
    rows = [by_object[id(one)] for one in _sorted([row.get("object") for row in rows], order)]
    note = await _note(cluster, wanted, len(rows), cut=cut)
    first = ("NAMESPACE",) if wanted.spread else ()
    return Table(
        (*first, *(str(columns[number].get("name", "")).upper() for number in chosen)),
        tuple(
            (
                *([namespace_of(row.get("object") or {})] if first else []),
                *(_cell(row, number) for number in chosen),
            )
            for row in rows
        ),
        note,
    )


async def _only_names(cluster: Cluster, wanted: Wanted) -> Finding:
    """Names alone: nothing else of the objects is sent, where the server makes tables."""
    pages, cut = await cluster.tables(
        wanted.resource,
        wanted.within,
        labels=wanted.selector,
        fields=wanted.fields,
        limit=wanted.limit,
        include="Metadata" if wanted.spread else "None",
    )
    found = [
        (namespace_of(row.get("object") or {}), str((row.get("cells") or [""])[0]))
        for page in pages
        for row in page.get("rows") or ()
    ]
    found += [
        (namespace_of(one), name_of(one)) for page in pages for one in page.get("items") or ()
    ]
    return _as_names(wanted, found, await _note(cluster, wanted, len(found), cut=cut))


def _cell(row: Object, number: int) -> str:
    cells = row.get("cells") or ()
    value = cells[number] if number < len(cells) else None
    return "<none>" if value is None or value == "" else str(value)


# --- order and notes ----------------------------------------------------------------------------


def _sorted(items: Sequence[Any], order: Path | None) -> list[Any]:
    """By what a path finds in each; amounts by their size, what has none first."""
    if order is None:
        return list(items)
    return sorted(items, key=lambda one: _rank(next(iter(order.values(one)), None)))


def _rank(value: Any) -> tuple[int, Any, str]:
    if value is None:
        return 0, 0, ""
    if isinstance(value, (bool, int, float)):
        return 1, value, ""
    text = str(value)
    return (1, amount(text), text) if is_quantity(text) else (2, 0, text)


def _template(text: str) -> Template | None:
    try:
        return template(text.removeprefix(_PATH)) if text.startswith(_PATH) else None
    except BadPath as error:
        raise Malformed(f"`output` has a path that cannot be read: {error}.") from error


def _path(text: str) -> Path | None:
    try:
        return path(text) if text else None
    except BadPath as error:
        raise Malformed(f"`sort` is a path that cannot be read: {error}.") from error


async def _note(cluster: Cluster, wanted: Wanted, count: int, *, cut: bool) -> str:
    """What was selected, and what of it is not shown."""
    resource = wanted.resource
    note = counted(count, resource.kind, resource.plural)
    if resource.namespaced:
        note += " in all namespaces" if wanted.everywhere else f" in namespace {wanted.place}"
    selected = " and ".join(part for part in (wanted.selector, wanted.fields) if part)
    note += f" with {selected}" if selected else ""
    note += f", by {wanted.sort}" if wanted.sort else ""
    if cut:
        why = f"cut at limit {wanted.limit}" if count >= wanted.limit else "not all could be read"
        note += f"; {why}, there are more"
        note += ", and the order is of these only" if wanted.sort else ""
    if not count and resource.namespaced and not wanted.everywhere:
        note += f"; {await missing.why_empty(cluster, resource, wanted.place)}"
    return note
