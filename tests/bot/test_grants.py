"""What one approver allows in advance, at the rows: what equals it is covered, nothing else."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bot.core.values import Thread
from bot.guard import grants
from bot.guard.policy import Effect, Ruling
from bot.guard.records import Run
from bot.store.database import Database
from tests.bot.proposed import proposed
from tests.bot.test_policy import wish

THREAD = Thread("T1", "C1", "1.0")
STEP = Ruling(
    Effect.ASK,
    "web may step",
    quorum=1,
    grant_times=99,
    grant_within=600,
    grant_vary={"replicas": (1, 6)},
)
WEB = {"namespace": "shop", "kind": "deployment", "name": "web", "replicas": 5}
FROM = {"name": "person", "replicas": "person"}
COVERED: Mapping[str, Mapping[str, Any]] = {
    "the same": {},
    "another number in its range": {"arguments": {**WEB, "replicas": 4}},
    "another origin of what may vary": {"provenance": {**FROM, "replicas": "inventory"}},
    "fewer warnings": {"warnings": ()},
}
ASKED: Mapping[str, Mapping[str, Any]] = {
    "a number beyond its range": {"arguments": {**WEB, "replicas": 7}},
    "another argument": {"arguments": {**WEB, "namespace": "shop2"}},
    "one argument more": {"arguments": {**WEB, "force": True}},
    "one argument less": {"arguments": {"name": "web", "kind": "deployment", "replicas": 5}},
    "another tool": {"tool": "k8s_patch"},
    "another object": {"target": "demo/shop/deployment/cart"},
    "another trusted origin": {"provenance": {**FROM, "name": "inventory"}},
    "an untrusted origin": {"provenance": {**FROM, "replicas": "untrusted"}},
    "one more warning": {"warnings": ("w", "x")},
    "another schema of the tool": {"schema_hash": "t"},
    "another identity": {"acting": "dave@corp"},
    "another requester": {"requester": "U0ADA0000"},
    "somebody else's words in it": {"contributors": ("U0DAVE000", "U0ADA0000")},
    "another thread": {"thread": replace(THREAD, ts="2.0")},
    "another channel": {"thread": replace(THREAD, channel="C2")},
    "another ruling": {"ruling": replace(STEP, expires=60)},
}
_OF_RUN = {"requester", "contributors", "thread"}
_BESIDE: Mapping[str, Any] = {"ruling": STEP, "schema_hash": "s", "acting": "bot"}


async def covers(database: Database, run: Run, other: Mapping[str, Any]) -> bool:
    """Whether the grant lets a wish run that differs from what was approved in these."""
    given: dict[str, Any] = {"arguments": WEB, "provenance": FROM, "warnings": ("w",), **other}
    run = replace(run, **{name: given.pop(name) for name in _OF_RUN & given.keys()})
    beside = {name: given.pop(name, usual) for name, usual in _BESIDE.items()}
    asked = wish(**given, requester=run.requester, contributors=run.contributors)
    async with database.transaction() as tx:
        used = await grants.use(tx, run, asked, arguments=asked.arguments, **beside)
    return used is not None


async def test_a_grant_covers_what_is_equal_but_for_what_may_vary(database: Database) -> None:
    asked = wish(arguments=WEB, provenance=FROM, warnings=("w",))
    async with database.transaction() as tx:
        preview = {"summary": "", "changes": [], "diff": "", "fingerprint": "", "warnings": ["w"]}
        run, call = await proposed(tx, THREAD, asked, STEP, preview=preview)
        await grants.give(tx, call, "U0BOB0000")
    every = {**COVERED, **ASKED}
    covered = [name for name, other in every.items() if await covers(database, run, other)]
    assert covered == list(COVERED)
