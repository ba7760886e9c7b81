"""What becomes of what Slack does not take: it ends, and somebody hears of it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from uuid import UUID

import structlog
from pydantic import JsonValue

from bot.core.values import Thread
from bot.slack.sayings import Saying
from bot.store.database import Database, Row, Transaction
from bot.store.outbox import Kind, say

log = structlog.get_logger()

CANNOT_BE_READ = (LookupError, ValueError, TypeError, ArithmeticError, AttributeError)
"""What comes of a row that another version wrote."""

# We may not write there, or it is no more; `restricted_action…` too.
_UNREACHABLE = frozenset(
    {"channel_not_found", "is_archived", "not_in_channel", "thread_not_found", "ekm_access_denied"}
)
# The words may be all right: it is how they are laid out, or how many they are.
_FORM = ("msg_too_long", "msg_blocks", "invalid_blocks", "markdown_text", "too_many_", "metadata_")
# Of a call: it moves on by itself, or people move it.
_PASSING = frozenset({"proposed", "approved", "executing", "standby"})

Undeliverable = Callable[[UUID, str], Awaitable[None]]


class Unsaid:
    """Ends rows of the outbox. `undeliverable(call, code)` is told of a card that Slack will never
    show.
    """

    def __init__(self, database: Database, undeliverable: Undeliverable) -> None:
        self._database = database
        self._undeliverable = undeliverable

    async def end(self, saying: Saying, code: str) -> None:
        """It is never said; what has to be said instead is stored with that."""
        run_id = str(saying.run_id) if saying.run_id else None
        log.error("unsayable", saying=saying.id, kind=saying.kind, code=code, run=run_id)
        calls = _calls(saying) if saying.kind == "card" else []
        if not await self._parted(saying, calls):
            # first: its end must not be lost between the two
            for call_id in calls:
                try:
                    await self._undeliverable(call_id, code)
                except CANNOT_BE_READ:
                    # its time ends it; the others go on
                    log.exception("call_not_ended", call=str(call_id))
        async with self._database.relaxed() as tx:
            await tx.run("unsayable", id=saying.id, tries=saying.tries, error=code)
            run = await tx.one("run", id=saying.run_id) if saying.run_id else None
            if saying.ends_run or saying.kind in {"answer", "failure"}:
                await self._instead(tx, saying, code, run)
            elif saying.kind == "redraw" and code.startswith(_FORM):
                await _tell_state(tx, saying, code)
            if run is not None and saying.ends_run and run["progress_ts"]:
                await _fold(tx, saying, str(run["progress_ts"]))

    async def _instead(self, tx: Transaction, saying: Saying, code: str, run: Row | None) -> None:
        """What says that there was an end, to whoever waits for it."""
        if code in _UNREACHABLE or code.startswith("restricted_action"):
            if run is not None:
                # nothing of what was found: it belongs to its channel
                person = Thread(saying.thread.org, str(run["requester"]), "")
                about = {"code": "unreachable", "channel": saying.thread.channel, "why": code}
                await say(tx, person, "notice", about, key=f"unreachable:{run['id']}")
            return
        if saying.kind == "failure":
            return
        kind: Kind = "failure"
        sentence = f"I have an answer, but it could not be shown here: `{code}`. Ask again"
        data: Mapping[str, JsonValue] = {"sentence": sentence}
        is_answer = saying.kind == "answer" and "refused" not in saying.data
        if is_answer and code.startswith(_FORM):
            kind, data = "answer", {**saying.data, "refused": code}
        key = f"unsayable:{saying.id}"
        await say(tx, saying.thread, kind, data, key=key, run_id=saying.run_id)

    async def _parted(self, saying: Saying, calls: Sequence[UUID]) -> bool:
        """A card of several that Slack refuses is said again as one for each: the fault may be in
        only one of them.
        """
        if len(calls) < 2:
            return False
        async with self._database.transaction() as tx:
            for call_id in calls:
                data = {"call": str(call_id)}
                key = f"card:{call_id}:alone"
                await say(tx, saying.thread, "card", data, key=key, run_id=saying.run_id)
        return True


async def _tell_state(tx: Transaction, saying: Saying, code: str) -> None:
    """Its card shows an older state for good; what became of the call is told in words, once."""
    call = await tx.one("call", id=saying.data["call"])
    if call is None or call["state"] in _PASSING:
        return  # another redraw is to come
    data = {"code": "not_redrawn", "call": str(call["id"]), "why": code}
    found = (call["verdict"] or {}).get("outcome", "")
    key = f"not_redrawn:{call['id']}:{call['state']}:{found}"
    await say(tx, saying.thread, "notice", data, key=key, run_id=saying.run_id, call_id=call["id"])


def _calls(saying: Saying) -> list[UUID]:
    """Those that a card is about; none where nobody can read that: their time ends them."""
    try:
        return saying.calls
    except CANNOT_BE_READ:
        log.exception("calls_unreadable", saying=saying.id)
        return []


async def _fold(tx: Transaction, saying: Saying, ts: str) -> None:
    # a place of its own in the order: a fold that waits holds up nobody in the thread
    place = Thread(saying.thread.org, saying.thread.channel, ts)
    key = f"fold:{saying.run_id}"
    await say(tx, place, "fold", {"run": str(saying.run_id)}, key=key, run_id=saying.run_id)
