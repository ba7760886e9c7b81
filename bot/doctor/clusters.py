"""The clusters: whether each answers, and which rights its tools lack."""

import asyncio

from bot.doctor.findings import Finding, failed, ok, warning
from bot.settings import Settings
from tools import Catalog, Client, ToolError, open_providers
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.rights import lacking, version

_SECONDS = 15.0
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
                *(_client(catalog, name, client) for name, client in catalog.clients.items())
            )
    except ValueError as error:
        return [failed("cluster", line, "Correct tools.") for line in str(error).splitlines()]
    return [finding for found in each for finding in found]


async def _client(catalog: Catalog, name: str, client: Client) -> list[Finding]:
    check = f"cluster {name.partition('/')[2]}"
    try:
        async with asyncio.timeout(_SECONDS):
            await client.check()
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


async def _looked_at(client: Client) -> tuple[str, dict[str, list[str]]]:
    """What it calls itself, and what each tool lacks there."""
    if not isinstance(client, Cluster):
        return "it", {}
    return await version(client), await lacking(client)
