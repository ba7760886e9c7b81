"""What a running container uses: CPU follows its load, memory grows to what its image needs."""

from collections.abc import Sequence
from typing import Final

from bot.sandbox.cluster import fate
from bot.sandbox.cluster.clock import Clock
from bot.sandbox.cluster.fate import Behaviour
from bot.sandbox.cluster.podstatus import Slot
from bot.sandbox.cluster.quantities import quantity

_AT_START: Final = 0.3  # the part of its memory that a process takes at once


def of_container(
    behaviours: Sequence[Behaviour], slot: Slot, clock: Clock, load: float
) -> tuple[int, int]:
    """Return millicores and bytes of a running container at `load` requests a second.

    Neither exceeds the container's limit; a container that is not ready is asked nothing.
    """
    if slot.run is None:
        return 0, 0
    behaviour = fate.behaviour_of(slot.container["image"], behaviours)
    limits = slot.container.get("resources", {}).get("limits", {})
    cpu = quantity(behaviour.cpu_idle) * 1000
    if slot.ready:
        cpu += behaviour.cpu_per_request * load
    if "cpu" in limits:
        cpu = min(cpu, quantity(limits["cpu"]) * 1000)
    grown = clock.elapsed(slot.run.started) / max(behaviour.grow_seconds, 1e-9)
    size = quantity(behaviour.memory) * min(1.0, _AT_START + (1 - _AT_START) * grown)
    if "memory" in limits:
        size = min(size, quantity(limits["memory"]))
    return round(cpu), round(size)
