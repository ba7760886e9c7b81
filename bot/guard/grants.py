"""The same again here: an approver allows in advance what equals what he approves, counted, for a
while, in this thread.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from pydantic import JsonValue

from bot.core.ids import uuid7
from bot.core.values import Thread
from bot.guard import audit
from bot.guard.house import House
from bot.guard.policy import Effect, PolicyInput, Ruling
from bot.guard.records import Call, Run
from bot.store.database import Row, Transaction
from bot.store.outbox import say

log = structlog.get_logger()

_PAGE = 200  # looked after at once
_TRUSTED = frozenset({"person", "configuration", "inventory"})


@dataclass(frozen=True)
class Use:
    """One use of a grant: whose, and the how manieth."""

    grant: UUID
    of_call: UUID
    approver: str
    number: int


def can_be_given(call: Call) -> bool:
    """Whether one approval of it may be one of the same again."""
    ruling = call.ruling
    return _applies(ruling, call.risk) and call.undoes is None and _varies(ruling, call.arguments)


async def give(tx: Transaction, call: Call, person: str) -> None:
    """In the transaction of the one vote that approves it, which must hold the run's row."""
    if not can_be_given(call):
        return
    ruling = call.ruling
    vary: dict[str, JsonValue] = {name: list(bounds) for name, bounds in ruling.grant_vary.items()}
    grant_id = uuid7()
    row = await tx.one(
        "insert_grant",
        id=grant_id,
        call_id=call.id,
        vary=vary,
        varying=list(vary),
        person=person,
        times=ruling.grant_times,
        within=ruling.grant_within,
    )
    if row is None:
        return
    data: dict[str, JsonValue] = {
        "grant": str(grant_id),
        "rule": ruling.rule,
        "times": ruling.grant_times,
        "vary": vary,
        "until": row["until"].isoformat(),
    }
    audit.append(tx, call.thread.org, "granted", person, data, run_id=call.run_id, call_id=call.id)


async def use(
    tx: Transaction,
    run: Run,
    asked: PolicyInput,
    ruling: Ruling,
    *,
    arguments: Mapping[str, JsonValue],
    schema_hash: str,
    acting: str,
) -> Use | None:
    """Take one use of a grant that covers exactly this, if there is one."""
    if not _applies(ruling, asked.risk) or asked.undoes or not _varies(ruling, arguments):
        return None
    if not {*asked.provenance.values()} <= _TRUSTED:
        return None  # what nobody of ours said is looked at by people
    row = await tx.one(
        "use_grant",
        **_place(run.thread),
        tool=asked.tool,
        target=asked.target,
        requester=run.requester,
        contributors=list(run.contributors),
        acting=acting,
        schema_hash=schema_hash,
        policy=ruling.stored(),
        arguments=dict(arguments),
        provenance=dict(asked.provenance),
        seen={"warnings": list(asked.warnings)},
        varying=list(ruling.grant_vary),
    )
    return Use(row["id"], row["call_id"], row["approver"], row["used"]) if row else None


async def stands(tx: Transaction, grant: UUID) -> bool:
    """Whether it is still in its time, nobody revoked it and nothing made it void."""
    row = await tx.one("grant_stands", id=grant)
    return row is not None and bool(row["yes"])


async def void(tx: Transaction, call: Call, why: str) -> None:
    """What was given on this call's card, or let it run, covers nothing any more."""
    rows = await tx.all("void_grants_of_call", call_id=call.id, why=why)
    await _ended(tx, call.thread, call.run_id, rows, why)


async def void_here(tx: Transaction, call: Call, why: str) -> None:
    """Nothing in this thread covers any more what is about the same object."""
    where = {**_place(call.thread), "target": call.target}
    rows = await tx.all("void_grants_of_target", why=why, **where)
    await _ended(tx, call.thread, call.run_id, rows, why)


async def void_thread(tx: Transaction, thread: Thread, run_id: UUID | None, why: str) -> int:
    """Nothing in this thread covers anything any more; how many did."""
    rows = await tx.all("void_grants_of_thread", why=why, **_place(thread))
    await _ended(tx, thread, run_id, rows, why)
    return len(rows)


async def end_over(house: House) -> int:
    """End those whose time is over, and those under another policy than the one of now; how many.
    Nothing runs under them anyway: this is for who sees their cards.
    """
    async with house.database.statement() as tx:
        rows = await tx.all("grants_open", limit=_PAGE)
    ended = 0
    for row in rows:
        why = "its time was over" if row["lapsed"] else _outdated(house, row)
        if not why:
            continue
        async with house.database.transaction() as tx:
            await tx.one("lock_run", id=row["run_id"])
            over = await tx.all("void_grant", id=row["id"], why=why)
            thread = Thread(row["org"], row["channel"], row["thread_ts"])
            await _ended(tx, thread, row["run_id"], over, why)
        ended += len(over)
    return ended


def _outdated(house: House, row: Row) -> str:
    """That the policy says otherwise now than when it was given; or nothing."""
    try:
        now = house.rules.book.decide(PolicyInput.of(row["policy_input"]))
    except (LookupError, ValueError, TypeError):
        log.exception("grant_unreadable", grant=str(row["id"]))
        return "this version cannot read what it was given for"
    same = json.loads(json.dumps(now.stored())) == row["policy"]
    return "" if same else "the policy changed"


async def revoke(tx: Transaction, call: Call, person: str) -> bool:
    """Somebody takes it back; False when it had ended already."""
    # as everywhere, before the grant's row: whoever verifies or decides there holds it
    await tx.one("lock_run", id=call.run_id)
    row = await tx.one("grant_of_call", call_id=call.id)
    if row is None:
        return False
    ended = await tx.one("revoke_grant", id=row["id"], person=person, why="revoked")
    if ended is None:
        return False
    await redraw_of(tx, call.thread, row["call_id"], call.run_id)
    data: dict[str, JsonValue] = {"grant": str(row["id"]), "used": row["used"]}
    audit.append(
        tx, call.thread.org, "revoked", person, data, run_id=call.run_id, call_id=row["call_id"]
    )
    return True


async def redraw_of(tx: Transaction, thread: Thread, call_id: UUID, run_id: UUID | None) -> None:
    """The card on which it was given says how much of it is left, and all that ran under it
    whether it can be revoked.
    """
    await say(tx, thread, "redraw", {"call": str(call_id)}, run_id=run_id, call_id=call_id)
    for use in await tx.all("uses_of_grant", call_id=call_id):
        given = {"run_id": use["run_id"], "call_id": use["id"]}
        await say(tx, thread, "redraw", {"call": str(use["id"])}, **given)


async def _ended(
    tx: Transaction, thread: Thread, run_id: UUID | None, ended: Sequence[Row], why: str
) -> None:
    for row in ended:
        await redraw_of(tx, thread, row["call_id"], run_id)
        data: dict[str, JsonValue] = {"grant": str(row["id"]), "why": why}
        audit.append(tx, thread.org, "revoked", "", data, run_id=run_id, call_id=row["call_id"])


def _place(thread: Thread) -> dict[str, str]:
    return {"org": thread.org, "channel": thread.channel, "thread_ts": thread.ts}


def _applies(ruling: Ruling, risk: str) -> bool:
    asks_one = ruling.effect is Effect.ASK and ruling.quorum == 1
    return asks_one and ruling.grant_times > 0 and risk == "write"


def _varies(ruling: Ruling, arguments: Mapping[str, JsonValue]) -> bool:
    """Whether each argument that may vary lies within its range."""
    return all(
        type(value := arguments.get(name)) is int and least <= value <= most
        for name, (least, most) in ruling.grant_vary.items()
        if name in arguments
    )
