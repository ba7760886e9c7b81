"""What runs: its logs, and what it uses."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, JsonValue, StringConstraints

from tools._kit import Duration, Finding, Namespace, read
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.kinds import LoggingKind
from tools.kubernetes.logs import Window, read_logs
from tools.kubernetes.reads.arguments import (
    ClusterReads,
    MaybeName,
    MaybeNamespace,
    Selector,
    place_of,
)
from tools.kubernetes.top import top_nodes, top_pods

Grep = Annotated[
    str,
    StringConstraints(max_length=200),
    Field(description="Only lines that hold this text or match it as an RE2 pattern."),
]


_TAIL = "Lines of each container that are looked at; 0: 200, or 5000 with grep, errors or fold."
_CONTEXT = "Lines of the same container before and after each with `grep` or `errors`."
_FOLD = "Each pattern once, with how often, since when and where it came."


Sort = Annotated[Literal["cpu", "memory", "name"], Field(description="The largest first.")]


class RunningReads(ClusterReads):
    """What workloads do now."""

    @classmethod
    def is_inventory(cls, read: str, arguments: Mapping[str, JsonValue]) -> bool:  # noqa: ARG003
        """Names and numbers are; what a container wrote is not."""
        return read.startswith("top_")

    @classmethod
    def namespace_of(cls, read: str, arguments: Mapping[str, JsonValue]) -> str:
        """Nodes lie in none."""
        return "" if read == "top_nodes" else super().namespace_of(read, arguments)

    @read
    async def logs(  # noqa: PLR0913, PLR0917 - a tool's arguments are flat
        self,
        cluster: Cluster,
        namespace: Namespace,
        name: MaybeName = "",
        kind: LoggingKind = "pod",
        selector: Annotated[Selector, Field(description="Instead of a name: pods by label.")] = "",
        since: Duration = "15m",
        tail: Annotated[int, Field(ge=0, le=5000, description=_TAIL)] = 0,
        previous: Annotated[bool, Field(description="The run before the last restart.")] = False,
        grep: Grep = "",
        errors: Annotated[bool, Field(description="Only what looks like an error.")] = False,
        context: Annotated[int, Field(ge=0, le=50, description=_CONTEXT)] = 0,
        container: Annotated[MaybeName, Field(description="Only this container.")] = "",
        init: Annotated[bool, Field(description="Init containers that ended well too.")] = False,
        fold: Annotated[bool, Field(description=_FOLD)] = False,
    ) -> Finding:
        """Show what all containers of a pod or a whole workload wrote, newest last; or count it."""
        window = Window(
            since, tail, previous, grep, errors, context, container, init=init, fold=fold
        )
        return await read_logs(cluster, kind, namespace, name, selector, window)

    @read
    async def top_pods(  # noqa: PLR0913, PLR0917 - a tool's arguments are flat
        self,
        cluster: Cluster,
        namespace: MaybeNamespace = "",
        name: MaybeName = "",
        all_namespaces: bool = False,
        selector: Selector = "",
        containers: Annotated[bool, Field(description="Each container by itself.")] = False,
        sort: Sort = "cpu",
        limit: Annotated[int, Field(ge=1, le=1000)] = 100,
    ) -> Finding:
        """Show what pods use of CPU and memory, against their requests and limits."""
        return await top_pods(
            cluster,
            None if all_namespaces else await place_of(cluster, namespace),
            name,
            selector,
            containers=containers,
            sort=sort,
            limit=limit,
        )

    @read
    async def top_nodes(
        self, cluster: Cluster, name: MaybeName = "", selector: Selector = "", sort: Sort = "cpu"
    ) -> Finding:
        """Show what nodes use, what their pods asked for, and how full they are."""
        return await top_nodes(cluster, name, selector, sort)
