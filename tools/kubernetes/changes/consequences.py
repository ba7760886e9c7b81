"""What a write to any object brings with it: what depends on it, and how dangerous it is."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import JsonValue

from tools._kit import ChangedPath, Risk, sha256_of
from tools.kubernetes import capacity
from tools.kubernetes.changes.dependents import readers_at_start
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.justnow import JustNow
from tools.kubernetes.kinds import Object, Resource
from tools.kubernetes.lastrun import failure_under, history_of, strange
from tools.kubernetes.objects import (
    all_images_of,
    changed_paths,
    controller,
    labels_of,
    name_of,
    namespace_of,
    selects,
    template_of,
    told,
    written_paths,
)
from tools.kubernetes.reach import reached
from tools.kubernetes.revisions import Revision
from tools.kubernetes.templates import moving, replacing, scaled_meanwhile, unprotected
from tools.kubernetes.workloads import (
    Around,
    Facts,
    around,
    autoscalers_of,
    bounds,
    budget,
    budgets_of,
    fought,
    replicas_of,
    services_of,
    thinned,
)

_ROLLED = ("deployment", "statefulset", "daemonset")
_RUNS_PODS = (*_ROLLED, "replicaset")
_MAKES_PODS = (*_RUNS_PODS, "job", "cronjob", "pod")
_KEPT = "It replaces no pods: only new ones take this up."
_WAITING = "It is paused: its pods take this up only once it is resumed."

# By what it is: who may do what, what the API server asks, what holds data, and credentials.
_DANGEROUS_GROUPS = (
    "rbac.authorization.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "certificates.k8s.io",
    "storage.k8s.io",
)
_DANGEROUS_KINDS = ("serviceaccount", "secret", "persistentvolumeclaim", "persistentvolume")
# By what is written: as whom pods run, and what of their node they reach. Always, or by the value.
_ALWAYS = (
    "serviceAccountName",
    "serviceAccount",
    "hostPath",
    "hostUsers",
    "runtimeClassName",
    "procMount",
    "seLinuxOptions",
    "sysctls",
    "serviceAccountToken",
    "hostPort",
    "externalIPs",  # of a Service: it takes traffic that is meant for others
)
# As they were written before there were fields for them; a path has the key in quotes.
_CONFINING = (
    '"container.apparmor.security.beta.kubernetes.io/',
    '"container.seccomp.security.alpha.kubernetes.io/',
    '"seccomp.security.alpha.kubernetes.io/',
)
_SNIPPET = 'snippet"'  # of an Ingress: code that runs in a controller which reads all Secrets
_BEYOND = frozenset(_ALWAYS)
_WHEN_TRUE = (
    "privileged",
    "allowPrivilegeEscalation",
    "hostNetwork",
    "hostPID",
    "hostIPC",
    "automountServiceAccountToken",
    "hostProcess",
)
_WHEN_ZERO = ("runAsUser", "runAsGroup", "fsGroup")


@dataclass(frozen=True)
class Consequences:
    """What bears on a write beside the object itself."""

    facts: Facts = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    now: JustNow = field(default_factory=JustNow)
    risk: Risk | None = None


async def consequences(
    cluster: Cluster, where: tuple[Resource, str], live: Object, stored: Object
) -> Consequences:
    """Of a write of a kind in a namespace that leads from `live` to `stored`; one of both is empty
    where there is none. Raises `ToolError`.
    """
    resource, namespace = where
    changes = written_paths(live, stored)
    home = resource.namespaced and cluster.is_home(namespace)
    danger = home or is_dangerous(resource, changes) or bool(live and _disowns(changes))
    found = Consequences(risk=Risk.DANGER if danger else None)
    if resource.kind in _RUNS_PODS and live and stored:
        return _joined(found, await _of_workload(cluster, resource, live, stored))
    if resource.kind == "pod" and labels_of(live) != labels_of(stored):
        return _joined(found, await _of_pod(cluster, live, stored))
    if resource.kind == "configmap" and live and stored and _content(live) != _content(stored):
        return _joined(found, await _of_settings(cluster, live))
    if resource.kind == "service":
        opened = Consequences(warnings=tuple(_opened(live, stored)))
        if live and "spec" in live:
            opened = _joined(opened, await _of_service(cluster, live, stored))
        return _joined(found, opened)
    if resource.kind in _MAKES_PODS and not live:
        return _joined(found, await _of_new(cluster, resource, namespace, stored))
    return found


def is_dangerous(resource: Resource, changes: tuple[ChangedPath, ...]) -> bool:
    """Whether what it is, or what is written in it, reaches beyond one workload."""
    if not resource.namespaced or resource.group in _DANGEROUS_GROUPS:
        return True
    if resource.kind in _DANGEROUS_KINDS and not resource.prefix.startswith("/apis"):
        return True
    return any(map(_drops_less, changes)) or any(
        _reaches_out(path, value)
        for change in changes
        for path, value in ((change.path, change.after), *_below(change.path, change.after))
    )


def _disowns(changes: tuple[ChangedPath, ...]) -> bool:
    """Whether owners are written: what belongs to nobody that there is, the server deletes."""
    return any(change.path.startswith("metadata.ownerReferences") for change in changes)


def _drops_less(change: ChangedPath) -> bool:
    """Whether pods keep a capability that they did not have."""
    if not change.path.endswith("capabilities.drop") or not isinstance(change.before, list):
        return False
    left = change.after if isinstance(change.after, list) else []
    return "ALL" not in left and any(one not in left for one in change.before)


def _reaches_out(path: str, value: Any) -> bool:
    """Whether what is written there gives pods more than their own."""
    steps = [step.partition("[")[0] for step in path.split(".")]
    key = steps[-1]
    if not _BEYOND.isdisjoint(steps):  # also a part of one, such as hostPath.path
        return True
    if ".annotations." in path and (
        path.endswith(_SNIPPET) or any(prefix in path for prefix in _CONFINING)
    ):
        return True
    if value is None:  # what kept them in bounds is taken away
        return "securityContext" in path
    if key == "capabilities":
        return bool(isinstance(value, dict) and value.get("add"))
    return (
        (key in _WHEN_TRUE and value is True)
        or (key in _WHEN_ZERO and value == 0)
        or (key == "runAsNonRoot" and value is False)
        or (key == "type" and value == "Unconfined")
        or (key == "add" and ".capabilities" in path)
    )


def _below(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """What stands inside a value that is written whole, by its path."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield f"{path}.{key}", inner
            yield from _below(f"{path}.{key}", inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _below(path, inner)


def _joined(one: Consequences, other: Consequences) -> Consequences:
    return Consequences(
        {**one.facts, **other.facts},
        (*one.warnings, *other.warnings),
        one.now + other.now,
        one.risk or other.risk,
    )


async def _of_workload(
    cluster: Cluster,
    resource: Resource,
    live: Object,
    stored: Object,
) -> Consequences:
    """Pods that are replaced, a number that an autoscaler sets, traffic that nothing answers."""
    rewritten = template_of(live) != template_of(stored)
    resumes = _is_paused(live) and not _is_paused(stored)
    rolls = resource.kind in _ROLLED and not _is_paused(stored)
    replaces = rolls and (rewritten or resumes)
    keeps = (_KEPT if resource.kind not in _ROLLED else _WAITING,) if rewritten else ()
    rescales = replicas_of(live) != replicas_of(stored) and resource.kind != "daemonset"
    template: Facts = {"template": sha256_of(template_of(live))}
    if not replaces and not rescales:
        return Consequences(template, warnings=keeps)
    place = namespace_of(live)
    autoscalers, budgets, services = await asyncio.gather(
        around(cluster, "horizontalpodautoscaler", place),
        around(cluster, "poddisruptionbudget", place),
        around(cluster, "service", place),
    )
    autoscalers, budgets = autoscalers_of(autoscalers, live), budgets_of(budgets, live)
    services = services_of(services, live)
    facts: Facts = {
        **template,
        "replicas": replicas_of(live),
        "autoscalers": None if autoscalers is None else [bounds(hpa) for hpa in autoscalers],
        "budgets": None if budgets is None else [budget(pdb) for pdb in budgets],
        "services": None if services is None else [name_of(service) for service in services],
    }
    warnings = [] if replaces else [*keeps]
    now = JustNow(notes=reached(services, autoscalers, budgets))
    if rescales:
        count = replicas_of(stored)
        warnings += [*fought(autoscalers, count), *thinned(replicas_of(live), count)]
    stops = rescales and replicas_of(stored) == 0
    if stops:
        warnings += _unanswered(services)
    if replaces:
        kept, after = await history_of(cluster, live), template_of(stored)
        runs = _run_by_pods(kept, live) if resumes else template_of(live)
        failure = await failure_under(cluster, live, kept, after, anew=resumes)
        warnings += [*filter(None, [failure]), *moving(runs or {}, after), *replacing(stored)]
        new = [one for one in all_images_of(after) if one not in all_images_of(template_of(live))]
        warnings += strange(kept, *new)
        if not rescales:
            warnings += scaled_meanwhile(autoscalers, replicas_of(stored))
        warnings += unprotected(budgets)
        now += JustNow(notes=(*(_rolled_out(runs, after) if resumes else ()),))
        now += await capacity.for_rollout(cluster, live, stored)
    has_traffic = services is None or bool(services)
    risk = Risk.DANGER if stops and has_traffic else None
    return Consequences(facts, tuple(warnings), now, risk)


async def _of_new(
    cluster: Cluster, resource: Resource, namespace: str, stored: Object
) -> Consequences:
    """What is new and makes pods, or is one."""
    spec = stored.get("spec") or {}
    if resource.kind == "pod":
        return Consequences(warnings=tuple(moving({}, {"spec": spec})))
    within = (spec.get("jobTemplate") or {}).get("spec") or spec
    warnings = [*moving({}, within.get("template") or {})]
    if resource.kind not in ("deployment", "statefulset"):
        return Consequences(warnings=tuple(warnings))
    placed = {**stored, "metadata": {**(stored.get("metadata") or {}), "namespace": namespace}}
    if replicas_of(placed) == 1:
        warnings.append("It runs one pod: nothing answers whenever that is replaced or moved.")
    return Consequences(warnings=tuple(warnings), now=await capacity.for_new(cluster, placed))


def _is_paused(workload: Object) -> bool:
    return bool(workload["spec"].get("paused"))


def _run_by_pods(kept: Sequence[Revision] | None, live: Object) -> Object | None:
    """The template that pods of a paused deployment run; its own where they run no other, and None
    where that may not be seen.
    """
    if kept is None:
        return None
    own = template_of(live)
    return next((one.template for one in kept if one.pods and one.template != own), own)


def _rolled_out(runs: Object | None, after: Object) -> Iterator[str]:
    """What was changed while it was paused."""
    if runs is None:
        yield "It cannot be told what was changed while it was paused, which is rolled out"
    elif changes := [told(one) for one in changed_paths(runs, after, "spec.template")]:
        yield f"It rolls out what its pods do not run yet: {'; '.join(changes)}"


def _unanswered(services: Around) -> Iterator[str]:
    if services is None:
        yield "It cannot be told whether a Service sends it traffic."
    for service in services or ():
        yield f"Service {name_of(service)} sends it traffic: with 0 replicas nothing answers."


async def _of_settings(cluster: Cluster, live: Object) -> Consequences:
    """Those who go on with what they read as they started."""
    readers = await readers_at_start(cluster, live)
    if readers is None:
        warnings = ["It cannot be told who reads it: running pods may keep the old values."]
    elif readers:
        kept = "running pods keep the old values until they are restarted (rollout restart)."
        warnings = [f"Read as variables, at a start only, by {', '.join(readers)}: {kept}"]
    else:
        warnings = []
    seen: JsonValue = None if readers is None else list(readers)
    return Consequences({"readers": seen}, tuple(warnings))


def _content(config_map: Object) -> tuple[Any, Any]:
    return config_map.get("data"), config_map.get("binaryData")


async def _of_pod(cluster: Cluster, live: Object, stored: Object) -> Consequences:
    """Who no longer owns a pod by its labels, and which Services no longer send it traffic."""
    services = await around(cluster, "service", namespace_of(live))
    before, after = labels_of(live), labels_of(stored)
    lost = [name_of(one) for one in services or () if _sends(one, before) > _sends(one, after)]
    gained = [name_of(one) for one in services or () if _sends(one, before) < _sends(one, after)]
    warnings = [f"Service {name} stops sending it traffic." for name in lost]
    warnings += [f"Service {name} starts to send it traffic." for name in gained]
    if services is None:
        warnings.append("It cannot be told whether a Service sends it traffic by its labels.")
    owner = controller(live)
    selector = await _selector_of(cluster, live)
    if owner and selector is not None and not selects(selector, after):
        lost_it = "no longer owns it and makes" if stored else "makes"
        warnings.append(f"{owner} {lost_it} another pod in its place.")
    facts: Facts = {"services": [*lost, "/", *gained]}
    return Consequences(facts, tuple(warnings))


async def _selector_of(cluster: Cluster, pod: Object) -> Mapping[str, Any] | None:
    kind, _, name = controller(pod).partition("/")
    if kind not in _RUNS_PODS:
        return None
    owner = await cluster.get(kind, namespace_of(pod), name)
    found: Mapping[str, Any] | None = owner["spec"].get("selector")
    return found


def _sends(service: Object, labels: Mapping[str, str]) -> bool:
    selector = (service.get("spec") or {}).get("selector") or {}
    return bool(selector) and all(labels.get(key) == value for key, value in selector.items())


def _opened(live: Object, stored: Object) -> Iterator[str]:
    """That a Service is reached from outside, leads outside, or is no longer where it was."""
    before, after = live.get("spec") or {}, stored.get("spec") or {}
    kind = after.get("type")
    if kind != before.get("type") and kind in ("NodePort", "LoadBalancer"):
        yield f"As a {kind} it can be reached from outside of the cluster."
    if kind == "ExternalName" and after.get("externalName") != before.get("externalName"):
        yield f"It is only another name for {after.get('externalName')}: no pod answers for it."
    left = [one.get("port") for one in after.get("ports") or ()]
    for one in before.get("ports") or () if stored else ():
        if (port := one.get("port")) not in left:
            yield f"Its port {port} is taken away: whatever calls it there gets no answer."


async def _of_service(cluster: Cluster, live: Object, stored: Object) -> Consequences:
    """How many pods it would have behind it instead."""
    before = live["spec"].get("selector") or {}
    after = (stored.get("spec") or {}).get("selector") or {}
    if before == after and stored:
        return Consequences()
    pods = await around(cluster, "pod", namespace_of(live))
    if pods is None:
        return Consequences({"behind": None}, ("It cannot be told how many pods are behind it.",))
    had, has = (sum(_sends(service, labels_of(pod)) for pod in pods) for service in (live, stored))
    if not had and not has:
        return Consequences({"behind": [False, False]})
    if not stored:
        warning = "Pods are behind it: whatever calls it by its name gets no answer."
    elif has == 0:
        warning = "It would have no pod behind it: nothing answers."
    else:
        warning = "It would have other pods behind it."
    then = f", and would be {has}" if stored else ""
    notes = (f"{had} pod{'s'[: had != 1]} {'is' if had == 1 else 'are'} behind it{then}",)
    return Consequences({"behind": [had > 0, has > 0]}, (warning,), JustNow(notes=notes))
