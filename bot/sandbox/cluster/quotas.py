"""Counts what the pods of a namespace use of its quotas; nothing here refuses a pod."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from bot.sandbox.cluster.engine import Name
from bot.sandbox.cluster.housekeeping import beside
from bot.sandbox.cluster.jsons import clone
from bot.sandbox.cluster.kinds import PODS, QUOTAS
from bot.sandbox.cluster.quantities import quantity
from bot.sandbox.cluster.store import Change, Object, Store

_OVER = ("Succeeded", "Failed")
_COUNTS = ("pods", "count/pods")
_MEASURED = ("cpu", "memory")
_UNITS = (("Gi", 2**30), ("Mi", 2**20), ("Ki", 2**10))


@dataclass
class Quotas:
    """Keeps the status of each quota."""

    store: Store

    def concerns(self, change: Change) -> Iterable[Name]:
        """Look at quotas when they or pods beside them change."""
        return beside(change, self.store, QUOTAS, PODS)

    def reconcile(self, namespace: str, name: str) -> datetime | None:
        """Write what is used of what a quota limits."""
        quota = self.store.get(QUOTAS, namespace, name)
        if quota is None:
            return None
        alive = [
            pod
            for pod in self.store.objects(PODS, namespace)
            if pod.get("status", {}).get("phase") not in _OVER
        ]
        hard = quota["spec"].get("hard") or {}
        used = {key: _used(key, alive) for key in hard if _is_counted(key)}
        self.store.update(QUOTAS, {**clone(quota), "status": {"hard": clone(hard), "used": used}})
        return None


def _is_counted(key: str) -> bool:
    """Whether pods use it: other objects are not counted here."""
    return key in _COUNTS or key.removeprefix("requests.").removeprefix("limits.") in _MEASURED


def _used(key: str, pods: list[Object]) -> str:
    if key in _COUNTS:
        return str(len(pods))
    part, _, resource = key.rpartition(".")
    return _written(sum(_asked(pods, part or "requests", resource)), resource)


def _asked(pods: list[Object], part: str, resource: str) -> Iterator[float]:
    for pod in pods:
        for container in pod["spec"]["containers"]:
            amounts = (container.get("resources") or {}).get(part) or {}
            yield quantity(amounts.get(resource, "0"))


def _written(amount: float, resource: str) -> str:
    """As the API writes an amount: in thousandths of a CPU, or in the unit that divides it."""
    if resource == "cpu":
        thousandths = round(amount * 1000)
        return f"{thousandths}m" if thousandths % 1000 else str(thousandths // 1000)
    whole = round(amount)
    for unit, size in _UNITS:
        if whole and whole % size == 0:
            return f"{whole // size}{unit}"
    return str(whole)
