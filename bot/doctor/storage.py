"""Where everything is kept: the database, its role and migrations, and Redis."""

import asyncio

from bot.core.errors import BadSettings, DatabaseAway
from bot.doctor.findings import Finding, failed, ok, warning
from bot.settings import Settings
from bot.store.connections import Room
from bot.store.inspection import DatabaseFacts, look_at_database, look_at_redis
from bot.store.migrate import outstanding, place

_OLDEST = 150_000
_ROLE = "deploy/database/role.sql"


class Storage:
    """The checks of one database and one Redis."""

    def __init__(self, settings: Settings, lacking: frozenset[str]) -> None:
        self._settings = settings
        self._is_lacking = "DATABASE_URL" in lacking
        self.facts: DatabaseFacts | None = None
        self._looked = asyncio.Event()

    async def database(self) -> list[Finding]:
        """Whether it answers, how old it is, what the role may, what it lacks."""
        try:
            return await self._database()
        finally:
            self._looked.set()

    async def _database(self) -> list[Finding]:
        if self._is_lacking:
            return [failed("database", "not looked at: DATABASE_URL is not usable, see above")]
        dsn = self._settings.database_url.get_secret_value()
        began = asyncio.get_running_loop().time()
        try:
            facts = self.facts = await look_at_database(dsn)
            missing = await outstanding(dsn)
        except (DatabaseAway, BadSettings) as error:
            return [failed("database", str(error).rstrip("."), "Check DATABASE_URL.")]
        milliseconds = (asyncio.get_running_loop().time() - began) * 1000
        version = f"PostgreSQL {facts.version // 10_000}.{facts.version % 10_000}"
        if facts.version < _OLDEST:
            found = [failed("database", f"{version} is too old", "15 or newer is needed.")]
        else:
            found = [ok("database", f"{version}{place(dsn)} answered in {milliseconds:.0f} ms")]
        found.append(_room(facts.room, self._settings.database_connections))
        return [*found, *_role(facts), *await self._migrations(facts, missing)]

    async def _migrations(self, facts: DatabaseFacts, missing: list[str]) -> list[Finding]:
        found = []
        owner = self._settings.database_migrate_url
        may_create = facts.creates
        if owner is not None:
            try:
                seen = await look_at_database(owner.get_secret_value())
                may_create = seen.creates
            except (DatabaseAway, BadSettings) as error:
                why = str(error).rstrip(".")
                found.append(failed("migrations", why, "Check DATABASE_MIGRATE_URL."))
        if not missing:
            return [*found, ok("migrations", "none is outstanding")]
        said = f"outstanding: {', '.join(missing)}"
        if not may_create:
            mend = "Set DATABASE_MIGRATE_URL to the role that owns the tables."
            return [*found, failed("migrations", f"{said}; the role may not apply them", mend)]
        mend = "`countersign run` applies them, or `countersign migrate` before it."
        return [*found, warning("migrations", said, mend)]

    async def redis(self) -> list[Finding]:
        """Whether it answers, where one is set."""
        url = self._settings.redis_url
        if url is None:
            await self._looked.wait()
            return [_without_redis(self.facts.room.processes if self.facts else 0)]
        try:
            version = await look_at_redis(url.get_secret_value())
        except OSError as error:
            return [
                failed(
                    "redis",
                    str(error),
                    "Check REDIS_URL; meanwhile several processes hear each other's stops late.",
                )
            ]
        return [ok("redis", f"version {version} answers and lets us publish")]


def _without_redis(processes: int) -> Finding:
    if processes < 2:
        return ok("redis", "not set: one process needs none")
    said = (
        f"not set, and {processes} processes run: a stop reaches a run that another one carries "
        "only at its next step, and each keeps to Slack's limits by itself"
    )
    return warning("redis", said, "Set REDIS_URL; nothing is lost without it.")


def _room(room: Room, each: int) -> Finding:
    """A process that finds no connection waits for one, and tells people that nothing was recorded.
    A restart that leaves no gap needs one process more than there are.
    """
    holds = room.holds(each)
    said = (
        f"{room.allowed} are allowed and others have {room.others}: room for "
        f"{holds} {'process' if holds == 1 else 'processes'} of at most {each}"
    )
    mend = "Raise max_connections, or lower COUNTERSIGN_DATABASE_CONNECTIONS."
    if not holds:
        return failed("connections", said, mend)
    if holds < max(2, room.processes + 1):
        running = f", {room.processes} running" if room.processes else ""
        return warning("connections", f"{said}{running}, none for one more while it restarts", mend)
    return ok("connections", said)


def _role(facts: DatabaseFacts) -> list[Finding]:
    if facts.rewrites_audit is None:
        return []
    if not facts.rewrites_audit:
        return [ok("audit", f"the role {facts.role} can add audit rows and change none")]
    return [
        warning(
            "audit",
            f"the role {facts.role} may {', '.join(facts.rewrites_audit)} audit rows",
            f"Give the bot a role of its own ({_ROLE}: GRANT SELECT, INSERT ON audit TO "
            "countersign_bot; REVOKE UPDATE, DELETE, TRUNCATE ON audit FROM countersign_bot;) and "
            "name the owner in DATABASE_MIGRATE_URL.",
        )
    ]
