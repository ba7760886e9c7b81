"""Kubernetes: reads and changes in kubectl's words."""

from collections.abc import AsyncIterator

from tools._kit import Offer
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.reads import Kubernetes
from tools.kubernetes.rollout import RolloutUndo
from tools.kubernetes.scale import Scale
from tools.kubernetes.settings import Settings as Config

__all__ = ["PREFIX", "Config", "open"]

PREFIX = "k8s"


async def open(config: Config) -> AsyncIterator[Offer]:  # noqa: A001 - the kit's name for it
    """One cluster, for as long as the bot runs; one that is away does not stop the opening."""
    cluster = Cluster(config)
    try:
        await cluster.start()
        yield Offer(
            clients={cluster.name: cluster},
            reads=[Kubernetes()],
            changes=[Scale, RolloutUndo],
        )
    finally:
        cluster.close()
