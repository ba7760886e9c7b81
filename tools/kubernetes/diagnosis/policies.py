"""Whether network policies let one pod reach another; where that cannot be told, they may."""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tools.kubernetes.kinds import Object
from tools.kubernetes.objects import labels_of, name_of, namespace_of, selects

_NAME = "kubernetes.io/metadata.name"


@dataclass(frozen=True)
class Peer:
    """One end of a connection; without labels it is no pod of this cluster, or one not known."""

    namespace: str = ""
    labels: Mapping[str, str] | None = None
    address: str = ""

    @classmethod
    def of(cls, pod: Object) -> "Peer":
        """A pod as one."""
        status = pod.get("status") or {}
        return cls(namespace_of(pod), labels_of(pod), str(status.get("podIP") or ""))


def cutting(
    policies: Sequence[Object], pod: Object, direction: str, peer: Peer, ports: Sequence[object]
) -> list[Object]:
    """The policies that keep a pod from `peer`; none where any may let it. `direction`: of the pod.

    `ports`: the port's number and its names; empty: any.
    """
    concerned = [
        one
        for one in policies
        if namespace_of(one) == namespace_of(pod)
        and selects((one.get("spec") or {}).get("podSelector") or {}, labels_of(pod))
        and direction in _types(one)
    ]
    for one in concerned:
        for rule in (one.get("spec") or {}).get(direction.lower()) or ():
            if _lets(rule, direction, namespace_of(pod), peer, ports):
                return []
    return concerned


def _types(policy: Object) -> Sequence[str]:
    spec = policy.get("spec") or {}
    found: Sequence[str] | None = spec.get("policyTypes")
    return found or (["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])


def _lets(
    rule: Mapping[str, Any], direction: str, own: str, peer: Peer, ports: Sequence[object]
) -> bool:
    wanted = rule.get("ports")
    if wanted and ports and not any(_port(one, ports) for one in wanted):
        return False
    peers = rule.get("from" if direction == "Ingress" else "to")
    return not peers or any(_matches(one, own, peer) for one in peers)


def _port(wanted: Mapping[str, Any], ports: Sequence[object]) -> bool:
    first, last = wanted.get("port"), wanted.get("endPort")
    if first is None or first in ports:
        return True
    numbers = [one for one in ports if isinstance(one, int)]
    return isinstance(first, int) and last is not None and any(first <= n <= last for n in numbers)


def _matches(wanted: Mapping[str, Any], own: str, peer: Peer) -> bool:
    if block := wanted.get("ipBlock"):
        return _in_block(block, peer.address)
    if peer.labels is None:
        return not peer.namespace  # not known: it may
    places = wanted.get("namespaceSelector")
    if places is None:
        if peer.namespace != own:
            return False
    elif not _is_place(places, peer.namespace):
        return False
    return selects(wanted.get("podSelector") or {}, peer.labels)


def _is_place(selector: Mapping[str, Any], namespace: str) -> bool:
    """Whether a namespace is meant; its labels are not known but for its name."""
    asked = {*(selector.get("matchLabels") or {})}
    asked |= {one.get("key") for one in selector.get("matchExpressions") or ()}
    if asked - {_NAME}:
        return True
    return selects(selector, {_NAME: namespace})


def _in_block(block: Mapping[str, Any], address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
        inside = found in ipaddress.ip_network(str(block.get("cidr")), strict=False)
        return inside and not any(
            found in ipaddress.ip_network(str(one), strict=False)
            for one in block.get("except") or ()
        )
    except ValueError:
        return True


def named(policies: Sequence[Object]) -> str:
    """Policies in words."""
    return ", ".join(sorted(name_of(one) for one in policies))
