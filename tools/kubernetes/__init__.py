"""Kubernetes: reads and changes in kubectl's words."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

from tools._kit import Change, Offer, Toolbox, snake_case
from tools.kubernetes import changes, reads
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.connection import check_contexts
from tools.kubernetes.diagnosis.tool import Diagnosing
from tools.kubernetes.images import SetImage
from tools.kubernetes.kinds import RESOURCES
from tools.kubernetes.restart import RolloutRestart
from tools.kubernetes.rollout import RolloutUndo
from tools.kubernetes.scale import Scale
from tools.kubernetes.settings import Settings as Config

__all__ = ["CHANGES", "OBJECTS", "PREFIX", "READS", "Config", "open"]

PREFIX = "k8s"
OBJECTS = tuple(RESOURCES)
CHANGES: tuple[type[Change], ...] = (Scale, RolloutUndo, RolloutRestart, SetImage, *changes.CHANGES)
READS: tuple[Toolbox, ...] = (
    *reads.READS,
    Diagnosing({snake_case(change.__name__): change for change in CHANGES}),
)


async def open(config: Config) -> AsyncIterator[Offer]:  # noqa: A001 - the kit's name for it
    """The clusters, for as long as the bot runs; one that is away does not stop the others.

    Raises `ValueError` for a context that the kubeconfig does not have.
    """
    wanted = config.clusters()
    contexts = [context for context in wanted.values() if context]
    if contexts and not config.in_cluster:
        await asyncio.to_thread(check_contexts, config.kubeconfig, contexts)
    async with AsyncExitStack() as stack:
        clusters = [Cluster(config, context, name) for name, context in wanted.items()]
        for cluster in clusters:
            stack.push_async_callback(cluster.close)
        await asyncio.gather(*(cluster.start() for cluster in clusters))
        yield Offer(
            clients={cluster.name: cluster for cluster in clusters},
            reads=READS,
            changes=CHANGES,
        )
