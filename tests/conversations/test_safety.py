"""Nothing runs but what people who may approved, once, against the state they saw."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from langgraph.types import Command

from bot.agent.checkpoints import Checkpoints
from bot.agent.graph import Turn as Claim
from bot.agent.graph import build
from bot.guard.records import Run
from bot.sandbox.slack import Settings as SlackSettings
from bot.store.database import Database
from tests.conversations.test_grants import RULE, granted
from tests.conversations.test_policy import ruled
from tests.standins.model import Json, Turn, calls, says
from tests.world import Gate, World, buttons, elements, shown, world

SCALE = ("k8s_scale", {"namespace": "shop", "kind": "deployment", "name": "web", "replicas": 5})


def proposes(request: Json) -> Turn:
    """Propose once, then say what came of it."""
    results = [m["content"] for m in request["messages"] if m["role"] == "tool"]
    return says(f"It says: {results[-1]}") if results else calls(SCALE)


async def asked(chat: World) -> tuple[str, Json]:
    """A thread with an open card."""
    thread = await chat.ask("scale web to 5")
    return thread, await chat.card(thread)


async def test_three_people_at_once_make_one_execution(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path, proposes) as chat:
        chat.slack.set_group("sre", ["alice", "bob", "ada"])
        thread, card = await asked(chat)
        await asyncio.gather(
            *(
                chat.slack.click(who, "ops", card["ts"], text="Approve")
                for who in ("alice", "bob", "ada")
            )
        )
        await chat.reads(thread, "done and verified")
        await chat.quiet(thread)
        assert len(chat.cluster.mutations) == 1
        votes = await chat.rows("SELECT state FROM tool_calls")
        assert [row["state"] for row in votes] == ["done"]


async def test_a_double_click_counts_once(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path, proposes) as chat:
        thread, card = await asked(chat)
        await asyncio.gather(*(chat.press("Approve", card, by="bob") for _ in range(4)))
        await chat.reads(thread, "done and verified")
        assert len(chat.cluster.mutations) == 1
        assert len(await chat.rows("SELECT 1 FROM decisions")) == 1


@pytest.mark.parametrize(
    ("who", "why"),
    [
        ("dave", "somebody other than you|not among those"),
        ("gina", "Guests"),
        ("ada", "not among those"),
    ],
)
async def test_who_may_not_approve_is_told_why(
    dsn: str, tmp_path: Path, who: str, why: str
) -> None:
    async with world(dsn, tmp_path, proposes) as chat:
        _, card = await asked(chat)
        chat.slack.invite(who, "ops")
        await chat.press("Approve", card, by=who)
        await chat.told(who, why)
        assert chat.cluster.mutations == []
        assert buttons(chat.cards(card["thread_ts"])[0]) == ["Approve", "Deny", "More…"]


async def test_the_requester_may_not_approve_his_own_wish_though_he_is_an_approver(
    dsn: str, tmp_path: Path
) -> None:
    async with world(dsn, tmp_path, proposes) as chat:
        thread = await chat.ask("scale web to 5", by="alice")
        card = await chat.card(thread)
        await chat.press("Approve", card, by="alice")
        await chat.told("alice", "somebody other than you")
        assert await chat.rows("SELECT 1 FROM decisions") == []
        await chat.press("Approve", card, by="bob")
        await chat.reads(thread, "done and verified")


async def test_guests_and_other_organisations_get_only_a_refusal(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path, proposes) as chat:
        chat.slack.invite("gina", "ops")
        chat.slack.faults.fail("conversations.info", "error", times=99, code="internal_error")
        dark = await chat.ask("scale web to 5", by="alice")
        await chat.reads(dark, "could not find out from Slack who reads this channel")
        chat.slack.faults.methods.clear()
        thread = await chat.ask("scale web to 5", by="gina")
        await chat.reads(thread, "can't take requests")
        shared = await chat.ask("scale web to 5", by="alice", where="partners")
        await chat.reads(shared, "shared with another organisation", where="partners")
        stranger = await chat.ask("scale web to 5", by="olga", where="partners")
        await chat.reads(stranger, "shared with another organisation", where="partners")
        refused = (("ops", dark), ("ops", thread), ("partners", shared), ("partners", stranger))
        for place, ts in refused:
            assert len(chat.slack.app_messages(place, ts)) == 1
        assert chat.model is not None
        assert chat.model.requests == []


async def test_forged_clicks_count_for_nothing(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path, proposes) as chat:
        thread, card = await asked(chat)
        first = next(b for b in card["blocks"] if b["type"] == "actions")["elements"][0]
        # the right id on another message, an invented id, another app
        other = await chat.slack.post("bob", "ops", "look")
        await chat.slack.click("bob", "ops", card["ts"], text="Approve", value="AAAAAAAAAAAAAAAA")
        await chat.slack.click(
            "bob", "ops", card["ts"], text="Approve", overrides={"api_app_id": "A999"}
        )
        await chat.slack.click(
            "bob",
            "ops",
            card["ts"],
            text="Approve",
            overrides={
                "container": {
                    "type": "message",
                    "message_ts": other,
                    "channel_id": chat.slack.channel_id("ops"),
                }
            },
        )
        await chat.slack.post("bob", "ops", "approved", thread_ts=thread)
        await chat.slack.post("bob", "ops", f"approve {first['value']}", thread_ts=thread)
        await asyncio.sleep(0.3)
        assert await chat.rows("SELECT 1 FROM decisions") == []
        assert chat.cluster.mutations == []


@pytest.mark.parametrize(
    "value",
    [True, "approved", {"decisions": [{"vote": "approve"}]}, ["approve"], 1, {"state": "approved"}],
)
async def test_a_forged_resume_executes_nothing(dsn: str, tmp_path: Path, value: object) -> None:
    async with world(dsn, tmp_path, proposes) as chat:
        await asked(chat)
        await chat.slack.settled()
        async with Database(dsn).open() as database:
            assert chat.parts is not None
            row = (await chat.rows("SELECT * FROM runs"))[0]
            graph = build(chat.parts.runs.nodes, Checkpoints(database))
            await graph.ainvoke(
                Command(resume=value),
                Checkpoints.place(row["id"], row["attempt"]),
                context=Claim(Run.of(row)),
            )
        assert chat.cluster.mutations == []
        states = await chat.rows("SELECT state FROM tool_calls WHERE kind = 'change'")
        assert [one["state"] for one in states] == ["proposed"]


async def test_an_approval_that_is_too_old_to_start_on_is_asked_again(
    dsn: str, tmp_path: Path
) -> None:
    extra = {"COUNTERSIGN_START_SECONDS": "0.001"}
    async with world(dsn, tmp_path, proposes, extra=extra) as chat:
        thread, card = await asked(chat)
        await chat.press("Approve", card, by="bob")
        again = await chat.card(thread, 2)
        assert buttons(again) == ["Approve", "Deny", "More…"]
        await chat.reads(thread, "expired|too old")
        assert chat.cluster.mutations == []


async def test_a_state_that_changed_is_shown_anew_and_not_executed(
    dsn: str, tmp_path: Path
) -> None:
    async with world(dsn, tmp_path, proposes) as chat:
        thread, card = await asked(chat)
        web = chat.cluster.get("Deployment", "shop", "web")
        assert web is not None
        chat.cluster.apply({**web, "spec": {**web["spec"], "replicas": 4}})
        await chat.press("Approve", card, by="bob")
        again = await chat.card(thread, 2)
        assert "from 4 to 5" in shown(again)
        assert chat.replicas() == 4
        await chat.press("Approve", again, by="bob")
        await chat.reads(thread, "done and verified")
        assert chat.replicas() == 5


async def test_a_policy_that_changed_since_the_card_asks_again(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path, proposes, running="process") as chat:
        _, card = await asked(chat)
        await chat.terminate()
        # whoever could approve alone then no longer can: bob lost the role between click and start
        chat.extra = {"COUNTERSIGN_APPROVERS": chat.slack.user_id("ada")}
        await chat.spawn()
        await chat.press("Approve", card, by="bob")
        await chat.told("bob", "not among those")
        assert chat.cluster.mutations == []


async def test_an_old_card_is_answered_and_does_nothing(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path, proposes) as chat:
        thread, card = await asked(chat)
        # alice's screen still shows the card as it was
        chat.slack.faults.fail("chat.update", "slow", times=20, seconds=1)
        await chat.press("Approve", card, by="bob")
        await chat.slack.wait_for(lambda: bool(chat.cluster.mutations), 10)
        pressed = dict(value_of(card, "Approve"))
        await chat.slack.inject_envelope(
            "interactive",
            {
                "type": "block_actions",
                "api_app_id": chat.slack.state.app_id,
                "team": {"id": chat.slack.team_id},
                "user": {"id": chat.slack.user_id("alice"), "team_id": chat.slack.team_id},
                "trigger_id": "1.1.old",
                "container": {
                    "type": "message",
                    "message_ts": card["ts"],
                    "channel_id": chat.slack.channel_id("ops"),
                },
                "channel": {"id": chat.slack.channel_id("ops")},
                "message": card,
                "actions": [pressed],
            },
        )
        await chat.told("alice", "decided already")
        await chat.reads(thread, "done and verified")
        assert len(chat.cluster.mutations) == 1


def value_of(card: Json, button: str) -> Json:
    """A button as Slack sends it when it is pressed."""
    found = next(b for b in elements(card) if b["text"]["text"] == button)
    return {**found, "type": "button", "block_id": "b"}


async def test_a_card_expires_and_the_run_goes_on(dsn: str, tmp_path: Path) -> None:
    extra = {"COUNTERSIGN_CARD_MINUTES": "0.02"}
    async with world(dsn, tmp_path, proposes, extra=extra) as chat:
        thread, _ = await asked(chat)
        await chat.reads(thread, "expired")
        await chat.quiet(thread)
        assert chat.cluster.mutations == []
        assert buttons(chat.cards(thread)[0]) == ["Ask again"]


async def test_one_event_three_times_and_as_two_types_is_one_run(dsn: str, tmp_path: Path) -> None:
    for late in (False, True):
        settings = SlackSettings(time_scale=0.2)
        async with world(dsn, tmp_path, lambda _: says("Once."), slack=settings) as chat:
            chat.slack.faults.message_before_mention = late
            thread = await chat.ask("hello")
            await chat.reads(thread, "Once")
            for envelope in [e for e in chat.slack.envelopes if e.type == "events_api"][-2:]:
                await chat.slack.redeliver(envelope, attempt=1)
                await chat.slack.redeliver(envelope, attempt=2)
            await chat.quiet(thread)
            assert len(await chat.rows("SELECT 1 FROM runs WHERE thread_ts = %s", thread)) == 1
            assert len(chat.slack.app_messages("ops", thread)) <= 2


class Forgetful(Gate):
    """A door that loses the answer to one commit: that of a transaction that says `mark`."""

    lost = 0

    def __init__(self, dsn: str, mark: bytes = b"vote:") -> None:
        super().__init__(dsn)
        self._mark = mark

    async def _enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner = await self._connect()
        self._connections |= {writer, inner}
        votes = deaf = False

        async def out() -> None:
            nonlocal votes, deaf
            while data := await reader.read(65536):
                votes = votes or self._mark in data
                ends = b"COMMIT" in data or b"take_approval" in data  # by itself a transaction
                deaf = deaf or (votes and not self.lost and ends)
                inner.write(data)
                await inner.drain()

        async def back() -> None:
            while data := await inner_reader.read(65536):
                if deaf:
                    self.lost += 1
                    return
                writer.write(data)
                await writer.drain()

        try:
            tasks = [asyncio.ensure_future(out()), asyncio.ensure_future(back())]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            self._connections -= {writer, inner}
            inner.transport.abort()
            writer.transport.abort()


@pytest.mark.parametrize("let_go", [True, False])
async def test_who_is_told_that_nothing_was_recorded_is_told_so_of_the_future_too(
    dsn: str, tmp_path: Path, let_go: bool
) -> None:
    """A server goes on with a statement whose connection broke: here while it waits for the run."""
    gate = Gate(dsn)
    slack = SlackSettings(ack_seconds=3, delivery="round_robin")
    async with (
        gate.serve(),
        world(dsn, tmp_path, proposes, slack=slack, extra={"DATABASE_URL": gate.dsn}) as chat,
    ):
        thread, card = await asked(chat)
        await chat.quiet(thread)
        async with await psycopg.AsyncConnection.connect(dsn) as other:
            await other.execute(b"SELECT FROM runs FOR UPDATE")
            clicking = asyncio.create_task(
                chat.slack.click("bob", "ops", card["ts"], text="Approve")
            )
            await chat.waits_for_a_lock("take_approval")
            gate.shut()
            gate.reopen()
            assert (await clicking).acked
            if let_go:
                await other.rollback()
                await chat.reads(thread, "It says: done and verified", timeout=25)
            else:
                await chat.told("bob", "could not record this click", timeout=20)
        if let_go:
            assert chat.slack.ephemerals("bob", "ops") == []
            return
        await asyncio.sleep(0.5)
        assert await chat.rows("SELECT 1 FROM decisions") == []
        assert chat.cluster.mutations == []
        await chat.press("Approve", card, by="bob")  # as he was told to
        await chat.reads(thread, "It says: done and verified", timeout=25)
        assert len(await chat.rows("SELECT 1 FROM decisions")) == 1


@pytest.mark.parametrize("button", ["Approve", "Deny", "More…"])
async def test_a_decision_whose_commit_was_not_heard_is_not_said_to_be_lost(
    dsn: str, tmp_path: Path, button: str
) -> None:
    gate = Forgetful(dsn)
    slack = SlackSettings(ack_seconds=3, delivery="round_robin")
    async with (
        gate.serve(),
        world(dsn, tmp_path, proposes, slack=slack, extra={"DATABASE_URL": gate.dsn}) as chat,
    ):
        thread, card = await asked(chat)
        await chat.quiet(thread)
        if button == "Deny":
            await chat.slack.click("bob", "ops", card["ts"], text="Deny")
            view = await chat.slack.wait_for_view("bob")
            await asyncio.sleep(0.3)  # the modal is noted after it was opened
            sent = await chat.slack.submit("bob", view.id, {"reason": "no"})
        else:
            sent = await chat.slack.click("bob", "ops", card["ts"], text="Approve")
        assert sent.acked
        assert gate.lost == 1
        await chat.reads(thread, "It says: (done and verified|denied by)", timeout=25)
        assert "could not record" not in str(sent.response)
        assert chat.slack.ephemerals("bob", "ops") == []
        assert len(await chat.rows("SELECT 1 FROM decisions")) == 1


async def test_a_revoke_whose_commit_was_not_heard_is_not_said_to_be_lost(
    dsn: str, tmp_path: Path
) -> None:
    gate = Forgetful(dsn, b"click:")
    async with gate.serve(), ruled(gate.dsn, tmp_path, RULE) as chat:
        thread = await granted(chat)
        await chat.press("Revoke", chat.cards(thread)[0], by="bob")
        await chat.slack.wait_for(lambda: "over: revoked by <@" in shown(chat.cards(thread)[0]), 20)
        await asyncio.sleep(1)
        assert gate.lost == 1
        assert chat.slack.ephemerals("bob", "ops") == []


async def test_who_asks_again_and_is_told_that_it_was_lost_may_press_once_more(
    dsn: str, tmp_path: Path
) -> None:
    """The connection breaks while the server waits for the thread: nothing comes of it later."""
    gate = Gate(dsn)
    slack = SlackSettings(ack_seconds=3, delivery="round_robin")
    async with (
        gate.serve(),
        world(dsn, tmp_path, proposes, slack=slack, extra={"DATABASE_URL": gate.dsn}) as chat,
    ):
        thread, card = await asked(chat)
        await chat.rows("UPDATE tool_calls SET expires_at = now() RETURNING 1")
        await chat.reads(thread, "expired")
        await chat.quiet(thread)
        async with await psycopg.AsyncConnection.connect(dsn) as other:
            await other.execute(b"SELECT FROM threads FOR UPDATE")
            clicking = asyncio.create_task(
                chat.slack.click("dave", "ops", card["ts"], text="Ask again")
            )
            await chat.waits_for_a_lock("SELECT next_seq FROM threads")
            gate.shut()
            gate.reopen()
            assert (await clicking).acked
            await other.rollback()
        await chat.told("dave", "could not record this click", timeout=20)
        assert len(await chat.rows("SELECT 1 FROM runs")) == 1
        await chat.press("Ask again", card, by="dave")
        await chat.card(thread, 2)
        assert len(await chat.rows("SELECT 1 FROM runs")) == 2


class CutAt(Gate):
    """A door that shuts for some seconds as soon as it hears `mark`."""

    def __init__(self, dsn: str, mark: bytes, seconds: float) -> None:
        super().__init__(dsn)
        self._mark = mark
        self._seconds = seconds
        self.cut = False

    def overhear(self) -> Callable[[bytes], None]:
        """One connection."""

        def hear(data: bytes) -> None:
            if not self.cut and self._mark in data:
                self.cut = True
                asyncio.get_running_loop().call_later(self._seconds, self.reopen)
                self.shut()

        return hear


async def test_a_typed_approval_that_was_recorded_is_told_though_the_database_went_away_then(
    dsn: str, tmp_path: Path
) -> None:
    gate = CutAt(dsn, b"SELECT channel, ts FROM cards", seconds=4)
    slack = SlackSettings(ack_seconds=3, delivery="round_robin")
    async with (
        gate.serve(),
        world(dsn, tmp_path, proposes, slack=slack, extra={"DATABASE_URL": gate.dsn}) as chat,
    ):
        thread, _ = await asked(chat)
        await chat.quiet(thread)
        [call] = await chat.rows("SELECT short_id FROM tool_calls")
        await chat.slack.slash("bob", "ops", "/ops", f"approve {call['short_id']}")
        await chat.told("bob", "Approved", timeout=20)
        await chat.reads(thread, "It says: done and verified", timeout=25)
        assert gate.cut
        assert len(chat.slack.ephemerals("bob", "ops")) == 1
        assert len(chat.cluster.mutations) == 1
