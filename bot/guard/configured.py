"""Since when which rules hold: a row of the audit where a start finds the configuration changed."""

from collections.abc import Mapping

import structlog
from pydantic import JsonValue

from bot.guard import audit
from bot.store.database import Database
from tools import sha256_of

log = structlog.get_logger()


async def note(database: Database, org: str, parts: Mapping[str, JsonValue]) -> list[str]:
    """Compare what this start goes by with the last one; the names of those `parts` that changed.

    The audit gets a hash of each part, not its content: whoever has a configuration can show that
    it is the one that held. The first start is no change. Raises `DatabaseAway`.
    """
    now: dict[str, JsonValue] = {name: sha256_of(part) for name, part in sorted(parts.items())}
    async with database.transaction() as tx:
        row = await tx.one("lock_configuration", org=org)
        await tx.run("set_configuration", org=org, parts=now)
        before = row["parts"] if row else now
        changed = [name for name in sorted({*before, *now}) if before.get(name) != now.get(name)]
        if changed:
            data: dict[str, JsonValue] = {"changed": list(changed), "sha256": now}
            audit.append(tx, org, "configured", "", data)
    if changed:
        log.warning("configuration_changed", changed=changed)
    return changed
