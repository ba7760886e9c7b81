"""What becomes of a container: one model from which state, restarts, logs and events follow.

A `Behaviour` says, as data, how an image acts. Together with the container's environment, limits
and probes it gives a `Course`: when it is ready, when and how it ends and what it writes. Nothing
else decides; change the configuration and the log changes with the fate.
"""

import base64
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from fnmatch import fnmatchcase

from bot.sandbox.cluster.clock import Clock
from bot.sandbox.cluster.kinds import CONFIG_MAPS, SECRETS, Resource
from bot.sandbox.cluster.quantities import quantity
from bot.sandbox.cluster.store import Object

LOG_KEPT = 2000  # lines of a running container before the oldest are rotated away


@dataclass(frozen=True)
class Timing:
    """How long things take, in seconds of the cluster."""

    schedule: float = 0.1
    create: float = 0.4
    terminate: float = 1.5
    restart: float = 1.0  # between an end and what follows it
    backoff: float = 10.0
    backoff_limit: float = 300.0
    steady: float = 600.0  # a run this long forgives earlier crashes
    config_retry: float = 10.0
    schedule_retry: float = 5.0


@dataclass(frozen=True)
class Behaviour:
    """How an image acts. `image` is a pattern such as `shop/checkout:1.9.*`; times in seconds."""

    image: str
    pullable: bool = True
    pull_seconds: float = 0.8
    ready_seconds: float = 1.5
    needs: Mapping[str, str] = field(default_factory=dict)  # variable → last words without it
    crash_seconds: float = 1.0
    exit_code: int = 1
    memory: str = "48Mi"  # what it grows to; above the limit it is killed
    grow_seconds: float = 8.0
    unready: str = ""  # what the readiness probe finds for ever
    unready_without: Mapping[str, str] = field(default_factory=dict)  # variable → probe's finding
    ends_after: float | None = None  # a task that finishes with exit code 0
    work_lines: Sequence[str] = ()
    work_every: float = 5.0
    pull_error: str = "not found"  # why an image that is not pullable cannot be pulled
    pool: str = ""  # the variable with the size of its connection pool
    pool_needs: int = 0  # connections that its traffic needs; with fewer, requests wait and fail
    data: str = ""  # the mount path of the volume it writes to; a full one ends it
    data_rate: str = "0"  # how fast that volume fills, in bytes a second
    unlive_after: float | None = None  # seconds until its liveness probe fails
    unlive: str = ""  # what the liveness probe finds then
    rps: float = 0.0  # requests a second from outside, for all its pods together
    calls: Sequence[str] = ()  # what a request needs, such as `shop/cart`; that fails, it fails
    latency_ms: float = 12.0  # of a request when all is well
    cpu_idle: str = "5m"
    cpu_per_request: float = 1.0  # millicores for one request a second


GENERIC = Behaviour("*", work_lines=("INFO GET /healthz 200 {ms}ms",), work_every=10.0)


@dataclass(frozen=True)
class Course:
    """What one run of a container will do, in seconds from its start."""

    start_lines: tuple[tuple[float, str], ...]
    ready_after: float | None
    probe_failure: str
    ends_after: float | None
    exit_code: int
    reason: str
    work_lines: tuple[str, ...]
    work_every: float
    seed: int
    flaps: bool = False  # its readiness probe fails on and off
    unlive: str = ""  # what the liveness probe found before the end
    last_words: str = ""  # written as it ends


# A version with what people hang on it ("v1.9.0-rc.1", "16-alpine3.19"), a tag that moves, or a
# digest (of which only a registry could tell whether it exists).
_WORDS = (
    "alpine|alpha|beta|bookworm|bullseye|buster|build|debian|dev|distroless|hotfix|jammy|noble|"
    "nonroot|patch|perl|pre|preview|r|rc|rev|rootless|slim|snapshot|ubuntu|unprivileged"
)
_PLAUSIBLE = re.compile(
    rf"v?\d+(\.\d+)*([-+_.](\d+|(g|sha)?[0-9a-f]{{7,40}}|({_WORDS})[\d.]*))*"
    rf"|(latest|stable|main|master|mainline|edge|nightly|lts|{_WORDS})([-.][\w.]+)?"
    r"|[0-9a-f]{64}"
)


class ConfigurationMissing(Exception):
    """The container refers to a config map, secret or key that does not exist."""


def behaviour_of(image: str, behaviours: Sequence[Behaviour]) -> Behaviour:
    """Find how an image acts.

    What no registry is likely to have cannot be pulled: a tag that is neither a version nor one
    that moves, unless the table has exactly that image; and of a repository that the table knows,
    a tag that it does not. Any other image simply runs.
    """
    name = image if ":" in image.rpartition("/")[2] else f"{image}:latest"
    repository, _, tag = name.rpartition(":")
    plausible = _PLAUSIBLE.fullmatch(tag) is not None
    for behaviour in behaviours:
        if name == behaviour.image or (plausible and fnmatchcase(name, behaviour.image)):
            return behaviour
    if not plausible or any(one.image.rpartition(":")[0] == repository for one in behaviours):
        return Behaviour(name, pullable=False)
    return GENERIC


def course(
    behaviour: Behaviour,
    container: Object,
    pod: Object,
    env: Mapping[str, str],
    room: float | None = None,
) -> Course:
    """Decide the next run of a container; `room` is what its volume still takes, in bytes."""
    plan = _course(behaviour, container, pod, env)
    if plan.exit_code or plan.ends_after is not None:
        return plan
    if room is not None and (rate := quantity(behaviour.data_rate)) > 0:
        plan = _until_full(plan, behaviour, room / rate)
    if behaviour.unlive_after is not None and "livenessProbe" in container:
        plan = _until_unlive(plan, behaviour, container["livenessProbe"])
    if behaviour.pool and _count(env.get(behaviour.pool)) < behaviour.pool_needs:
        plan = _short_of_connections(plan, container, _count(env.get(behaviour.pool)))
    return plan


_PULL_ERRORS = {
    "not found": ("NotFound", "{where}: not found"),
    "unauthorized": (
        "Unknown",
        "failed to authorize: failed to fetch oauth token: unexpected status: 401 Unauthorized",
    ),
    "denied": (
        "Unknown",
        (
            "pull access denied, repository does not exist or may require authorization: "
            "server message: insufficient_scope: authorization failed"
        ),
    ),
    "timeout": ("Unknown", "failed to do request: Head: dial tcp 10.96.0.40:443: i/o timeout"),
}


def pull_failure(behaviour: Behaviour, where: str) -> tuple[str, str]:
    """Return the code and the words of a pull that fails; words not listed are used as they are."""
    code, words = _PULL_ERRORS.get(behaviour.pull_error, ("Unknown", behaviour.pull_error))
    begin = f'failed to pull and unpack image "{where}": failed to resolve reference "{where}"'
    return code, f"{begin}: {words.replace('{where}', where)}"


def _count(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0


def _until_full(plan: Course, behaviour: Behaviour, seconds: float) -> Course:
    """End a run when its volume is full; on a full one it hardly begins."""
    ends = max(behaviour.crash_seconds, seconds)
    words = f"FATAL could not write {behaviour.data}/data: No space left on device"
    early = plan.ready_after is None or plan.ready_after >= ends
    begin = tuple(line for line in plan.start_lines if line[0] < ends * 0.9)
    return replace(
        plan,
        start_lines=begin,
        last_words=words,
        ready_after=None if early else plan.ready_after,
        ends_after=ends,
        exit_code=1,
        reason="Error",
        work_lines=() if early else plan.work_lines,
    )


def _until_unlive(plan: Course, behaviour: Behaviour, probe: Object) -> Course:
    """End a run when its liveness probe has failed often enough."""
    failures, period = probe.get("failureThreshold", 3), probe.get("periodSeconds", 10)
    ends = (behaviour.unlive_after or 0.0) + float(probe.get("initialDelaySeconds") or 0)
    ends += failures * period
    if plan.ends_after is not None and plan.ends_after <= ends:
        return plan
    found = behaviour.unlive or "HTTP probe failed with statuscode: 500"
    return replace(
        plan, ends_after=ends, exit_code=137, reason="Error", unlive=found, last_words=""
    )


def _short_of_connections(plan: Course, container: Object, size: int) -> Course:
    """Let requests wait for a connection: many fail, and the readiness probe now and then."""
    words = f"ERROR connection pool exhausted: {size} of {size} in use, waited 5000 ms"
    finding = (
        f'Get "http://{{ip}}:{_port(container)}{_path(container)}": context deadline exceeded '
        "(Client.Timeout exceeded while awaiting headers)"
    )
    return replace(
        plan,
        work_lines=(*plan.work_lines, f"{words} (order={{n}})", f"{words} (order={{n}})"),
        flaps="readinessProbe" in container,
        probe_failure=finding if "readinessProbe" in container else "",
    )


def _port(container: Object) -> str:
    return str(container.get("readinessProbe", {}).get("httpGet", {}).get("port", 8080))


def _path(container: Object) -> str:
    return str(container.get("readinessProbe", {}).get("httpGet", {}).get("path", "/"))


def _course(behaviour: Behaviour, container: Object, pod: Object, env: Mapping[str, str]) -> Course:
    """Decide a run by its configuration and its limits."""
    name, pod_name = container["name"], pod["metadata"]["name"]
    lines = [(0.0, f"INFO starting {name} image={container['image']} pod={pod_name}")]
    missing = [words for variable, words in behaviour.needs.items() if not env.get(variable)]
    ready_after: float | None = behaviour.ready_seconds + _probe_delay(container)
    ends_after, exit_code, reason = behaviour.ends_after, 0, "Completed"
    if missing:
        lines.append((behaviour.crash_seconds * 0.5, "INFO reading configuration"))
        lines += [(behaviour.crash_seconds * 0.9, words) for words in missing]
        ready_after, ends_after = None, behaviour.crash_seconds
        exit_code, reason = behaviour.exit_code, "Error"
    elif _over_limit(behaviour, container):
        ends_after, exit_code, reason = behaviour.grow_seconds, 137, "OOMKilled"
        if ready_after is not None and ready_after >= ends_after:
            ready_after = None
    if ends_after is None or exit_code == 137:
        lines.append((behaviour.ready_seconds * 0.8, "INFO listening on :8080"))
    finding = behaviour.unready or next(
        (words for key, words in behaviour.unready_without.items() if not env.get(key)), ""
    )
    if finding and "readinessProbe" in container:
        ready_after = None
    elif not missing:
        finding = ""
    return Course(
        start_lines=tuple(lines),
        ready_after=ready_after,
        probe_failure=finding if "readinessProbe" in container else "",
        ends_after=ends_after,
        exit_code=exit_code,
        reason=reason,
        work_lines=() if missing else tuple(behaviour.work_lines),
        work_every=behaviour.work_every,
        seed=zlib.crc32(f"{pod_name}/{name}".encode()),
    )


def _probe_delay(container: Object) -> float:
    probe = container.get("readinessProbe")
    return float(probe.get("initialDelaySeconds", 0)) if probe else 0.0


def _over_limit(behaviour: Behaviour, container: Object) -> bool:
    limit = container.get("resources", {}).get("limits", {}).get("memory")
    return limit is not None and quantity(behaviour.memory) > quantity(limit)


Lookup = Callable[[Resource, str], Object | None]


def environment(container: Object, pod: Object, lookup: Lookup) -> dict[str, str]:
    """Return the variables a container starts with. Raises ConfigurationMissing."""
    env: dict[str, str] = {}
    for source in container.get("envFrom", []):
        prefix = source.get("prefix", "")
        for ref, resource in (("configMapRef", CONFIG_MAPS), ("secretRef", SECRETS)):
            if ref in source:
                found = _data(resource, source[ref], lookup)
                env |= {prefix + key: value for key, value in found.items()}
    for variable in container.get("env", []):
        value = _value(variable, pod, lookup)
        if value is not None:
            env[variable["name"]] = value
    return env


def _value(variable: Object, pod: Object, lookup: Lookup) -> str | None:
    if "valueFrom" not in variable:
        return str(variable.get("value", ""))
    source = variable["valueFrom"]
    for ref, resource in (("configMapKeyRef", CONFIG_MAPS), ("secretKeyRef", SECRETS)):
        if ref in source:
            found = _data(resource, source[ref], lookup)
            key = source[ref]["key"]
            if key not in found and not source[ref].get("optional"):
                place = f"{pod['metadata']['namespace']}/{source[ref].get('name', '')}"
                raise ConfigurationMissing(f"couldn't find key {key} in {resource.kind} {place}")
            return found.get(key)
    path = source.get("fieldRef", {}).get("fieldPath", "")
    fields = {
        "metadata.name": pod["metadata"]["name"],
        "metadata.namespace": pod["metadata"]["namespace"],
        "spec.nodeName": pod["spec"].get("nodeName", ""),
    }
    return fields.get(path)


def _data(resource: Resource, reference: Object, lookup: Lookup) -> dict[str, str]:
    found = lookup(resource, reference.get("name", ""))
    if found is None:
        if reference.get("optional"):
            return {}
        raise ConfigurationMissing(f'{resource.singular} "{reference.get("name", "")}" not found')
    data: dict[str, str] = found.get("data") or {}
    if resource is SECRETS:
        return {
            key: base64.b64decode(value).decode(errors="replace") for key, value in data.items()
        }
    return dict(data)


def log_lines(
    plan: Course, clock: Clock, started: datetime, ended: datetime | None
) -> Iterator[tuple[datetime, str]]:
    """Write what a run has written until now, oldest first."""
    until = ended or clock.now()
    for offset, line in plan.start_lines:
        if (moment := clock.due(started, offset)) <= until:
            yield moment, line
    if not plan.work_lines:
        if ended and plan.last_words:
            yield ended, plan.last_words
        return
    begin = clock.due(started, (plan.ready_after or 0.0) + 1.0)
    total = int((until - begin).total_seconds() * clock.speed // plan.work_every) + 1
    for index in range(max(0, total - LOG_KEPT), total):
        moment = clock.due(begin, index * plan.work_every)
        mixed = zlib.crc32(f"{plan.seed}:{index}".encode())
        line = plan.work_lines[mixed % len(plan.work_lines)]
        yield moment, line.format(n=mixed % 9000 + 1000, ms=mixed % 47 + 3)
    if ended and plan.last_words:
        yield ended, plan.last_words
