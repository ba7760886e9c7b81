"""Views: what several kinds say together."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from tools._kit import Finding, Name, Namespace, read
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.kinds import AnyKind, canonical_kind
from tools.kubernetes.reads.arguments import ClusterReads, MaybeNamespace, Selector, place_of
from tools.kubernetes.views.configuration import configuration
from tools.kubernetes.views.images import images
from tools.kubernetes.views.network import network
from tools.kubernetes.views.overview import overview
from tools.kubernetes.views.ownership import ownership

NetworkKind = Annotated[
    Literal["service", "ingress", "deployment", "statefulset", "daemonset", "replicaset", "pod"],
    BeforeValidator(canonical_kind),
]
ConfiguredKind = Annotated[
    Literal["deployment", "statefulset", "daemonset", "replicaset", "job", "cronjob", "pod"],
    BeforeValidator(canonical_kind),
]


class ViewReads(ClusterReads):
    """What bears on a namespace, a service or a workload."""

    @read
    async def overview(self, cluster: Cluster, namespace: MaybeNamespace = "") -> Finding:
        """Show one namespace on one screen: workloads, pods in trouble, warnings, limits."""
        return await overview(cluster, await place_of(cluster, namespace), datetime.now(UTC))

    @read
    async def network(
        self, cluster: Cluster, namespace: Namespace, name: Name, kind: NetworkKind = "service"
    ) -> Finding:
        """Show how traffic reaches a service, workload or ingress: ports, endpoints, policies."""
        return await network(cluster, kind, namespace, name)

    @read
    async def configuration(
        self,
        cluster: Cluster,
        namespace: Namespace,
        name: Name,
        kind: ConfiguredKind = "deployment",
    ) -> Finding:
        """Show which config maps, secrets and volumes a workload uses; what is missing or newer."""
        return await configuration(cluster, kind, namespace, name, datetime.now(UTC))

    @read
    async def images(
        self,
        cluster: Cluster,
        namespace: MaybeNamespace = "",
        all_namespaces: bool = False,
        selector: Selector = "",
        limit: Annotated[int, Field(ge=1, le=1000)] = 200,
    ) -> Finding:
        """Show which images run where: tag, digest, since when, and which tags move."""
        place = None if all_namespaces else await place_of(cluster, namespace)
        return await images(cluster, place, selector, datetime.now(UTC), limit)

    @read
    async def ownership(
        self, cluster: Cluster, kind: AnyKind, name: Name, namespace: MaybeNamespace = ""
    ) -> Finding:
        """Show who stands behind an object: owners, Helm, Argo CD, Flux, its fields' writers."""
        resource = await cluster.resource(kind)
        place = await place_of(cluster, namespace)
        return await ownership(cluster, resource, place, name, datetime.now(UTC))
