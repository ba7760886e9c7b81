"""What pods use of a quota, and whether it has room for another one."""

from collections.abc import Iterator, Sequence

from bot.sandbox.cluster.kinds import PODS, QUOTAS
from bot.sandbox.cluster.quantities import quantity
from bot.sandbox.cluster.store import Object, Store

_OVER = ("Succeeded", "Failed")
_COUNTS = ("pods", "count/pods")
_MEASURED = ("cpu", "memory")
_UNITS = (("Gi", 2**30), ("Mi", 2**20), ("Ki", 2**10))


def counted(store: Store, quota: Object) -> Object:
    """The status of a quota; objects other than pods are not counted here."""
    pods = _alive(store, quota["metadata"]["namespace"])
    hard = quota["spec"].get("hard") or {}
    used = {key: _written(_used(key, pods), key) for key in hard if _is_counted(key)}
    return {"hard": dict(hard), "used": used}


def exceeded(store: Store, namespace: str, pod: Object) -> str:
    """Why a namespace's quotas have no room for another pod, in the API's words; or nothing."""
    quotas = store.objects(QUOTAS, namespace)
    pods = _alive(store, namespace) if quotas else []
    for quota in quotas:
        asked, used, hard = [], [], []
        for key, limit in (quota["spec"].get("hard") or {}).items():
            more = _used(key, [pod]) if _is_counted(key) else 0.0
            now = _used(key, pods) if more else 0.0
            if more and now + more > quantity(limit):
                asked.append(f"{key}={_written(more, key)}")
                used.append(f"{key}={_written(now, key)}")
                hard.append(f"{key}={limit}")
        if asked:
            said = (f"requested: {','.join(asked)}", f"used: {','.join(used)}")
            name = quota["metadata"]["name"]
            return f"exceeded quota: {name}, {', '.join(said)}, limited: {','.join(hard)}"
    return ""


def _alive(store: Store, namespace: str) -> list[Object]:
    pods = store.objects(PODS, namespace)
    return [pod for pod in pods if pod.get("status", {}).get("phase") not in _OVER]


def _is_counted(key: str) -> bool:
    return key in _COUNTS or key.removeprefix("requests.").removeprefix("limits.") in _MEASURED


def _used(key: str, pods: Sequence[Object]) -> float:
    if key in _COUNTS:
        return len(pods)
    part, _, resource = key.rpartition(".")
    return sum(_asked(pods, part or "requests", resource))


def _asked(pods: Sequence[Object], part: str, resource: str) -> Iterator[float]:
    for pod in pods:
        for container in pod["spec"]["containers"]:
            amounts = (container.get("resources") or {}).get(part) or {}
            yield quantity(amounts.get(resource, "0"))


def _written(amount: float, key: str) -> str:
    """As the API writes an amount: in thousandths of a CPU, or in the unit that divides it."""
    if key.endswith("cpu"):
        thousandths = round(amount * 1000)
        return f"{thousandths}m" if thousandths % 1000 else str(thousandths // 1000)
    whole = round(amount)
    for unit, size in _UNITS if key.endswith("memory") else ():
        if whole and whole % size == 0:
            return f"{whole // size}{unit}"
    return str(whole)
