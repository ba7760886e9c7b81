"""The roles that the tools need on a cluster, as manifests: what they call, and no more."""

from collections.abc import Sequence

from pydantic import JsonValue

from tools.kubernetes import roles

Manifest = dict[str, JsonValue]


def of_tools(
    role: str, account: tuple[str, str], namespaces: Sequence[str], tools: Sequence[str]
) -> tuple[list[Manifest], list[str]]:
    """The manifests of `reader` (with the account) or `operator`, and the resources that no role
    of a namespace can give. Raises `ValueError` for a tool that there is not.
    """
    allowed = roles.rights(role, tools)
    made = list(roles.account(*account)) if role == "reader" else []
    made += roles.bound(f"countersign-{role}", allowed, account, namespaces)
    left_out = {one.resource for one in roles.cluster_wide(allowed)} if namespaces else set()
    return made, sorted(left_out)
