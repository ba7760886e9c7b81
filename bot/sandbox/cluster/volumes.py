"""Which claim a container writes to, and how fast it fills."""

from collections.abc import Sequence
from datetime import datetime

from bot.sandbox.cluster import fate
from bot.sandbox.cluster.clock import Clock
from bot.sandbox.cluster.fate import Behaviour
from bot.sandbox.cluster.podstatus import Slot
from bot.sandbox.cluster.quantities import quantity
from bot.sandbox.cluster.store import Object

USED = "demo/used-bytes"  # annotation of a claim: what it held when it was made


def claim_of(
    behaviours: Sequence[Behaviour], pod: Object, container: Object
) -> tuple[str, str] | None:
    """Return namespace and name of the claim that a container fills, or None."""
    path = fate.behaviour_of(container["image"], behaviours).data
    if not path:
        return None
    mounts = container.get("volumeMounts", [])
    mounted = next((mount["name"] for mount in mounts if mount["mountPath"] == path), None)
    for volume in pod["spec"].get("volumes", []):
        if volume["name"] == mounted and "persistentVolumeClaim" in volume:
            return pod["metadata"]["namespace"], volume["persistentVolumeClaim"]["claimName"]
    return None


def written(behaviours: Sequence[Behaviour], slot: Slot, clock: Clock, moment: datetime) -> float:
    """Return what a container's present run wrote until `moment`, in bytes."""
    if slot.run is None:
        return 0.0
    rate = quantity(fate.behaviour_of(slot.container["image"], behaviours).data_rate)
    return max(0.0, (moment - slot.run.started).total_seconds() * clock.speed) * rate


def at_creation(claim: Object) -> float:
    """Return what a claim held when it was made, in bytes."""
    note = claim["metadata"].get("annotations", {}).get(USED, "0")
    return float(note) if note.isdecimal() else 0.0


def capacity(claim: Object) -> int:
    """Return how much a claim may hold, in bytes: what its volume has, not what it asks for."""
    asked = claim["spec"].get("resources", {}).get("requests", {}).get("storage", "0")
    has = claim.get("status", {}).get("capacity", {}).get("storage", asked)
    return int(quantity(has))
