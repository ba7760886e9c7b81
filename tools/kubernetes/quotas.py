"""What a namespace's quotas leave for a change: for a rollout's pods on top, or for more pods."""

from collections.abc import Iterator
from decimal import Decimal

from tools.kubernetes.cluster import Cluster
from tools.kubernetes.kinds import Object
from tools.kubernetes.objects import name_of, namespace_of, template_of
from tools.kubernetes.quantities import amount, told
from tools.kubernetes.workloads import around, replicas_of, share_of, strategy_of

_PARTS = ("requests", "limits")


async def surge_notes(cluster: Cluster, live: Object, stored: Object) -> tuple[str, ...]:
    """What its rollout needs beyond what the quotas leave just now."""
    pods = _surge(stored)
    before, after = _asks(template_of(live)), _asks(template_of(stored))
    more = {name: amounts * pods for name, amounts in after.items()}
    if stored.get("kind") != "DaemonSet":
        for name, amounts in after.items():
            grown = (amounts - before.get(name, Decimal(0))) * replicas_of(stored)
            more[name] = max(more[name], grown)
    more["pods"] = Decimal(pods)
    if not any(more.values()):
        return ()
    return await _notes(cluster, live, more, "its rollout needs")


async def growth_notes(cluster: Cluster, live: Object, pods: int) -> tuple[str, ...]:
    """What so many more of its pods need beyond what the quotas leave just now."""
    if pods <= 0:
        return ()
    more = {name: each * pods for name, each in _asks(template_of(live)).items()}
    more["pods"] = Decimal(pods)
    who = f"{pods} more pods need" if pods > 1 else "one more pod needs"
    return await _notes(cluster, live, more, who)


async def _notes(
    cluster: Cluster, live: Object, more: dict[str, Decimal], who: str
) -> tuple[str, ...]:
    quotas = await around(cluster, "resourcequota", namespace_of(live))
    return tuple(note for quota in quotas or () for note in _beyond(quota, more, who))


def _surge(workload: Object) -> int:
    """How many pods it has at a time beyond those that it should have."""
    strategy = strategy_of(workload)
    if workload.get("kind") != "Deployment" or strategy["type"] == "Recreate":
        return 0
    most = (strategy.get("rollingUpdate") or {}).get("maxSurge", "25%")
    return share_of(most, replicas_of(workload))


def _asks(template: Object) -> dict[str, Decimal]:
    """What one pod counts for, in the names of quotas."""
    found: dict[str, Decimal] = {}
    for container in (template.get("spec") or {}).get("containers") or ():
        for part in _PARTS:
            for name, text in ((container.get("resources") or {}).get(part) or {}).items():
                key = f"{part}.{name}"
                found[key] = found.get(key, Decimal(0)) + amount(text)
    return found


def _beyond(quota: Object, more: dict[str, Decimal], who: str) -> Iterator[str]:
    status = quota.get("status") or {}
    hard, used = status.get("hard") or quota["spec"].get("hard") or {}, status.get("used") or {}
    for name, limit in hard.items():
        full = f"requests.{name}" if name in ("cpu", "memory") else name
        needed = more.get(full, Decimal(0))
        left = max(amount(limit) - amount(used.get(name, "0")), Decimal(0))
        if not needed or (name in used and needed <= left):
            continue
        leaves = f"leaves {told(left, name)} of {name} just now"
        if name not in used:  # its controller has not counted it
            leaves = f"is for {limit} of {name}, it is not known how much of that is used"
        yield (
            f"quota {name_of(quota)} {leaves}, and {who} {told(needed, name)}:"
            " it may not get all its pods"
        )
