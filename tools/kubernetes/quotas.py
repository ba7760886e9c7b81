"""What a namespace's quotas leave for a change: for a rollout's pods on top, or for more pods."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from tools.kubernetes.cluster import Cluster
from tools.kubernetes.justnow import JustNow
from tools.kubernetes.kinds import Object
from tools.kubernetes.objects import name_of, namespace_of, template_of
from tools.kubernetes.quantities import amount, told
from tools.kubernetes.workloads import around, replicas_of, share_of, strategy_of

_PARTS = ("requests", "limits")
_ALSO = {"cpu": "requests.cpu", "memory": "requests.memory", "count/pods": "pods"}
_SMALL = 10  # of what is left nobody knows: a tenth of the whole is not worth a word
_OVER = ("Succeeded", "Failed")  # pods that a quota no longer counts

Amounts = dict[str, Decimal]


@dataclass(frozen=True)
class _Need:
    """What pods need beyond those that there are, in the names of quotas."""

    who: str  # "its rollout needs"
    most: Amounts  # at a time
    lasting: Amounts  # also at its end


async def of_rollout(cluster: Cluster, live: Object, stored: Object) -> JustNow:
    """What a rollout needs beyond what the quotas leave just now."""
    before, after = _asks(template_of(live)), _asks(template_of(stored))
    grown = {name: each - before.get(name, Decimal(0)) for name, each in after.items()}
    lasting = {name: each * replicas_of(stored) for name, each in grown.items()}
    if stored.get("kind") == "DaemonSet":
        lasting = {}
    most = _of_pods(after, _surge(stored))
    for name, needed in lasting.items():
        most[name] = max(most[name], needed)
    return await _beyond(cluster, live, _Need("its rollout needs", most, lasting))


async def of_growth(cluster: Cluster, live: Object, pods: int) -> JustNow:
    """What so many more of its pods need beyond what the quotas leave just now."""
    more = _of_pods(_asks(template_of(live)), max(pods, 0))
    who = f"{pods} more pods need" if pods > 1 else "one more pod needs"
    return await _beyond(cluster, live, _Need(who, more, more))


async def _beyond(cluster: Cluster, live: Object, need: _Need) -> JustNow:
    if not any(needed > 0 for needed in need.most.values()):
        return JustNow()
    namespace = namespace_of(live)
    quotas = await around(cluster, "resourcequota", namespace) or ()
    counted = all((quota.get("status") or {}).get("used") for quota in quotas)
    pods = None if counted else await around(cluster, "pod", namespace)
    found = JustNow()
    for quota in quotas:
        for said in _short(quota, pods, need):
            found += said
    return found


def _of_pods(each: Amounts, pods: int) -> Amounts:
    return {**{name: amounts * pods for name, amounts in each.items()}, "pods": Decimal(pods)}


def _surge(workload: Object) -> int:
    """How many pods it has at a time beyond those that it should have."""
    strategy = strategy_of(workload)
    if workload.get("kind") != "Deployment" or strategy["type"] == "Recreate":
        return 0
    most = (strategy.get("rollingUpdate") or {}).get("maxSurge", "25%")
    return share_of(most, replicas_of(workload))


def _asks(template: Object) -> Amounts:
    """What one pod counts for, in the names of quotas."""
    found: Amounts = {}
    for container in (template.get("spec") or {}).get("containers") or ():
        for part in _PARTS:
            for name, text in ((container.get("resources") or {}).get(part) or {}).items():
                key = f"{part}.{name}"
                found[key] = found.get(key, Decimal(0)) + amount(text)
    return found


def _short(quota: Object, pods: Sequence[Object] | None, need: _Need) -> Iterator[JustNow]:
    """What it does not leave, by what it limits."""
    status = quota.get("status") or {}
    hard = status.get("hard") or quota["spec"].get("hard") or {}
    for name, limit in hard.items():
        key = _ALSO.get(name, name)
        needed, whole = need.most.get(key, Decimal(0)), amount(limit)
        used = _used(quota, name, pods)
        left = max(whole - (used or Decimal(0)), Decimal(0))
        needs = f"{need.who} {told(needed, name)}"
        if needed > left:
            sure = need.lasting.get(key, Decimal(0)) > left and not _is_of_some(quota)
            has = f"leaves {told(left, name)} of {limit}" if used is not None else f"is for {limit}"
            then = f"it {'will' if sure else 'may'} not get all its pods"
            said = f"Quota {name_of(quota)} {has} {name} just now, and {needs}: {then}."
            yield JustNow(cautions=(said,))
        elif used is None and needed * _SMALL > whole:
            unknown = "nobody tells how much of that is used"
            said = f"Quota {name_of(quota)} is for {limit} {name}, {unknown}, and {needs}"
            yield JustNow(notes=(said,))


def _used(quota: Object, name: str, pods: Sequence[Object] | None) -> Decimal | None:
    """How much of it is used, by its controller's count or by the pods that there are."""
    told_used = (quota.get("status") or {}).get("used") or {}
    if name in told_used:
        return amount(told_used[name])
    if pods is None or _is_of_some(quota):
        return None
    alive = [pod for pod in pods if (pod.get("status") or {}).get("phase") not in _OVER]
    key = _ALSO.get(name, name)
    return sum((_of_pods(_asks(pod), 1).get(key, Decimal(0)) for pod in alive), Decimal(0))


def _is_of_some(quota: Object) -> bool:
    """Whether it is for some pods only, which may not be these."""
    return bool(quota["spec"].get("scopes") or quota["spec"].get("scopeSelector"))
