"""Which pods of a node move when it is drained, which stay, and which forbid it."""

from collections.abc import Sequence
from dataclasses import dataclass

from tools.kubernetes.kinds import Object
from tools.kubernetes.objects import (
    annotation,
    controller,
    labels_of,
    name_of,
    namespace_of,
    selects,
)
from tools.kubernetes.pods import is_leaving

_MIRROR = "kubernetes.io/config.mirror"  # of a static pod, which the kubelet keeps
_ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True)
class MovingPod:
    """A pod that is evicted."""

    object: Object

    @property
    def name(self) -> str:
        """With its namespace: "shop/pod/web-1"."""
        return f"{namespace_of(self.object)}/pod/{name_of(self.object)}"

    @property
    def namespace(self) -> str:
        """Where it is."""
        return namespace_of(self.object)

    @property
    def owner(self) -> str:
        """Who makes another in its place: "shop/replicaset/web-7f"."""
        return f"{namespace_of(self.object)}/{controller(self.object)}"

    @property
    def leaving(self) -> bool:
        """Whether it is on its way out."""
        return is_leaving(self.object)

    def is_held_by(self, budget: Object) -> bool:
        """Whether a disruption budget counts it."""
        if namespace_of(budget) != namespace_of(self.object):
            return False
        return selects(budget["spec"].get("selector"), labels_of(self.object))


@dataclass(frozen=True)
class Moving:
    """The pods of a node."""

    pods: tuple[MovingPod, ...]
    staying: tuple[str, ...]  # of daemon sets, and static ones
    bare: tuple[str, ...]  # that nobody makes anew
    with_data: tuple[str, ...]  # in emptyDir volumes


def moving_off(pods: Sequence[Object]) -> Moving:
    """Sorts them."""
    moving, staying, bare, with_data = [], [], [], []
    for pod in sorted(pods, key=lambda one: (namespace_of(one), name_of(one))):
        if (pod.get("status") or {}).get("phase") in _ENDED:
            continue  # nothing of it runs, and nothing is made in its place
        one = MovingPod(pod)
        kind = controller(pod).partition("/")[0]
        if annotation(pod, _MIRROR) or kind == "daemonset":
            staying.append(one.name)
        elif not kind:
            bare.append(one.name)
        else:
            moving.append(one)
            if any("emptyDir" in volume for volume in pod["spec"].get("volumes") or ()):
                with_data.append(one.name)
    return Moving(tuple(moving), tuple(staying), tuple(bare), tuple(with_data))
