"""The cluster itself: what it is, what it serves, what its fields mean, and what one may do."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, JsonValue, StringConstraints

from tools._kit import Finding, Malformed, NotFound, read
from tools.kubernetes.about import api_resources, can_i, cluster_info, rights
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.explain import explain
from tools.kubernetes.kinds import AnyKind, MaybeKind, Resource, canonical_kind
from tools.kubernetes.reads.arguments import ClusterReads, MaybeName, MaybeNamespace, place_of

FieldPath = Annotated[
    str,
    StringConstraints(
        pattern=r"^([A-Za-z$][-A-Za-z0-9_]{0,62}(\.[A-Za-z$][-A-Za-z0-9_]{0,62}){0,20})?$",
        strip_whitespace=True,
    ),
    Field(description='"spec.template.spec.containers.image"; without it, the whole kind.'),
]
Group = Annotated[
    str,
    StringConstraints(pattern=r"^([a-z0-9][-a-z0-9.]{0,252})?$", strip_whitespace=True),
    Field(description='Only this API group: "apps", "core".'),
]
Verb = Annotated[
    str,
    StringConstraints(pattern=r"^([a-z]{2,20}|\*)?$", strip_whitespace=True),
    Field(description='"get", "patch", "delete"; without it, all that may be done is listed.'),
]
Sub = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z]{0,20}$", strip_whitespace=True),
    Field(description='A sub-resource: "log", "scale", "exec".'),
]


class AboutReads(ClusterReads):
    """The cluster itself."""

    @classmethod
    def namespace_of(cls, read: str, arguments: Mapping[str, JsonValue]) -> str:
        """Of the cluster's own documents, none."""
        return super().namespace_of(read, arguments) if read == "can_i" else ""

    @read
    async def cluster_info(self, cluster: Cluster) -> Finding:
        """Show the cluster's version, its API's health, its nodes and what they have."""
        return await cluster_info(cluster)

    @read
    async def api_resources(
        self,
        cluster: Cluster,
        group: Group = "",
        scope: Literal["any", "namespaced", "cluster"] = "any",
    ) -> Finding:
        """List the kinds that the cluster serves, custom resources too."""
        return await api_resources(cluster, group, scope)

    @read
    async def explain(self, cluster: Cluster, kind: AnyKind, field: FieldPath = "") -> Finding:
        """Say what a field of a kind means and what is in it, by the cluster's own schema."""
        resource, behind = await _split(cluster, kind)
        return await explain(cluster, resource, ".".join(part for part in (behind, field) if part))

    @read
    async def can_i(
        self,
        cluster: Cluster,
        verb: Verb = "",
        kind: MaybeKind = "",
        name: MaybeName = "",
        sub: Sub = "",
        namespace: MaybeNamespace = "",
        all_namespaces: bool = False,
    ) -> Finding:
        """Say whether something may be done here, by whom it would be done; or list what may."""
        place = "" if all_namespaces else await place_of(cluster, namespace)
        if not verb and not kind:
            return await rights(cluster, place or await place_of(cluster, namespace))
        if not verb or not kind:
            raise Malformed("`verb` and `kind` go together: what is to be done, and with what?")
        return await can_i(cluster, verb, await cluster.resource(kind), sub, name, place)


async def _split(cluster: Cluster, kind: str) -> tuple[Resource, str]:
    """A kind and the field behind its last dot: only the cluster knows where a group ends.

    Raises `NotFound`, naming near kinds.
    """
    parts = kind.split(".")
    unknown: NotFound | None = None
    for length in range(len(parts), 0, -1):
        try:
            resource = await cluster.resource(str(canonical_kind(".".join(parts[:length]))))
        except NotFound as error:
            unknown = error
        else:
            return resource, ".".join(parts[length:])
    raise unknown or NotFound(f"There is no kind {kind}.")
