"""The clusters: whether each answers, and which rights its tools lack."""

import asyncio

from bot.doctor.findings import Finding, failed, ok, warning
from bot.identity_file import Identities
from bot.settings import Settings
from tools import Catalog, Client, ToolError, open_providers
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.rights import lacking, may_impersonate, version

_SECONDS = 15.0
_NAMED = 5  # of those as whom it may not act
_RBAC = "Apply deploy/rbac (README: Connect your cluster)"


async def clusters(settings: Settings) -> list[Finding]:
    """Every client of every provider that is configured."""
    configured = settings.providers()
    if not configured:
        return [
            warning(
                "cluster",
                "none is configured: there are no tools",
                "Set KUBECONFIG, or tools.kubernetes in COUNTERSIGN_CONFIG.",
            )
        ]
    try:
        async with open_providers(configured) as catalog:
            each = await asyncio.gather(
                *(
                    _client(catalog, name, client, settings.file.identities)
                    for name, client in catalog.clients.items()
                )
            )
    except ValueError as error:
        return [failed("cluster", line, "Correct tools.") for line in str(error).splitlines()]
    return [finding for found in each for finding in found]


async def _client(
    catalog: Catalog, name: str, client: Client, identities: Identities | None
) -> list[Finding]:
    check = f"cluster {name.partition('/')[2]}"
    try:
        async with asyncio.timeout(_SECONDS):
            await client.check()
            if identities is not None and isinstance(client, Cluster):
                return [await _acts_as(check, client, identities)]
            called, missing = await _looked_at(client)
    except ToolError as error:
        return [failed(check, str(error).rstrip("."), "Its tools say so until it is back.")]
    except TimeoutError:
        return [failed(check, f"no answer within {_SECONDS:.0f} s")]
    tools = [tool for tool in catalog.tools if tool in missing]
    if not tools:
        return [ok(check, f"{called} answers; its tools have the rights they need")]
    said = "; ".join(f"{tool}: {', '.join(missing[tool])}" for tool in tools)
    mend = f"{_RBAC}, unless the bot shall work without these or in some namespaces only."
    return [warning(check, f"{called} answers; lacking in all namespaces: {said}", mend)]


async def _acts_as(check: str, cluster: Cluster, identities: Identities) -> Finding:
    """With a map the bot's own rights are to act as people, and nothing else is asked of them."""
    called = await _called(cluster)
    if await may_impersonate(cluster, "groups", "system:masters"):
        said = f"{called} answers; the bot may act as anybody there, also as an administrator"
        return warning(check, said, "Give it the role that `countersign rbac` prints, no other.")
    wanted = [("users", name) for name in sorted({*identities.users.values()})]
    groups = {group for named in identities.groups.values() for group in named}
    wanted += [("groups", name) for name in sorted(groups)]
    may = await asyncio.gather(*(may_impersonate(cluster, *one) for one in wanted))
    refused = [name for (_, name), yes in zip(wanted, may, strict=True) if not yes]
    if not wanted:
        said = f"{called} answers; identities.users names nobody as whom the bot could act"
        mend = "Add those who use it: a role allows names, not mail domains."
        return failed(check, said, mend)
    if refused:
        names = ", ".join(refused[:_NAMED]) + (", …" if len(refused) > _NAMED else "")
        said = f"{called} answers; the bot may not act as {names}"
        return failed(check, said, "Apply what `countersign rbac` prints.")
    return ok(check, f"{called} answers; the bot may act as all whom identities.users names")


async def _looked_at(client: Client) -> tuple[str, dict[str, list[str]]]:
    """What it calls itself and how one signs in there, and what each tool lacks."""
    if not isinstance(client, Cluster):
        return "it", {}
    return await _called(client), await lacking(client)


async def _called(cluster: Cluster) -> str:
    """What the server calls itself, and the credential plugin that signs in to it, if there is."""
    program = (await cluster.connected()).program
    how = f" (signed in to with the program `{program}`)" if program else ""
    return await version(cluster) + how
