"""Whether there is room for pods: what the namespace's quotas leave, and what a node holds."""

import asyncio

from tools.kubernetes import quotas
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.justnow import JustNow
from tools.kubernetes.kinds import Object
from tools.kubernetes.objects import template_of
from tools.kubernetes.room import room
from tools.kubernetes.workloads import replicas_of


async def for_rollout(cluster: Cluster, live: Object, stored: Object) -> JustNow:
    """For pods of another template."""
    left, large = await asyncio.gather(
        quotas.of_rollout(cluster, live, stored),
        room(cluster, template_of(live), template_of(stored)),
    )
    return large + left


async def for_new(cluster: Cluster, workload: Object) -> JustNow:
    """For the pods of a workload that is not there yet."""
    left, large = await asyncio.gather(
        quotas.of_growth(cluster, workload, replicas_of(workload)),
        room(cluster, {}, template_of(workload)),
    )
    return large + left
