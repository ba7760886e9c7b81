"""Pods that may not even be made: quota, limit ranges, security, webhooks, service accounts."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tools.kubernetes.diagnosis.case import Case
from tools.kubernetes.diagnosis.causes import Cause
from tools.kubernetes.diagnosis.clues import HIGH, MEDIUM, Clue, Ref, Said
from tools.kubernetes.diagnosis.snapshot import controlled_by, ref_of
from tools.kubernetes.diagnosis.wording import event, short
from tools.kubernetes.events import Report
from tools.kubernetes.kinds import Object
from tools.kubernetes.objects import conditions, moment, name_of

_REASONS: Final = ("FailedCreate", "ReplicaSetCreateError", "FailedCreatePod")
_WORKLOADS: Final = ("deployment", "replicaset", "statefulset", "daemonset", "job", "cronjob")
_QUOTA: Final = re.compile(r"exceeded quota: ([\w.-]+)(.*)")
_UNSAID: Final = re.compile(r"failed quota: ([\w.-]+): must specify (.+)")
_LIMITS: Final = re.compile(
    r"(?:(?:maximum|minimum) \S+ usage|\S+ max limit to request ratio) per \w+ is.*",
    re.IGNORECASE,
)
_SECURITY: Final = re.compile(
    r"violates PodSecurity|unable to validate against any (?:pod security|security context)",
    re.IGNORECASE,
)
_CALL: Final = re.compile(r'failed calling webhook "([^"]+)"')
_DENIED: Final = re.compile(r'admission webhook "([^"]+)" denied the request')
_SERVICE: Final = re.compile(r"https://([\w-]+)\.([\w-]+)\.svc")
_ACCOUNT: Final = re.compile(r'serviceaccount "([\w.-]+)" not found', re.IGNORECASE)


@dataclass(frozen=True)
class _Means:
    cause: Cause
    words: str
    hangs_on: frozenset[Ref] = frozenset()


def admission(case: Case) -> Iterator[Said]:
    """One clue for each workload that lacks pods which it may not make."""
    found: dict[Ref, list[Report]] = {}
    for ref, reports in case.snapshot.all_reports():
        told = [one for one in reports if one.reason in _REASONS]
        if told and ref.kind in _WORKLOADS:
            found.setdefault(case.snapshot.workload_of(ref), []).extend(told)
    for owner in _refused(case):
        found.setdefault(owner, [])
    for owner, reports in sorted(found.items()):
        newest = max(reports, key=lambda one: one.last, default=None)
        if not (_lacks_pods(case, owner) or (newest and lacks_runs(case, owner, newest))):
            continue
        said = newest.message if newest else _condition(case.snapshot.at(owner))
        if said:
            yield _clue(case, owner, said, newest)


def _refused(case: Case) -> Iterator[Ref]:
    """Deployments that say so themselves, whose events are forgotten."""
    for ref, live in case.snapshot.refs("deployment"):
        if _condition(live):
            yield ref


def _condition(live: Object | None) -> str:
    failure = conditions(live or {}).get("ReplicaFailure", {})
    return str(failure.get("message") or "") if failure.get("status") == "True" else ""


def _lacks_pods(case: Case, owner: Ref) -> bool:
    live = case.snapshot.at(owner)
    if live is None:
        return owner.kind in ("job", "replicaset")
    spec, status = live.get("spec") or {}, live.get("status") or {}
    pods = len(case.snapshot.pods_of(owner))
    if owner.kind == "daemonset":
        return int(status.get("currentNumberScheduled") or pods) < int(
            status.get("desiredNumberScheduled") or 0
        ) or int(status.get("numberReady") or 0) < int(status.get("desiredNumberScheduled") or 0)
    if owner.kind == "job":
        return not pods and not status.get("succeeded") and not status.get("completionTime")
    if owner.kind == "cronjob":
        return any(
            _lacks_pods(case, ref)
            for ref, job in case.snapshot.refs("job")
            if controlled_by(job) == owner
        )
    wanted = spec.get("replicas")
    wanted = 1 if wanted is None else int(wanted)
    updated = int(status.get("updatedReplicas") or 0) if owner.kind == "deployment" else pods
    return pods < wanted or updated < wanted or bool(_condition(live))


def lacks_runs(case: Case, owner: Ref, report: Report) -> bool:
    """Whether a cron job may not make its jobs: none was begun since that was reported."""
    if owner.kind != "cronjob" or report.kind != "cronjob":
        return False
    live = case.snapshot.at(owner) or {}
    begun = moment((live.get("status") or {}).get("lastScheduleTime"))
    refused = moment(report.last)
    suspended = (live.get("spec") or {}).get("suspend")
    return refused is not None and not suspended and (begun is None or begun < refused)


def _clue(case: Case, owner: Ref, said: str, report: Report | None) -> Clue:
    means = _meaning(case, owner, said)
    since = moment(report.first) if report else None
    evidence = [event(report, case.now)] if report else [f"{owner}: ReplicaFailure: {short(said)}"]
    pods = case.snapshot.pods_of(owner)
    wanted = _wanted(case, owner)
    what = "jobs" if report and report.kind == "cronjob" else "pods"
    lacks = f" {len(pods)} of {wanted} pods exist." if wanted else ""
    return Clue(
        means.cause,
        owner,
        f"Its {what} may not be made: {means.words}.{lacks}",
        (*evidence, *_quota(case, owner, said)),
        HIGH if means.cause is not Cause.INVALID_TEMPLATE else MEDIUM,
        since=since,
        explains=frozenset({owner, *(ref_of("pod", pod) for pod in pods)}),
        hangs_on=means.hangs_on,
    )


def _wanted(case: Case, owner: Ref) -> int:
    live = case.snapshot.at(owner) or {}
    if owner.kind == "daemonset":
        return int((live.get("status") or {}).get("desiredNumberScheduled") or 0)
    return int((live.get("spec") or {}).get("replicas") or 0)


def _meaning(case: Case, owner: Ref, said: str) -> _Means:
    if found := _QUOTA.search(said):
        return _Means(Cause.QUOTA, f"quota {found[1]} is used up{short(found[2], 160)}")
    if found := _UNSAID.search(said):
        return _Means(
            Cause.QUOTA, f"quota {found[1]} wants every pod to say its {short(found[2], 80)}"
        )
    if found := _LIMITS.search(said):
        return _Means(Cause.LIMIT_RANGE, f"a limit range forbids it: {short(found[0], 160)}")
    if _SECURITY.search(said):
        words = short(said.partition("forbidden: ")[2] or said, 200)
        return _Means(Cause.POD_SECURITY, f"the namespace's pod security forbids it: {words}")
    if "because it is being terminated" in said:
        words = f"namespace {owner.namespace} is being deleted, and takes nothing new; its own"
        return _Means(Cause.TERMINATING, f"{words} conditions say what is left in it")
    if found := _CALL.search(said):
        return _webhook(case, found[1], said)
    if found := _DENIED.search(said):
        words = short(said.partition("denied the request")[2].lstrip(": "), 160)
        return _Means(Cause.WEBHOOK, f"admission webhook {found[1]} denies them: {words}")
    if found := _ACCOUNT.search(said):
        words = f"service account {found[1]} does not exist in {owner.namespace}"
        return _Means(Cause.SERVICE_ACCOUNT_MISSING, words)
    return _Means(Cause.INVALID_TEMPLATE, short(said))


def _webhook(case: Case, name: str, said: str) -> _Means:
    """One that is called and does not answer."""
    words = f"admission webhook {name} cannot be called"
    reason = said.rpartition(": ")[2]
    words += f" ({short(reason, 80)}), and without its answer nothing is let through"
    place = _SERVICE.search(said)
    hangs_on: set[Ref] = set()
    if place:
        service = Ref("service", place[2], place[1])
        words += f"; it is served by {service} in {place[2]}"
        hangs_on = {service, *case.behind(service)}
    for ref, one in case.snapshot.refs(
        "validatingwebhookconfiguration", "mutatingwebhookconfiguration"
    ):
        if any(hook.get("name") == name for hook in one.get("webhooks") or ()):
            words += f"; configured in {ref}"
    return _Means(Cause.WEBHOOK, words, frozenset(hangs_on))


def _quota(case: Case, owner: Ref, said: str) -> list[str]:
    """The quota's own numbers."""
    found = _QUOTA.search(said)
    live = case.snapshot.get("resourcequota", owner.namespace, found[1]) if found else None
    if live is None:
        return []
    status = live.get("status") or {}
    hard, used = status.get("hard") or {}, status.get("used") or {}
    words = ", ".join(f"{key} {used.get(key, 0)} of {hard[key]}" for key in sorted(hard))
    return [f"resourcequota/{name_of(live)}: {words} used"]
