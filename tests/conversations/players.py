"""Plans of what people, the world and bad luck do to one thread; who carries them out, and what
must be true of it afterwards by the rows and the cluster alone. Nothing here asks the guard.
"""

import asyncio
import contextlib
import copy
import itertools
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from hypothesis import strategies as st

from bot.sandbox.cluster import Behaviour
from bot.sandbox.slack.model import Impossible
from bot.store.database import Row
from tests.world import World, buttons

ONCALL = "S0000000001"
POLICY = f"""
policy:
  rules:
    - name: cart may step
      match: {{tool: k8s_scale, namespace: shop, labels: {{app: cart}}}}
      ask: {{grant: {{times: 2, within: 20m, vary: {{replicas: {{min: 1, max: 6}}}}}}}}
    - name: images roll back
      match: {{tool: k8s_set_image, namespace: shop}}
      ask: {{approvers: 2, rollback: {{within: 10m}}, break_glass: {{groups: {ONCALL}}}}}
    - name: web needs two
      match: {{namespace: shop, kind: deployment}}
      ask: {{approvers: 2, break_glass: {{groups: {ONCALL}}}}}
"""
# The same, under other names: what was approved under the old ones is asked again.
RENAMED = POLICY.replace("name: ", "name: still ")
# Nothing that was approved may run any more.
FORBIDDING = """
policy:
  rules:
    - name: hands off
      match: {namespace: shop}
      deny: nobody touches the shop
"""
MISSING = Behaviour("shop/cart:9.*", pullable=False)
MAY_APPROVE = ("alice", "bob")
NEEDS = {"cart": {"k8s_scale": 1, "k8s_set_image": 2}, "web": {"k8s_scale": 2}}  # approvals
TIMES, LEAST, MOST = 2, 1, 6  # of a grant

# Each end has its row of the audit. What was too old to start is asked anew.
TOLD_BY = {
    "expired": {"expired", "superseded"},
    "superseded": {"superseded", "revised", "withdrawn"},
    "denied": {"deny"},
    "unknown": {"unknown"},
    "done": {"done", "verified"},  # by what was seen of it, where nobody knew
    "failed": {"failed", "verified"},
}

Scene = Literal["web", "granted", "rolls back", "holds"]
Op = tuple[int, str, str]  # how many ticks after the card, what, who
Plan = tuple[Scene, list[Op]]
TICK = 0.012

_people = st.sampled_from(["alice", "bob", "dave", "ada"])
_deciders = st.sampled_from([*MAY_APPROVE, *MAY_APPROVE, "dave", "ada"])
_soon, _later = st.integers(0, 12), st.integers(0, 90)


def _ops(ticks: st.SearchStrategy[int], *more: str) -> st.SearchStrategy[Op]:
    return st.one_of(
        st.tuples(ticks, st.just("approve"), _deciders),
        st.tuples(ticks, st.just("approve"), st.sampled_from(MAY_APPROVE)),
        st.tuples(ticks, st.just("deny"), _people),
        st.tuples(ticks, st.just("edit"), _people),
        st.tuples(ticks, st.just("glass"), st.sampled_from(["ada", "bob"])),
        st.tuples(ticks, st.sampled_from(["stop", "lapse", "world", *more]), st.just("dave")),
    )


_HARD = ("restart", "rename", "forbid")
# Without a quorum nothing of it is worth much: each plan has one, other things come in between.
_quorum: st.SearchStrategy[list[Op]] = st.tuples(_soon, _soon).map(
    lambda at: [(at[0], "approve", "alice"), (at[1], "approve", "bob")]
)
# One alone is not enough; whoever edits it has a part in it.
_one: st.SearchStrategy[list[Op]] = _soon.map(lambda at: [(at, "approve", "bob")])
_edited: st.SearchStrategy[list[Op]] = _soon.map(
    lambda at: [(0, "edit", "bob"), (at + 6, "approve", "bob"), (at + 8, "approve", "alice")]
)
# The same again is allowed, and asked for more often than that.
_again: st.SearchStrategy[list[Op]] = st.tuples(_later, _later, _later).map(
    lambda at: [(0, "again", "bob"), *((30 + ticks, "more", "dave") for ticks in at)]
)
_use = st.tuples(_later, st.sampled_from(["more", "more", "undo", "revoke"]), _people)


def _with(
    first: st.SearchStrategy[list[Op]], ops: st.SearchStrategy[Op], most: int = 5
) -> st.SearchStrategy[list[Op]]:
    others = st.lists(ops, min_size=0, max_size=most)
    return st.tuples(first, others).map(lambda both: [*both[0], *both[1]])


def _plans(*hard: str) -> st.SearchStrategy[Plan]:
    """What happens to one thread."""
    web = _with(st.one_of(_quorum, _one, _edited, st.just([])), _ops(_soon, *hard))
    granted = _with(_again, st.one_of(_use, _use, _ops(_later, *hard)))
    back = _with(_quorum, _ops(_later, "undo", *hard), most=3)
    return st.one_of(
        st.tuples(st.just("web"), web),
        st.tuples(st.just("granted"), granted),
        st.tuples(st.sampled_from(["rolls back", "rolls back", "holds"]), back),
    )


QUICK = _plans("blur")
SLOW = _plans("blur", *_HARD)


@dataclass(frozen=True)
class _Write:
    """Somebody beside us wrote the object, which got this generation by it."""

    at: datetime
    generation: int


AUTOSCALED = 6  # replicas of web at most


class Players:
    """Carries plans out in one world, a thread for each. `twin` is a second worker, if there is
    one.
    """

    def __init__(self, chat: World, folder: Path, twin: World | None = None) -> None:
        self._chat = chat
        self._bots = itertools.cycle([chat] if twin is None else [chat, twin])
        self._all = [chat] if twin is None else [chat, twin]
        self._folder = folder
        self._sizes = itertools.cycle((5, 4, 6, 2, 3))
        self._releases = itertools.count()
        self._renamed = False
        self._forbidden_at: datetime | None = None  # since when nobody may do anything
        self._restarting = asyncio.Lock()
        self._writes: list[_Write] = []
        self._name, self._rolls_back = "web", False
        self.ran = self.not_run = 0  # threads in which something did, or nothing
        self.alone = self.granted = self.rolled_back = 0  # changes that ran so

    async def play(self, plan: Plan) -> None:
        """One thread with one proposal, and all of the plan upon it at once."""
        scene, ops = plan
        chat = self._chat
        text = await self._set(scene)
        before = len(chat.cluster.mutations)
        thread = await chat.ask(text)
        card = await chat.card(thread)
        does: dict[str, Callable[[str, str, str], Awaitable[None]]] = {
            "approve": self._approve,
            "again": self._again,
            "more": self._ask_more,
            "revoke": self._revoke,
            "undo": self._undo,
            "deny": self._deny,
            "edit": self._edit,
            "glass": self._glass,
            "stop": self._stop,
            "lapse": self._lapse,
            "world": self._world,
            "blur": self._blur,
            "restart": self._restart,
            "rename": self._rename,
            "forbid": self._forbid,
        }

        async def one(op: Op) -> None:
            ticks, what, who = op
            await asyncio.sleep(ticks * TICK)
            # what is no longer there cannot be pressed
            with contextlib.suppress(Impossible, TimeoutError):
                await does[what](thread, card["ts"], who)

        await asyncio.gather(*(one(op) for op in ops))
        await self._end(thread)
        checked = _Checked(chat, thread, self._writes, self._forbidden_at)
        await checked.check(len(chat.cluster.mutations) - before, self)
        if self._forbidden_at is not None:
            self._forbidden_at, self._renamed = None, False
            await self._govern(POLICY)

    async def _set(self, scene: Scene) -> str:
        """What is asked for there, of an object that is as it should be."""
        self._rolls_back = scene in {"rolls back", "holds"}
        self._name = "web" if scene == "web" else "cart"
        if self._name == "cart":
            self._write(lambda spec: _container(spec).update(image="shop/cart:1.4.2"))
            async with asyncio.timeout(30):
                while not self._is_settled():  # noqa: ASYNC110 -- in a cluster
                    await asyncio.sleep(TICK)
        else:  # its autoscaler takes back what was written beside us: not between us and the bot
            async with asyncio.timeout(30):
                while self._chat.replicas("web") > AUTOSCALED:  # noqa: ASYNC110 -- in a cluster
                    await asyncio.sleep(TICK)
        self._writes = []
        if self._rolls_back:
            release = f"{9 if scene == 'rolls back' else 1}.{next(self._releases) + 5}.0"
            return f"set image deployment/cart shop/cart:{release} -n shop"
        return self._scale()

    def _scale(self) -> str:
        now = self._chat.replicas(self._name)
        size = next(n for n in self._sizes if n != now)
        return f"scale deployment/{self._name} --replicas {size} -n shop"

    def _live(self) -> dict[str, Any]:
        found = self._chat.cluster.get("Deployment", "shop", self._name)
        assert found is not None
        return found

    def _write(self, change: Callable[[dict[str, Any]], object]) -> None:
        """As somebody beside us would."""
        wanted = copy.deepcopy(self._live())
        change(wanted["spec"])
        self._chat.cluster.apply(wanted)
        self._writes.append(_Write(datetime.now(UTC), self._live()["metadata"]["generation"]))

    def _is_settled(self) -> bool:
        live = self._live()
        return bool(
            live["status"].get("observedGeneration") == live["metadata"]["generation"]
            and live["status"].get("readyReplicas") == live["spec"]["replicas"]
        )

    # --- what happens ------------------------------------------------------------------------

    async def _approve(self, thread: str, ts: str, who: str) -> None:
        await self._chat.slack.click(who, "ops", self._open(thread, ts), text="Approve")

    def _open(self, thread: str, ts: str) -> str:
        """The newest card, where it can still be approved."""
        newest = self._chat.cards(thread)[-1]
        return str(newest["ts"]) if "Approve" in buttons(newest) else ts

    async def _again(self, thread: str, ts: str, who: str) -> None:
        await self._more(self._open(thread, ts), who, "The same again…", {})

    async def _ask_more(self, thread: str, _ts: str, who: str) -> None:
        bot = self._chat.slack.bot_user_id
        await self._chat.slack.post(who, "ops", f"<@{bot}> {self._scale()}", thread_ts=thread)

    async def _revoke(self, thread: str, _ts: str, who: str) -> None:
        await self._press_first(thread, who, "Revoke")

    async def _undo(self, thread: str, _ts: str, who: str) -> None:
        await self._press_first(thread, who, "Undo")

    async def _press_first(self, thread: str, who: str, button: str) -> None:
        await self._chat.slack.click(who, "ops", self._chat.cards(thread)[0]["ts"], text=button)

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

    async def _world(self, thread: str, _ts: str, _who: str) -> None:
        if self._rolls_back:
            done = "SELECT 1 FROM tool_calls WHERE thread_ts = %s AND state = 'done'"
            for _ in range(40):  # what follows it is what is worth to be disturbed
                if await self._chat.rows(done, thread):
                    break
                await asyncio.sleep(TICK)
            self._write(lambda spec: spec.update(minReadySeconds=len(self._writes) % 3))
        else:
            self._write(lambda spec: spec.update(replicas=8 if spec["replicas"] != 8 else 9))

    async def _blur(self, _thread: str, _ts: str, _who: str) -> None:
        """Slack does not say for a moment who an approver is."""
        self._chat.slack.change_user("alice", tz="Europe/Paris")
        self._chat.slack.faults.fail("users.info", "error", times=2, code="internal_error")

    async def _restart(self, _thread: str, _ts: str, _who: str) -> None:
        async with self._restarting:
            bot = next(self._bots)
            await bot.kill()
            await bot.spawn()

    async def _rename(self, _thread: str, _ts: str, _who: str) -> None:
        async with self._restarting:
            if self._forbidden_at is None:
                self._renamed = not self._renamed
                await self._govern(RENAMED if self._renamed else POLICY)

    async def _forbid(self, _thread: str, _ts: str, _who: str) -> None:
        async with self._restarting:
            if self._forbidden_at is None:
                await self._govern(FORBIDDING)
                self._forbidden_at = datetime.now(UTC)

    async def _govern(self, policy: str) -> None:
        """Restart all under another policy."""
        (self._folder / "countersign.yaml").write_text(policy)
        for bot in self._all:
            await bot.kill()
            await bot.spawn()

    # --- how it ends -------------------------------------------------------------------------

    async def _end(self, thread: str) -> None:
        """Whatever still waits for people is denied, as often as it is asked again."""
        chat = self._chat
        chat.slack.faults.methods.clear()
        for who in ("alice", "bob", "dave", "ada"):
            if chat.slack.views(who):
                await chat.slack.close_view(who, everything=True)
        deadline = asyncio.get_running_loop().time() + 60
        while True:
            assert asyncio.get_running_loop().time() < deadline, chat.log() + chat.thread(thread)
            if not await self._is_open(thread):
                await asyncio.sleep(0.15)  # what was pressed or said may still be on its way
                if not await self._is_open(thread):
                    return
            for card in chat.cards(thread):
                if "Deny" in buttons(card):
                    with contextlib.suppress(Impossible, TimeoutError):
                        await self._deny(thread, card["ts"], "alice")
            await asyncio.sleep(0.05)

    async def _is_open(self, thread: str) -> bool:
        """Whether anything there waits for people, or is to go on."""
        query = (
            "SELECT 1 FROM tool_calls WHERE thread_ts = %s AND state = 'proposed'"
            " UNION ALL SELECT 1 FROM runs WHERE thread_ts = %s AND ended_at IS NULL"
        )
        return bool(await self._chat.rows(query, thread, thread))


def _container(spec: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = spec["template"]["spec"]["containers"][0]
    return found


class _Checked:
    """A thread that has come to its end. In which order things happened is told by the audit: its
    head is locked until the commit.
    """

    def __init__(
        self,
        chat: World,
        thread: str,
        writes: list[_Write],
        forbidden_at: datetime | None = None,
    ) -> None:
        self._chat = chat
        self._thread = thread
        self._writes = writes
        self._forbidden_at = forbidden_at
        self._may = {chat.slack.user_id(name) for name in MAY_APPROVE}
        self._on_call = {chat.slack.user_id("ada")}

    async def check(self, sent: int, players: Players) -> None:
        """All that must be true of it."""
        calls = await self._rows(
            "SELECT * FROM tool_calls WHERE thread_ts = %s AND kind = 'change'"
        )
        audit = await self._rows(
            "SELECT a.* FROM audit a JOIN runs r ON r.id = a.run_id WHERE r.thread_ts = %s"
            " ORDER BY a.seq"
        )
        ran = [call for call in calls if call["started_at"] is not None]
        if self._forbidden_at is not None:
            late = [call for call in ran if call["started_at"] > self._forbidden_at]
            assert late == [], "never once the policy forbids it"
        # one found stale by its own write sent nothing that was taken
        assert sent <= len(ran)
        assert sent == sum(call["state"] in {"done", "unknown"} for call in ran), calls
        seqs: dict[Any, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for row in audit:
            seqs[row["call_id"] or row["run_id"]][row["kind"]].append(row["seq"])
        for call in calls:
            begun = seqs[call["id"]]["executing"]
            assert len(begun) == (call["started_at"] is not None), call
            assert call["state"] in {"done", "failed", "unknown", "denied", "expired", "superseded"}
            assert seqs[call["id"]].keys() & TOLD_BY[call["state"]], f"its end is not told: {call}"
            stopped = seqs[call["run_id"]]["stopped"]
            assert all(start < stop for start in begun for stop in stopped), "never after Stop"
        for call in ran:
            by = await self._votes(call)
            if call["grant_id"] is not None:
                await self._was_granted(call, seqs[call["id"]]["executing"][0], audit)
                players.granted += 1
            elif call["rolls_back"] is not None:
                self._was_due(call, calls, seqs)
                players.rolled_back += 1
            players.alone += by == "alone"
        for call in calls:
            await self._has_its_way_back(call, calls)
        players.ran += bool(ran)
        players.not_run += not ran

    async def _rows(self, query: str) -> list[Row]:
        return await self._chat.rows(query, self._thread)

    async def _votes(self, call: Row) -> Literal["quorum", "alone"]:
        """Only with a valid quorum on exactly what ran, or one who broke the glass."""
        votes = await self._chat.rows("SELECT * FROM decisions WHERE call_id = %s", call["id"])
        cast = {
            kind: {
                vote["person"]
                for vote in votes
                if vote["vote"] == kind and vote["digest"] == call["digest"]
            }
            for kind in ("approve", "break glass", "deny")
        }
        counting = cast["approve"] & self._may - {*call["contributors"]}
        needs = NEEDS[call["arguments"]["name"]][call["tool"]]
        alone = cast["break glass"] == self._on_call and call["rolls_back"] is None
        assert len(counting) >= needs or alone, (call, votes)
        assert all(vote["at"] <= call["started_at"] for vote in votes)
        assert not cast["deny"]
        return "alone" if alone else "quorum"

    async def _was_granted(self, call: Row, begun: int, audit: list[Row]) -> None:
        """As often as was allowed, for who asked then, and never after it was taken back."""
        [grant] = await self._chat.rows("SELECT * FROM grants WHERE id = %s", call["grant_id"])
        of_it = "SELECT count(*) AS n FROM tool_calls WHERE grant_id = %s"
        [uses] = await self._chat.rows(of_it, grant["id"])
        assert uses["n"] == grant["used"] <= TIMES
        [first] = await self._chat.rows("SELECT * FROM tool_calls WHERE id = %s", grant["call_id"])
        for what in ("thread_ts", "channel", "requester", "contributors", "tool", "target"):
            assert call[what] == first[what], "another's"
        assert grant["approver"] in self._may - {*call["contributors"]}
        assert LEAST <= call["arguments"]["replicas"] <= MOST
        assert call["undoes"] is None
        ended = [
            row["seq"]
            for row in audit
            if row["kind"] == "revoked" and row["data"]["grant"] == str(grant["id"])
        ]
        assert all(begun < end for end in ended), "never after Revoke"

    def _was_due(self, back: Row, calls: list[Row], seqs: Any) -> None:
        """Once, after its change was found not to work, and only from exactly what that left."""
        [call] = [one for one in calls if one["id"] == back["rolls_back"]]
        assert [one for one in calls if one["rolls_back"] == call["id"]] == [back]
        assert (call["state"], call["verdict"]["outcome"]) == ("done", "failed")
        [verified] = seqs[call["id"]]["verified"]
        assert verified < seqs[back["id"]]["executing"][0]
        left, at = (
            call["receipt"]["facts"]["generation"],
            datetime.fromisoformat(call["verdict"]["at"]),
        )
        between = [one for one in self._writes if one.generation > left and one.at < at]
        assert between == [], "only from the state right after our apply"

    async def _has_its_way_back(self, call: Row, calls: list[Row]) -> None:
        """What does not work is rolled back, or people are asked."""
        if call["state"] != "done" or (call["verdict"] or {}).get("outcome") != "failed":
            return
        if call["undoes"] is not None:
            return
        if any(one["rolls_back"] == call["id"] and one["state"] == "done" for one in calls):
            return
        query = "SELECT 1 FROM runs WHERE wish->>'undoes' = %s"
        assert await self._chat.rows(query, str(call["id"])), "nobody was asked"
