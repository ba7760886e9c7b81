"""What a workload hangs on: the services it names, in its words or its settings, and their pods."""

from collections.abc import Iterable

from tools.kubernetes.diagnosis.case import Case, Group
from tools.kubernetes.diagnosis.clues import Ref
from tools.kubernetes.diagnosis.lastwords import Hint


def leads_to(case: Case, group: Group, hints: Iterable[Hint]) -> frozenset[Ref]:
    """The services that its words name, and the workloads behind them."""
    found: set[Ref] = set()
    for hint in hints:
        service = case.service_meant(hint, group.owner)
        if service is not None:
            found |= {service, *case.behind(service)}
    return frozenset(found - {group.owner})


def leads_to_by_settings(case: Case, group: Group) -> frozenset[Ref]:
    """Those that its settings name."""
    found: set[Ref] = set()
    for service in case.calls(group.owner):
        found |= {service, *case.behind(service)}
    return frozenset(found - {group.owner})
