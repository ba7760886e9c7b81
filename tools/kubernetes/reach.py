"""How far a change of a workload reaches: what sends its pods traffic, scales and covers them."""

from collections.abc import Iterator

from tools.kubernetes.cluster import Cluster
from tools.kubernetes.kinds import Object
from tools.kubernetes.objects import name_of, namespace_of
from tools.kubernetes.workloads import (
    Around,
    around,
    services_of,
)


async def reach_notes(
    cluster: Cluster, live: Object, autoscalers: Around, budgets: Around
) -> tuple[str, ...]:
    """What there is, by name; nothing where there is none. Of its autoscalers and disruption
    budgets a change knows already, also whether it may see them: only the Services are read.
    """
    services = await around(cluster, "service", namespace_of(live))
    return reached(services_of(services, live), autoscalers, budgets)


def reached(services: Around, autoscalers: Around, budgets: Around) -> tuple[str, ...]:
    """The same of those that concern it. Of the last two a warning tells where they are unseen."""
    found = (
        *_named("reached by Service", services),
        *_named("scaled by HorizontalPodAutoscaler", autoscalers),
        *_named("covered by PodDisruptionBudget", budgets),
    )
    unseen = ["Which Services reach its pods cannot be told"] if services is None else []
    return (*([f"Its pods are {'; '.join(found)}"] if found else []), *unseen)


def _named(how: str, things: Around) -> Iterator[str]:
    if names := [name_of(one) for one in things or ()]:
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        yield f"{how} {', '.join(names[:5])}{more}"
