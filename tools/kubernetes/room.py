"""Whether any node is large enough for a pod, were it empty."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from tools.kubernetes.cluster import Cluster
from tools.kubernetes.justnow import JustNow
from tools.kubernetes.kinds import Object
from tools.kubernetes.quantities import amount, told
from tools.kubernetes.workloads import around

FITS_NONE = "fits no node even if it were empty"
_COUNTED = ("cpu", "memory")


def requests(spec: Object) -> dict[str, Decimal]:
    """What a pod asks for in all."""
    found: dict[str, Decimal] = {}
    for container in spec.get("containers") or ():
        for key, value in ((container.get("resources") or {}).get("requests") or {}).items():
            found[key] = found.get(key, Decimal(0)) + amount(value)
    return dict(sorted(found.items()))


def largest(nodes: Sequence[Object], asked: dict[str, Decimal]) -> dict[str, Decimal]:
    """The most that one node has of what is asked for, of what every node tells."""
    return {
        key: max(amount((_allocatable(node)).get(key, 0)) for node in nodes)
        for key, wanted in asked.items()
        if nodes and wanted and key in _COUNTED
    }


async def room(cluster: Cluster, before: Object, after: Object) -> JustNow:
    """Whether pods of this template fit any node, where they ask for more than those before."""
    had, asked = (requests(one.get("spec") or {}) for one in (before, after))
    more = {key: wanted for key, wanted in asked.items() if wanted > had.get(key, Decimal(0))}
    nodes = await around(cluster, "node", "") if any(key in more for key in _COUNTED) else None
    return JustNow(cautions=tuple(_too_large(nodes or (), more)))


def _too_large(nodes: Sequence[Object], asked: dict[str, Decimal]) -> Iterator[str]:
    for key, most in largest(nodes, asked).items():
        if asked[key] > most:
            wanted = f"{told(asked[key], key)} {key}"
            yield (f"A pod that requests {wanted} {FITS_NONE}: the largest has {told(most, key)}.")


def _allocatable(node: Object) -> Object:
    found: Object = (node.get("status") or {}).get("allocatable") or {}
    return found
