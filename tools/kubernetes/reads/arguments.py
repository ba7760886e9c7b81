"""The arguments that several reads take, and what all reads of a cluster have in common."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, JsonValue, StringConstraints

from tools._kit import EVERYWHERE, MAYBE_NAME, MAYBE_NAMESPACE, Toolbox
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.kinds import RESOURCES, canonical_kind

# "Not given" is the empty text: one type, so that every model's schema dialect can say it.
MaybeNamespace = Annotated[
    str,
    StringConstraints(pattern=MAYBE_NAMESPACE, strip_whitespace=True),
    Field(description="Default: the one of the kubeconfig's context."),
]
MaybeName = Annotated[
    str,
    StringConstraints(pattern=MAYBE_NAME, strip_whitespace=True),
    Field(description="Only the one of this name."),
]
Selector = Annotated[
    str,
    StringConstraints(
        pattern=r"^([A-Za-z0-9!][-A-Za-z0-9_./=!,() ]{0,400})?$", strip_whitespace=True
    ),
    Field(description='Labels as in kubectl: "app=web,tier!=cache", "env in (a,b)".'),
]


class ClusterReads(Toolbox):
    """What can be looked at in a cluster."""

    @classmethod
    def namespace_of(cls, read: str, arguments: Mapping[str, JsonValue]) -> str:
        """None of what lies in none; any of all, and of kinds of which that is not known."""
        kind = arguments.get("kind")
        resource = RESOURCES.get(str(canonical_kind(kind)))
        if resource is not None and not resource.namespaced:
            return ""
        if arguments.get("all_namespaces") or (kind and resource is None):
            return EVERYWHERE
        return super().namespace_of(read, arguments)


async def place_of(cluster: Cluster, namespace: str) -> str:
    """The namespace that is meant: where none is named, that of the kubeconfig's context."""
    return namespace or (await cluster.connected()).namespace
