"""Votes, denials, edits, stops, expiry, changes of the world and restarts in any order and at once:
a change runs at most once, and only with a valid quorum on exactly what ran.

What happened is told by the rows and by the cluster; nothing here asks the guard.
"""

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from bot.sandbox.slack.model import Impossible
from bot.store.database import Row
from tests.conversations.test_policy import ruled
from tests.standins.locks import LockOrder
from tests.world import World, buttons

ONCALL = "S0000000004"
TWO = f"""
policy:
  rules:
    - name: web needs two
      match: {{namespace: shop, kind: deployment}}
      ask: {{approvers: 2, break_glass: {{groups: {ONCALL}}}}}
"""
# The same, under another name: what was approved under the old one is asked again.
RENAMED = TWO.replace("web needs two", "web still needs two")
MAY_APPROVE = ("alice", "bob")

Op = tuple[int, str, str]  # how many ticks after the card, what, who
TICK = 0.012

_people = st.sampled_from(["alice", "bob", "dave", "ada"])
_deciders = st.sampled_from([*MAY_APPROVE, *MAY_APPROVE, "dave", "ada"])
_ticks = st.integers(0, 12)
QUICK = st.one_of(
    st.tuples(_ticks, st.just("approve"), _deciders),
    st.tuples(_ticks, st.just("approve"), st.sampled_from(MAY_APPROVE)),
    st.tuples(_ticks, st.just("deny"), _people),
    st.tuples(_ticks, st.just("edit"), _people),
    st.tuples(_ticks, st.just("glass"), st.sampled_from(["ada", "bob"])),
    st.tuples(_ticks, st.just("stop"), st.just("dave")),
    st.tuples(_ticks, st.just("lapse"), st.just("")),
    st.tuples(_ticks, st.just("world"), st.just("")),
)
SLOW = QUICK | st.tuples(_ticks, st.sampled_from(["restart", "rename"]), st.just(""))

# Without a quorum nothing of it is worth much: each plan has one, other things come in between.
_quorum: st.SearchStrategy[list[Op]] = st.tuples(_ticks, _ticks).map(
    lambda at: [(at[0], "approve", "alice"), (at[1], "approve", "bob")]
)
# One alone is not enough; whoever edits it has a part in it.
_one: st.SearchStrategy[list[Op]] = _ticks.map(lambda at: [(at, "approve", "bob")])
_edited: st.SearchStrategy[list[Op]] = _ticks.map(
    lambda at: [(0, "edit", "bob"), (at + 6, "approve", "bob"), (at + 8, "approve", "alice")]
)


def plans(ops: st.SearchStrategy[Op]) -> st.SearchStrategy[list[Op]]:
    """What happens to one card."""
    first: st.SearchStrategy[list[Op]] = st.one_of(_quorum, _one, _edited, st.just([]))
    return st.tuples(first, st.lists(ops, min_size=0, max_size=5)).map(
        lambda both: [*both[0], *both[1]]
    )


class Players:
    """Carries plans out in one world, a thread for each."""

    def __init__(self, chat: World, folder: Path) -> None:
        self._chat = chat
        self._folder = folder
        self._sizes = itertools.cycle((5, 4, 6, 2, 3))
        self._renamed = False
        self._restarting = asyncio.Lock()
        self.ran = self.not_run = 0  # threads in which something did, or nothing
        self.alone = 0  # changes that somebody ran alone

    async def play(self, plan: list[Op]) -> None:
        """One thread with one proposal, and all of the plan upon it at once."""
        chat = self._chat
        size = next(n for n in self._sizes if n != chat.replicas())
        before = len(chat.cluster.mutations)
        thread = await chat.ask(f"scale deployment/web --replicas {size} -n shop")
        card = await chat.card(thread)
        does: dict[str, Callable[[str, str, str], Awaitable[None]]] = {
            "approve": self._approve,
            "deny": self._deny,
            "edit": self._edit,
            "glass": self._glass,
            "stop": self._stop,
            "lapse": self._lapse,
            "world": self._world,
            "restart": self._restart,
            "rename": self._rename,
        }

        async def one(op: Op) -> None:
            ticks, what, who = op
            await asyncio.sleep(ticks * TICK)
            # what is no longer there cannot be pressed
            with contextlib.suppress(Impossible, TimeoutError):
                await does[what](thread, card["ts"], who)

        await asyncio.gather(*(one(op) for op in plan))
        await self._end(thread)
        await self._check(thread, before)

    # --- what happens ------------------------------------------------------------------------

    async def _approve(self, thread: str, ts: str, who: str) -> None:
        newest = self._chat.cards(thread)[-1]
        at = newest["ts"] if "Approve" in buttons(newest) else ts
        await self._chat.slack.click(who, "ops", at, text="Approve")

    async def _deny(self, _thread: str, ts: str, who: str) -> None:
        chat = self._chat
        await chat.slack.click(who, "ops", ts, text="Deny")
        view = await chat.slack.wait_for_view(who, 0.5)
        await chat.slack.submit(who, view.id, {})

    async def _edit(self, _thread: str, ts: str, who: str) -> None:
        await self._more(ts, who, "Edit…", {"argument:replicas": "7"})

    async def _glass(self, _thread: str, ts: str, who: str) -> None:
        """Only ada is on call."""
        reason = {"reason": "nobody answers, and it is down"}
        await self._more(ts, who, "Break the glass…", reason)

    async def _more(self, ts: str, who: str, then: str, filled_in: dict[str, str]) -> None:
        slack = self._chat.slack
        await slack.click(who, "ops", ts, text="More…")
        more = await slack.wait_for_view(who, 0.5)
        await slack.click_view(who, more.id, text=then)
        await slack.wait_for(lambda: len(slack.views(who)) > 1, 0.5)
        await slack.submit(who, slack.views(who)[-1].id, filled_in)

    async def _stop(self, thread: str, _ts: str, who: str) -> None:
        await self._chat.slack.post(who, "ops", "stop", thread_ts=thread)

    async def _lapse(self, thread: str, _ts: str, _who: str) -> None:
        await self._chat.rows(
            "UPDATE tool_calls SET expires_at = now(), start_by = least(start_by, now())"
            " WHERE thread_ts = %s AND state IN ('proposed', 'approved') RETURNING id",
            thread,
        )

    async def _world(self, _thread: str, _ts: str, _who: str) -> None:
        chat = self._chat
        web = chat.cluster.get("Deployment", "shop", "web")
        assert web is not None
        replicas = 8 if web["spec"]["replicas"] != 8 else 9
        chat.cluster.apply({**web, "spec": {**web["spec"], "replicas": replicas}})

    async def _restart(self, _thread: str, _ts: str, _who: str) -> None:
        async with self._restarting:
            await self._chat.kill()
            await self._chat.spawn()

    async def _rename(self, thread: str, ts: str, who: str) -> None:
        self._renamed = not self._renamed
        (self._folder / "countersign.yaml").write_text(RENAMED if self._renamed else TWO)
        await self._restart(thread, ts, who)

    # --- how it ends -------------------------------------------------------------------------

    async def _end(self, thread: str) -> None:
        """Whatever still waits for people is denied, as often as it is asked again."""
        chat = self._chat
        for who in ("alice", "bob", "dave", "ada"):
            if chat.slack.views(who):
                await chat.slack.close_view(who, everything=True)
        deadline = asyncio.get_running_loop().time() + 60
        while True:
            assert asyncio.get_running_loop().time() < deadline, chat.log() + chat.thread(thread)
            open_calls = await chat.rows(
                "SELECT id FROM tool_calls WHERE thread_ts = %s AND state = 'proposed'", thread
            )
            if not open_calls:
                await chat.quiet(thread, timeout=60)
                if not await chat.rows(
                    "SELECT id FROM tool_calls WHERE thread_ts = %s AND state = 'proposed'", thread
                ):
                    return
            for card in chat.cards(thread):
                if "Deny" in buttons(card):
                    with contextlib.suppress(Impossible, TimeoutError):
                        await self._deny(thread, card["ts"], "alice")
            await asyncio.sleep(0.05)

    async def _check(self, thread: str, before: int) -> None:
        chat = self._chat
        calls = await chat.rows("SELECT * FROM tool_calls WHERE thread_ts = %s", thread)
        ran = [call for call in calls if call["started_at"] is not None]
        sent = len(chat.cluster.mutations) - before
        # one found stale by its own write sent nothing that was taken
        assert sent <= len(ran)
        assert sent == sum(call["state"] in {"done", "unknown"} for call in ran), calls
        audit = await chat.rows(
            "SELECT call_id, kind FROM audit WHERE call_id = ANY(%s)", [c["id"] for c in calls]
        )
        for call in calls:
            begun = [a for a in audit if a["call_id"] == call["id"] and a["kind"] == "executing"]
            assert len(begun) == (call["started_at"] is not None)
            assert call["state"] in {"done", "failed", "unknown", "denied", "expired", "superseded"}
        for call in ran:
            await self._has_its_quorum(call)
        self.ran += bool(ran)
        self.not_run += not ran

    async def _has_its_quorum(self, call: Row) -> None:
        votes = await self._chat.rows("SELECT * FROM decisions WHERE call_id = %s", call["id"])
        may = {self._chat.slack.user_id(name) for name in MAY_APPROVE} - {*call["contributors"]}
        counting = {
            vote["person"]
            for vote in votes
            if vote["vote"] == "approve" and vote["digest"] == call["digest"]
        }
        alone = {
            vote["person"]
            for vote in votes
            if vote["vote"] == "break glass" and vote["digest"] == call["digest"]
        }
        self.alone += bool(alone)
        on_call = {self._chat.slack.user_id("ada")}
        assert len(counting & may) >= 2 or alone == on_call, (call, votes)
        assert all(vote["at"] <= call["started_at"] for vote in votes)
        assert not any(vote["vote"] == "deny" for vote in votes)
        assert call["state"] != "denied"


async def _play_all(players: Players, examples: int, strategy: st.SearchStrategy[list[Op]]) -> None:
    """Hypothesis chooses; each plan is played on this loop."""
    loop = asyncio.get_running_loop()

    @settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(
            Phase.explicit,
            Phase.generate,
        ),  # what depends on who was faster does not get simpler
        database=None,
    )
    @given(strategy)
    @example([(0, "approve", "alice"), (1, "approve", "bob")])
    @example([(0, "glass", "bob")])
    @example([(0, "glass", "ada")])
    def any_plan(plan: list[Op]) -> None:
        asyncio.run_coroutine_threadsafe(players.play(plan), loop).result()

    await asyncio.to_thread(any_plan)


async def test_at_most_once_and_only_with_its_quorum(dsn: str, tmp_path: Path) -> None:
    door = LockOrder(dsn)
    async with door.serve(), ruled(door.dsn, tmp_path, TWO, running="not yet") as chat:
        assert chat.slack.set_group("oncall", ["ada"]) == ONCALL
        await chat.start()
        players = Players(chat, tmp_path)
        await _play_all(players, 5, plans(QUICK))
        assert players.ran > players.alone > 0, "both ways were gone"
    print(sorted(door.heard))
    assert door.wrong == []
    assert "append_audit" in door.heard


@pytest.mark.crash
@pytest.mark.timeout(1200)
async def test_also_when_it_is_killed_and_the_policy_changes(dsn: str, tmp_path: Path) -> None:
    async with ruled(dsn, tmp_path, TWO, running="process") as chat:
        assert chat.slack.set_group("oncall", ["ada"]) == ONCALL
        await chat.spawn()
        players = Players(chat, tmp_path)
        await _play_all(players, 60, plans(SLOW))
        assert min(players.ran, players.not_run) > 5


@pytest.mark.crash
@pytest.mark.timeout(1200)
async def test_in_many_more_orders(dsn: str, tmp_path: Path) -> None:
    async with ruled(dsn, tmp_path, TWO, running="not yet") as chat:
        assert chat.slack.set_group("oncall", ["ada"]) == ONCALL
        await chat.start()
        players = Players(chat, tmp_path)
        await _play_all(players, 150, plans(QUICK))
        assert min(players.ran, players.not_run) > 15
