"""What was looked at, and what could not be."""

from collections import defaultdict

from tools.kubernetes.counting import counted
from tools.kubernetes.diagnosis.snapshot import (
    CertificateOf,
    Denied,
    Items,
    ListOf,
    LogOf,
    Snapshot,
)
from tools.kubernetes.diagnosis.wording import listed

_PLURALS = {
    "ingress": "ingresses",
    "networkpolicy": "network policies",
    "storageclass": "storage classes",
    "ingressclass": "ingress classes",
}
_OURS = ("event", "podmetrics")
_OPTIONAL = ("podmetrics", "certificate", "horizontalpodautoscaler")


def checked(snapshot: Snapshot) -> list[str]:
    """How many objects of which kind, and how many logs."""
    found = [_count(len(snapshot.of(kind)), kind) for kind in _kinds(snapshot) if snapshot.of(kind)]
    logs = sum(isinstance(asked, LogOf) and bool(got) for asked, got in snapshot.found.items())
    warnings = len(snapshot.of("event"))
    return [
        *found,
        *([counted(warnings, "warning event")] if warnings else []),
        *([counted(logs, "log")] if logs else []),
    ]


def _kinds(snapshot: Snapshot) -> list[str]:
    asked = [one.kind for one in snapshot.found if isinstance(one, ListOf)]
    return [kind for kind in dict.fromkeys(asked) if kind not in _OURS]


def _count(count: int, kind: str) -> str:
    return f"{count} {_PLURALS[kind]}" if kind in _PLURALS and count != 1 else counted(count, kind)


def not_checked(snapshot: Snapshot) -> list[str]:
    """What the symptoms pointed to and could not be read, or not whole; each with why."""
    denied: dict[str, list[str]] = defaultdict(list)
    for asked, got in snapshot.found.items():
        match asked, got:
            case ListOf(kind), Items(_, True):
                denied["not all of them could be read"].append(_named(kind))
            case ListOf(kind), Denied(why):
                if kind in _OPTIONAL and "not served" in why:
                    continue
                place = f" in {asked.namespace}" if asked.namespace else ""
                denied[why].append(_named(kind) + place)
            case LogOf(place, pod, container), Denied(why):
                denied[why].append(f"log of pod/{pod} {container} in {place}")
            case CertificateOf(place, name), Denied(why) if why != "missing":
                denied[why].append(f"certificate in secret/{name} in {place}")
    return [f"{listed(sorted(set(what)), 6)}: {why}" for why, what in sorted(denied.items())]


def _named(kind: str) -> str:
    return _PLURALS.get(kind, f"{kind}s")
