"""What a workload is configured with: names and keys, never a value; what is missing or changed."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tools._kit import Lines, NotFound, Refused, Unavailable
from tools.kubernetes import missing
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.counting import counted
from tools.kubernetes.kinds import RESOURCES, Object
from tools.kubernetes.objects import age, meta, moment, selector_text
from tools.kubernetes.views.seen import seen, unread

_MOST = 60  # references that are followed
_KEYS = 40  # that are named of each
_PARTS = ("initContainers", "containers")


@dataclass(frozen=True)
class _Use:
    """One way in which a workload uses a config map, a secret or a claim."""

    kind: str
    name: str
    how: str
    keys: tuple[str, ...] = ()  # that it cannot do without; empty: whichever there are
    optional: bool = False
    fixed: bool = False  # read once, when the container starts


@dataclass(frozen=True)
class _Found:
    """What was found of one of them."""

    keys: tuple[str, ...] = ()
    written: datetime | None = None
    problem: str = ""


async def configuration(
    cluster: Cluster, kind: str, namespace: str, name: str, now: datetime
) -> Lines:
    """Each thing it uses, where, and whether it is there. Raises `NotFound`."""
    live = await missing.found(cluster, RESOURCES[kind], namespace, name)
    spec = live["spec"] if kind == "pod" else _template(live)
    uses: dict[tuple[str, str], list[_Use]] = {}
    for use in _uses(spec):
        uses.setdefault((use.kind, use.name), []).append(use)
    chosen = list(uses)[:_MOST]
    selector = "" if kind == "pod" else selector_text(live["spec"].get("selector"))
    found, pods = await asyncio.gather(
        asyncio.gather(*(_look(cluster, namespace, *one) for one in chosen)),
        seen(cluster, "pod", namespace, labels=selector, limit=500),
    )
    started = [live] if kind == "pod" else pods.items if selector else ()
    begun = [at for pod in started if (at := moment((pod.get("status") or {}).get("startTime")))]
    lines: list[str] = []
    for one, result in zip(chosen, found, strict=True):
        lines += _told(uses[one], result, begun, now)
    lines += _own(spec)
    if account := spec.get("serviceAccountName"):
        lines.append(f"runs as serviceaccount/{account}")
    lines += [f"not seen: {line}" for line in unread(pods)]
    note = f"{kind}/{name} in {namespace}: names and keys, no values"
    if len(uses) > _MOST:
        note += f"; {_MOST} of {len(uses)} are shown"
    return Lines(tuple(lines) or ("it uses no config map, secret or volume claim",), note)


def _template(live: Object) -> Object:
    if live.get("kind") == "CronJob":
        live = live["spec"]["jobTemplate"]
    found: Object = (live["spec"].get("template") or {}).get("spec") or {}
    return found


# --- what it refers to --------------------------------------------------------------------------


def _uses(spec: Object) -> Iterator[_Use]:
    for part in _PARTS:
        for container in spec.get(part) or ():
            yield from _environment(container)
    for volume in spec.get("volumes") or ():
        yield from _volume(volume, _mounts(spec, str(volume.get("name"))))
    for pull in spec.get("imagePullSecrets") or ():
        yield _Use("secret", str(pull.get("name")), "credentials for its images", fixed=True)


def _environment(container: Object) -> Iterator[_Use]:
    where = f"of {container.get('name')}"
    for variable in container.get("env") or ():
        source = variable.get("valueFrom") or {}
        for field, kind in (("secretKeyRef", "secret"), ("configMapKeyRef", "configmap")):
            if reference := source.get(field):
                key = str(reference.get("key"))
                how = f"key {key} as variable {variable.get('name')} {where}"
                name, optional = str(reference.get("name")), bool(reference.get("optional"))
                yield _Use(kind, name, how, (key,), optional, fixed=True)
    for source in container.get("envFrom") or ():
        for field, kind in (("secretRef", "secret"), ("configMapRef", "configmap")):
            if reference := source.get(field):
                prefix = f" with {source['prefix']} before each" if source.get("prefix") else ""
                how = f"all keys as variables {where}{prefix}"
                name, optional = str(reference.get("name")), bool(reference.get("optional"))
                yield _Use(kind, name, how, (), optional, fixed=True)


def _volume(volume: Object, mounts: Sequence[tuple[str, bool]]) -> Iterator[_Use]:
    where = ", ".join(path for path, _ in mounts) or "nowhere"
    fixed = any(part for _, part in mounts)
    sources = [volume, *((volume.get("projected") or {}).get("sources") or ())]
    for source in sources:
        for field, kind in (("secret", "secret"), ("configMap", "configmap")):
            if given := source.get(field):
                keys = tuple(str(item.get("key")) for item in given.get("items") or ())
                what = f"keys {', '.join(keys)}" if keys else "all keys"
                how = f"{what} as files in {where}" + (" (a single file)" if fixed else "")
                name = str(given.get("secretName") or given.get("name"))
                yield _Use(kind, name, how, keys, bool(given.get("optional")), fixed)
    if claim := volume.get("persistentVolumeClaim"):
        how = f"mounted at {where}" + (", read-only" if claim.get("readOnly") else "")
        yield _Use("persistentvolumeclaim", str(claim.get("claimName")), how)


def _mounts(spec: Object, volume: str) -> list[tuple[str, bool]]:
    """Where a volume is seen, and whether by a part of it: that is never brought up to date."""
    return [
        (f"{mount.get('mountPath')} of {container.get('name')}", "subPath" in mount)
        for part in _PARTS
        for container in spec.get(part) or ()
        for mount in container.get("volumeMounts") or ()
        if mount.get("name") == volume
    ]


def _own(spec: Object) -> Iterator[str]:
    """Variables that the template itself gives."""
    for part in _PARTS:
        for container in spec.get(part) or ():
            names = [str(one["name"]) for one in container.get("env") or () if "value" in one]
            if names:
                yield f"set in its template for {container.get('name')}: {', '.join(names)}"


# --- what is there ------------------------------------------------------------------------------


async def _look(cluster: Cluster, namespace: str, kind: str, name: str) -> _Found:
    try:
        live = await cluster.get(kind, namespace, name)
    except NotFound:
        return _Found(problem="missing")
    except (Refused, Unavailable) as error:
        return _Found(problem=f"whether it is there could not be seen: {error}")
    if kind == "persistentvolumeclaim":
        phase = (live.get("status") or {}).get("phase")
        return _Found(problem="" if phase == "Bound" else f"it is {phase}")
    return _Found(tuple(sorted(_keys(live))), _written(live))


def _keys(live: Object) -> Iterator[str]:
    for part in ("data", "binaryData", "stringData"):
        yield from (live.get(part) or {})


def _written(live: Object) -> datetime | None:
    """When its content was last written, by the server's own book of who wrote what."""
    times = [
        at
        for entry in meta(live).get("managedFields") or ()
        if _is_content(entry.get("fieldsV1") or {}) and (at := moment(entry.get("time")))
    ]
    return max(times, default=None)


def _is_content(fields: Mapping[str, object]) -> bool:
    return any(key in fields for key in ("f:data", "f:binaryData", "f:stringData"))


def _told(
    uses: Sequence[_Use], found: _Found, begun: Sequence[datetime], now: datetime
) -> Iterator[str]:
    first = uses[0]
    head = f"{first.kind}/{first.name}"
    optional = all(use.optional for use in uses)
    if found.problem:
        head += f": {found.problem}"
        head += ", which is allowed (optional)" if optional and found.problem == "missing" else ""
    elif first.kind != "persistentvolumeclaim":
        named = ", ".join(found.keys[:_KEYS]) or "none"
        head += f": {counted(len(found.keys), 'key')}: {named}" + (
            " and more" if found.keys[_KEYS:] else ""
        )
        head += f"; written {age(found.written.isoformat(), now)} ago" if found.written else ""
    yield head
    for use in uses:
        absent = [key for key in use.keys if key not in found.keys] if not found.problem else []
        lacking = f": key {', '.join(absent)} is missing" if absent else ""
        yield f"  {use.how}{lacking}{' (optional)' if use.optional else ''}"
    older = sum(found.written is not None and at < found.written for at in begun)
    if older and any(use.fixed for use in uses):
        yield f"  written after {older} of {len(begun)} pods started: they have what was before"
