"""What runs: its logs."""

from typing import Annotated

from pydantic import Field, StringConstraints

from tools._kit import Duration, Finding, Name, Namespace, read
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.kinds import LoggingKind
from tools.kubernetes.logs import Window, read_logs
from tools.kubernetes.reads.arguments import ClusterReads

Grep = Annotated[
    str,
    StringConstraints(max_length=200),
    Field(description="Only lines that hold this text or match it as an RE2 pattern."),
]


class RunningReads(ClusterReads):
    """What workloads do now."""

    @read
    async def logs(  # noqa: PLR0913, PLR0917 - a tool's arguments are flat
        self,
        cluster: Cluster,
        namespace: Namespace,
        name: Name,
        kind: LoggingKind = "pod",
        since: Duration = "15m",
        tail: Annotated[int, Field(ge=1, le=5000)] = 200,
        previous: Annotated[bool, Field(description="The run before the last restart.")] = False,
        grep: Grep = "",
    ) -> Finding:
        """Show what the containers of a pod or of a whole workload wrote, newest last."""
        window = Window(since, tail, previous, grep)
        return await read_logs(cluster, kind, namespace, name, window)
