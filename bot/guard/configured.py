"""Since when which rules hold: a row of the audit where a start finds the configuration changed."""

from collections.abc import Mapping

import structlog
from pydantic import JsonValue

from bot.guard import audit
from bot.store.database import Database
from tools import sha256_of

log = structlog.get_logger()


async def note(
    database: Database, org: str, parts: Mapping[str, JsonValue], version: str
) -> list[str]:
    """Compare what this start goes by with the last one; the names of those `parts` that changed.
    At the first start those are all.

    The audit gets a hash of each part, not its content; and another `version` is noted though no
    part changed, since what nobody set is as the version has it. Raises `DatabaseAway`.
    """
    now: dict[str, JsonValue] = {name: sha256_of(part) for name, part in sorted(parts.items())}
    async with database.transaction() as tx:
        await tx.one("lock_configuration", org=org)
        last = await tx.one("last_configuration", org=org)
        before = last["parts"] if last else {}
        changed = [name for name in sorted({*before, *now}) if before.get(name) != now.get(name)]
        if changed or last is None or last["version"] != version:
            data: dict[str, JsonValue] = {
                "changed": list(changed),
                "sha256": now,
                "version": version,
            }
            audit.append(tx, org, "configured", "", data)
    if changed and last is not None:
        log.warning("configuration_changed", changed=changed)
    return changed
