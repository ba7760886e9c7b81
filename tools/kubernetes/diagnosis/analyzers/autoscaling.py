"""Autoscalers that are at their limit, or cannot see."""

import re
from collections.abc import Iterator
from typing import Final

from tools.kubernetes.diagnosis.case import Case
from tools.kubernetes.diagnosis.causes import Cause
from tools.kubernetes.diagnosis.clues import HIGH, MEDIUM, Clue, Notice, Ref, Said
from tools.kubernetes.diagnosis.wording import at, event, short
from tools.kubernetes.kinds import Object
from tools.kubernetes.objects import conditions, moment
from tools.kubernetes.quantities import amount

_NO_REQUESTS: Final = re.compile(r"missing request for (\S+)", re.IGNORECASE)
_NO_METRICS: Final = re.compile(
    r"no metrics|unable to (?:get|fetch) metrics|could not find the requested resource"
    r"|metrics\.k8s\.io|unable to get resource metric",
    re.IGNORECASE,
)


def autoscaling(case: Case) -> Iterator[Said]:
    """One clue for each autoscaler that does not do its work."""
    for ref, hpa in case.snapshot.refs("horizontalpodautoscaler"):
        state = conditions(hpa)
        able, active = state.get("AbleToScale", {}), state.get("ScalingActive", {})
        target = _target(ref, hpa)
        if active.get("reason") == "ScalingDisabled":
            yield Notice(ref, f"is off while {target} is scaled to 0")
        elif _is_lost(able) or case.snapshot.lacks(target.kind, target.namespace, target.name):
            yield _lost(case, ref, target, able)
        elif active.get("status") == "False":
            yield _blind(case, ref, target, active)
        elif state.get("ScalingLimited", {}).get("reason") == "TooManyReplicas":
            yield _limited(case, ref, hpa, target)


def _is_lost(able: Object) -> bool:
    return able.get("status") == "False" and able.get("reason") == "FailedGetScale"


def _target(ref: Ref, hpa: Object) -> Ref:
    found = (hpa.get("spec") or {}).get("scaleTargetRef") or {}
    return Ref(str(found.get("kind", "")).lower(), ref.namespace, str(found.get("name", "")))


def _lost(case: Case, ref: Ref, target: Ref, able: Object) -> Clue:
    gone = case.snapshot.lacks(target.kind, target.namespace, target.name)
    what = "does not exist" if gone else "cannot be read by it"
    said = f"spec.scaleTargetRef {target}"
    if able.get("status") == "False":
        said += f"; AbleToScale is False: {short(able.get('message'))}"
    return Clue(
        Cause.HPA_BLIND,
        ref,
        f"It scales nothing: its target {target} {what}.",
        (f"{ref}: {said}",),
        HIGH if gone else MEDIUM,
        since=moment(able.get("lastTransitionTime")),
        explains=frozenset({ref}),
    )


def _blind(case: Case, ref: Ref, target: Ref, active: Object) -> Said:
    message = str(active.get("message") or "")
    since = moment(active.get("lastTransitionTime"))
    reports = case.snapshot.reports(ref)
    said = " ".join([message, *(one.message for one in reports)])
    young = since is not None and (case.now - since).total_seconds() < 90
    if found := _NO_REQUESTS.search(said):
        words = f"the containers of {target} request no {found[1]}, so that no share can be counted"
        sure = HIGH
    elif _NO_METRICS.search(said):
        words, sure = f"there are no metrics of the pods of {target}", HIGH
    else:
        words, sure = short(message), MEDIUM
    if young and not _NO_REQUESTS.search(said):
        return Notice(ref, "has no metrics yet")
    return Clue(
        Cause.HPA_BLIND,
        ref,
        f"It cannot see the load, and so does not scale: {words}. Since {at(since, case.now)}.",
        (
            f"{ref}: ScalingActive is False, {active.get('reason')}: {short(message)}",
            *(event(one, case.now) for one in reports[-1:]),
        ),
        sure,
        since=since,
        explains=frozenset({ref}),
        hangs_on=frozenset({target}) if not _NO_REQUESTS.search(said) else frozenset(),
        concerns=frozenset({target}),
    )


def _limited(case: Case, ref: Ref, hpa: Object, target: Ref) -> Said:
    spec, status = hpa.get("spec") or {}, hpa.get("status") or {}
    most, now = int(spec.get("maxReplicas") or 0), int(status.get("currentReplicas") or 0)
    over = _over(hpa)
    if now < most or int(spec.get("minReplicas") or 1) == most or not over:
        return Notice(ref, f"is at its limit of {most} replicas, and they suffice")
    since = moment(conditions(hpa)["ScalingLimited"].get("lastTransitionTime"))
    return Clue(
        Cause.HPA_LIMIT,
        ref,
        f"It wants more than {most} replicas of {target}: {over}. Since {at(since, case.now)}.",
        (
            f"{ref}: ScalingLimited, TooManyReplicas; maxReplicas {most}, currentReplicas {now}",
            f"{ref}: {over}",
        ),
        HIGH,
        since=since,
        explains=frozenset({ref}),
        hangs_on=frozenset({target}),
        concerns=frozenset({target}),
    )


def _over(hpa: Object) -> str:
    """A metric that is above its target, in words."""
    wanted: dict[str, Object] = {}
    for metric in (hpa.get("spec") or {}).get("metrics") or ():
        part = _part(metric)
        wanted[_name(metric, part)] = part.get("target") or {}
    for metric in (hpa.get("status") or {}).get("currentMetrics") or ():
        part = _part(metric)
        name, used = _name(metric, part), part.get("current") or {}
        for key, unit in (("averageUtilization", " %"), ("averageValue", ""), ("value", "")):
            now, goal = used.get(key), wanted.get(name, {}).get(key)
            if now is not None and goal is not None and amount(now) > amount(goal):
                return f"{name} is at {now}{unit}, its target is {goal}{unit}"
    return ""


def _part(metric: Object) -> Object:
    kind = str(metric.get("type") or "")
    found: Object = metric.get(kind[:1].lower() + kind[1:]) or {}
    return found


def _name(metric: Object, part: Object) -> str:
    return str(part.get("name") or (part.get("metric") or {}).get("name") or metric.get("type"))
