"""Probes that fail: a wrong port, a wrong path, too little time, or a program that is not well."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tools.kubernetes.diagnosis.case import Case, Group
from tools.kubernetes.diagnosis.causes import Cause
from tools.kubernetes.diagnosis.clues import HIGH, LOW, MEDIUM, Clue, Confidence, Said
from tools.kubernetes.diagnosis.flapping import probe_reports
from tools.kubernetes.diagnosis.lastwords import NETWORK, Points
from tools.kubernetes.diagnosis.links import leads_to, leads_to_by_settings
from tools.kubernetes.diagnosis.onset import Onset, onset
from tools.kubernetes.diagnosis.symptoms import What
from tools.kubernetes.diagnosis.wording import event, last_lines, pods_of, short, state
from tools.kubernetes.events import Report
from tools.kubernetes.kinds import Object
from tools.kubernetes.objects import moment, name_of

_KIND: Final = re.compile(r"^(Readiness|Liveness|Startup) probe (?:failed|errored)", re.IGNORECASE)
_STATUS: Final = re.compile(r"statuscode: (\d{3})")
_NO_PORT: Final = re.compile(r"couldn't find port|invalid port|strconv\.Atoi", re.IGNORECASE)
_REFUSED: Final = re.compile(
    r"connection refused|connect: cannot assign|failed to connect service", re.IGNORECASE
)
_SLOW: Final = re.compile(
    r"deadline exceeded|timed out|i/o timeout|timeout|Client\.Timeout", re.IGNORECASE
)
_SCHEME: Final = re.compile(
    r"HTTP response to HTTPS client|like a TLS|malformed HTTP response|EOF",
    re.IGNORECASE,
)
_NO_COMMAND: Final = re.compile(
    r"executable file not found|no such file|: not found|command not found|OCI runtime exec",
    re.IGNORECASE,
)
_LOOPBACK: Final = re.compile(r"\b127\.0\.0\.1\b|\blocalhost\b|\[::1\]")
_NO_SUCH: Final = re.compile(r"unknown service|unimplemented", re.IGNORECASE)


@dataclass(frozen=True)
class Failed:
    """A probe that fails, and what it found last."""

    kind: str  # readiness, liveness, startup
    probe: Object
    report: Report


@dataclass(frozen=True)
class _Judged:
    cause: Cause
    words: str
    confidence: Confidence = HIGH
    alternative: str = ""


def failed_probes(case: Case, group: Group) -> list[Failed]:
    """The probes of a container that failed, newest first."""
    found: dict[str, Failed] = {}
    for symptom in group.symptoms:
        for report in probe_reports(case.snapshot, symptom.pod, group.container):
            if (said := _KIND.match(report.message)) is None:
                continue
            kind = said[1].lower()
            probe = symptom.spec.get(f"{kind}Probe")
            if probe and (kind not in found or report.last > found[kind].report.last):
                found[kind] = Failed(kind, probe, report)
    return sorted(found.values(), key=lambda one: (one.report.last, one.kind), reverse=True)


def killed_by(case: Case, group: Group) -> Failed | None:
    """The probe for which a container that ends is killed, if that is why it ends."""
    told_to_end = group.first.ended.get("exitCode") in (0, 137, 143)
    lasted = _lasted(group)
    for one in failed_probes(case, group):
        if one.kind in ("liveness", "startup"):
            # Any other code may be its way to end when told to: after the time that it was given.
            times = int(one.probe.get("failureThreshold") or 3)
            given = lasted is not None and lasted >= 0.8 * _budget(one.probe)
            return one if told_to_end or (given and one.report.count >= times) else None
    return None


def probes(case: Case) -> Iterator[Said]:
    """One clue for each container whose probe keeps it from being ready or alive."""
    for group in case.groups_of(What.CRASHING):
        own = group.first.ended.get("reason") == "OOMKilled"
        if not own and (failed := killed_by(case, group)) is not None:
            yield _clue(case, group, failed)
    for group in case.groups_of(What.UNREADY, What.FLAPPING):
        if group.init:
            continue
        failing = failed_probes(case, group)
        # What a liveness probe finds after the readiness probe says the same again.
        wanted = [one for one in failing if one.kind != "liveness"] or failing
        if wanted:
            yield _clue(case, group, wanted[0])
        elif group.what is What.UNREADY and not _may_yet_start(case, group):
            yield _silent(case, group)


def _may_yet_start(case: Case, group: Group) -> bool:
    """Whether its probe has not even begun."""
    started = moment(
        ((group.first.status.get("state") or {}).get("running") or {}).get("startedAt")
    )
    spec = group.first.spec
    probe = spec.get("startupProbe") or spec.get("readinessProbe") or {}
    delay = int(probe.get("initialDelaySeconds") or 0) + 3 * int(probe.get("periodSeconds") or 10)
    return started is not None and (case.now - started).total_seconds() < delay


def _clue(case: Case, group: Group, failed: Failed) -> Clue:
    begun = onset(case, group, r"Probe|ports|image$|command|args|env|resources")
    judged = _judge(case, group, failed, begun)
    kills = group.what is What.CRASHING
    what = "restarted for it" if kills else "not ready"
    if group.what is What.FLAPPING:
        what = "not ready now and then"
    text = f"The {failed.kind} probe of container {group.container} {judged.words}:"
    text += f" {pods_of(case, group)} {what}."
    hints = [hint for hint in case.hints(group) if hint.points in NETWORK]
    hangs_on = leads_to(case, group, hints[-3:])
    if judged.cause in (Cause.PROBE_FAILING, Cause.PROBE_TIMING) and not hints:
        hangs_on |= leads_to_by_settings(case, group)
    lines = [state(group, case.now)] if kills else []
    evidence = [
        f"{failed.kind} probe of {group.container}: {_probe(failed.probe)}",
        event(failed.report, case.now),
        *lines,
        *last_lines(case, group, 1),
        *begun.evidence,
    ]
    return Clue(
        judged.cause,
        group.owner,
        " ".join(part for part in (text, begun.words) if part),
        tuple(evidence),
        judged.confidence,
        since=begun.since,
        explains=group.refs,
        hangs_on=hangs_on,
        alternative=judged.alternative,
        change=begun.undo if begun.blamed and judged.confidence is not LOW else None,
    )


def _judge(case: Case, group: Group, failed: Failed, begun: Onset) -> _Judged:
    message, probe = failed.report.message, failed.probe
    port = _port(group, probe)
    if _NO_PORT.search(message) or port is None:
        named = _asked(probe).get("port")
        return _Judged(Cause.PROBE_WRONG_PORT, f"asks port {named}, which the container has not")
    if found := _STATUS.search(message):
        return _by_status(int(found[1]), probe)
    if _SCHEME.search(message) and "httpGet" in probe:
        scheme = _asked(probe).get("scheme", "HTTP")
        words = f"speaks {scheme} to port {port}, which does not"
        return _Judged(Cause.PROBE_WRONG_PORT, words, MEDIUM, "the program breaks the connection")
    if "exec" in probe and _NO_COMMAND.search(message):
        return _Judged(Cause.PROBE_WRONG_PATH, "runs a command that is not in the image")
    if _NO_SUCH.search(message):
        return _Judged(Cause.PROBE_WRONG_PATH, "asks for a service that the program does not know")
    if _REFUSED.search(message):
        return _refused(case, group, failed, port, begun)
    if _SLOW.search(message):
        return _slow(case, group, failed)
    words = f"fails: {short(message.partition(': ')[2], 120)}"
    return _Judged(Cause.PROBE_FAILING, words, MEDIUM, "the probe asks for the wrong thing")


def _by_status(code: int, probe: Object) -> _Judged:
    path = _asked(probe).get("path", "/")
    if code in (404, 405, 410):
        words = f"asks for {path}, which the program answers with {code}: there is no such path"
        return _Judged(Cause.PROBE_WRONG_PATH, words)
    if code in (401, 403):
        words = f"asks for {path}, which wants credentials ({code})"
        return _Judged(Cause.PROBE_WRONG_PATH, words, MEDIUM, "the program refuses everybody")
    if code == 400 and _asked(probe).get("scheme", "HTTP") == "HTTP":
        words = f"asks for {path} in plain HTTP, which is answered with 400"
        return _Judged(Cause.PROBE_WRONG_PATH, words, MEDIUM, "the port speaks HTTPS")
    words = f"is answered with {code}: the program says that it is not well"
    return _Judged(Cause.PROBE_FAILING, words, MEDIUM, "the path asks for more than it should")


def _refused(case: Case, group: Group, failed: Failed, port: int, begun: Onset) -> _Judged:
    declared = _declared(group)
    listens = [int(h.detail) for h in case.hints(group) if h.points is Points.LISTENING]
    if any(h.detail == str(port) and _LOOPBACK.search(h.line.text) for h in case.hints(group)):
        words = f"finds nothing on port {port}: the program listens on 127.0.0.1 only, where nobody"
        words += " outside of its pod reaches it"
        return _Judged(Cause.PROBE_FAILING, words, MEDIUM, "the program prints what it is not")
    if listens and port not in listens:
        words = f"asks port {port}, while the program listens on {listens[-1]}"
        return _Judged(Cause.PROBE_WRONG_PORT, words)
    if declared and port not in declared:
        ports = ", ".join(map(str, sorted(declared)))
        words = f"asks port {port}, where nothing listens; the container's ports are {ports}"
        return _Judged(Cause.PROBE_WRONG_PORT, words)
    if begun.blamed and any(
        f"{failed.kind}Probe" in text and "port" in text for text in begun.evidence
    ):
        return _Judged(
            Cause.PROBE_WRONG_PORT, f"asks port {port} since then, where nothing listens"
        )
    if group.what is What.CRASHING:
        return _killed_early(case, group, failed)
    if any(_port(group, other) not in (None, port) for other in _passing(case, group, failed)):
        words = f"asks port {port}, where nothing listens, while its other probe is answered"
        return _Judged(Cause.PROBE_WRONG_PORT, words, MEDIUM, "the program does not open that port")
    words = f"finds nothing that listens on port {port}"
    return _Judged(Cause.PROBE_FAILING, words, MEDIUM, "the program listens on another port")


def _killed_early(case: Case, group: Group, failed: Failed) -> _Judged:
    """Killed by its liveness or startup probe before it listens."""
    budget, lasted = _budget(failed.probe), _lasted(group)
    words = f"gives it {budget} s to begin, and it is killed before it listens"
    begins = lasted is not None and lasted <= budget + _grace(group) + 15
    if not begins:
        words = "finds nothing that listens any more"
        return _Judged(Cause.PROBE_FAILING, words, MEDIUM, "the program hangs")
    late = [h for h in case.hints(group) if h.points is Points.LISTENING]
    sure = bool(case.words(group)) and not late
    alternative = "" if sure else "the program never listens there"
    return _Judged(Cause.PROBE_TIMING, words, HIGH if sure else MEDIUM, alternative)


def _slow(case: Case, group: Group, failed: Failed) -> _Judged:
    waits = int(failed.probe.get("timeoutSeconds") or 1)
    words = f"is not answered within {waits} s"
    if case.hint(group, *NETWORK, Points.POOL) is not None:
        return _Judged(Cause.PROBE_FAILING, words, MEDIUM, "its time is too short")
    lasted = _lasted(group)
    early = lasted is not None and lasted <= _budget(failed.probe) + _grace(group) + 15
    if group.what is What.CRASHING and early:
        words += f", and {_budget(failed.probe)} s after its start it is killed"
    sure = waits <= 2
    return _Judged(
        Cause.PROBE_TIMING,
        words,
        HIGH if sure and group.what is not What.FLAPPING else MEDIUM,
        "" if sure else "the program hangs",
    )


def _silent(case: Case, group: Group) -> Clue:
    """Not ready, and nothing was reported of why."""
    begun = onset(case, group)
    text = f"Container {group.container} runs and is not ready: {pods_of(case, group)};"
    text += f" no event says why. {begun.words}"
    hints = [hint for hint in case.hints(group) if hint.points in NETWORK]
    hangs_on = leads_to(case, group, hints[-3:]) or leads_to_by_settings(case, group)
    one = group.first
    return Clue(
        Cause.PROBE_FAILING,
        group.owner,
        text.strip(),
        (f"pod/{name_of(one.pod)} {one.container}: ready is false", *last_lines(case, group)),
        LOW,
        since=begun.since,
        explains=group.refs,
        hangs_on=hangs_on,
        alternative="it is still starting",
    )


def _asked(probe: Object) -> Mapping[str, Any]:
    for key in ("httpGet", "tcpSocket", "grpc", "exec"):
        if key in probe:
            found: Mapping[str, Any] = probe[key] or {}
            return found
    return {}


def _port(group: Group, probe: Object) -> int | None:
    """The number of a probe's port; 0 where it has none, None for a name that is not there."""
    port = _asked(probe).get("port", 0)
    if isinstance(port, int) or str(port).isdecimal():
        return int(port)
    for one in group.first.spec.get("ports") or ():
        if one.get("name") == port:
            return int(one.get("containerPort") or 0)
    return None


def _declared(group: Group) -> set[int]:
    containers = (group.first.pod.get("spec") or {}).get("containers") or ()
    ports = [one for container in containers for one in container.get("ports") or ()]
    own = group.first.spec.get("ports") or ()
    return {int(one.get("containerPort") or 0) for one in ports} if own else set()


def _passing(case: Case, group: Group, failed: Failed) -> list[Object]:
    """The other probes of the container, of which no failure was reported."""
    failing = {one.kind for one in failed_probes(case, group)}
    spec = group.first.spec
    found = [spec.get(f"{kind}Probe") for kind in ("readiness", "liveness", "startup")]
    kinds = ("readiness", "liveness", "startup")
    return [
        probe
        for kind, probe in zip(kinds, found, strict=True)
        if probe and kind not in failing and kind != failed.kind
    ]


def _budget(probe: Object) -> int:
    delay, period = probe.get("initialDelaySeconds") or 0, probe.get("periodSeconds") or 10
    return int(delay) + int(period) * int(probe.get("failureThreshold") or 3)


def _grace(group: Group) -> int:
    spec = group.first.pod.get("spec") or {}
    return int(spec.get("terminationGracePeriodSeconds") or 30)


def _lasted(group: Group) -> float | None:
    ended = group.first.ended
    begun, over = moment(ended.get("startedAt")), moment(ended.get("finishedAt"))
    return (over - begun).total_seconds() if begun and over else None


def _probe(probe: Object) -> str:
    asked = _asked(probe)
    if "exec" in probe:
        what = f"runs {short(' '.join(map(str, asked.get('command') or ())), 80)}"
    else:
        path = f" {asked.get('path', '/')}" if "httpGet" in probe else ""
        what = f"port {asked.get('port')}{path}"
    times = (
        f"every {probe.get('periodSeconds') or 10} s, {probe.get('failureThreshold') or 3} failures"
    )
    return (
        f"{what}, waits {probe.get('timeoutSeconds') or 1} s, {times},"
        f" begins after {probe.get('initialDelaySeconds') or 0} s"
    )
