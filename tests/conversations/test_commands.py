"""Commands and control words through Slack's protocol: as a mention and behind `/ops`; who may,
what is told to whom, and what is never taken for one.
"""

import asyncio
import html
import re
from pathlib import Path

import pytest

from bot.sandbox.slack import Settings as SlackSettings
from tests.sentences import sentences
from tests.standins.model import Json, Turn, calls, says
from tests.world import Gate, World, shown, world

WEB = {"namespace": "shop", "kind": "deployment", "name": "web"}
SCALE = "scale deployment/web --replicas 5 -n shop"
# Slack's own three seconds to answer in, not scaled ones
PATIENT = SlackSettings(ack_seconds=3, retry_delays=(), delivery="round_robin")


async def ops(chat: World, text: str, by: str = "dave", where: str = "ops") -> None:
    """Type the slash command; it is always acked."""
    envelope = await chat.slack.slash(by, where, "/ops", text)
    assert envelope.acked


def roots(chat: World, where: str = "ops") -> list[str]:
    """The threads that slash commands began, oldest first."""
    return [
        m["ts"]
        for m in chat.slack.app_messages(where)
        if shown(m).startswith("Asked by") and m.get("thread_ts", m["ts"]) == m["ts"]
    ]


async def root(chat: World, number: int = 1, where: str = "ops") -> str:
    """The ts of the n-th such thread, once it is there."""
    await chat.slack.wait_for(lambda: len(roots(chat, where)) >= number, 10)
    return roots(chat, where)[number - 1]


async def short_id(chat: World, number: int = 1) -> str:
    """What people type for the n-th change that was proposed."""
    rows = await chat.rows(
        "SELECT short_id FROM tool_calls WHERE kind = 'change' ORDER BY created_at, id"
    )
    return str(rows[number - 1]["short_id"])


async def votes(chat: World) -> list[tuple[str, str, str]]:
    """Whose votes count for something."""
    rows = await chat.rows("SELECT person, vote, reason FROM decisions ORDER BY at")
    return [(row["person"], row["vote"], row["reason"]) for row in rows]


async def heard(chat: World, who: str, number: int, where: str = "ops") -> str:
    """The n-th thing that only one person sees there."""
    await chat.slack.wait_for(lambda: len(chat.slack.ephemerals(who, where)) >= number, 5)
    return shown(chat.slack.ephemerals(who, where)[number - 1])


def slow(request: Json) -> Turn:
    """A model that would go on for ever."""
    done = sum(m["role"] == "tool" for m in request["messages"])
    return calls(("k8s_get", {"kind": "pods", "namespace": "shop", "limit": 10 + done}))


# --- direct commands --------------------------------------------------------------------------


READS = {
    "get deployments -n shop": "checkout",
    "describe deployment/web -n shop": "web",
    "describe pod NAME -n shop": "web-",
    "logs deployment/web -n shop": "web-",
    "events -n shop": "checkout",
    "events deployment/checkout -n shop --warnings": "checkout|[Nn]o event",
    "rollout status deployment/web -n shop": "web",
    "rollout history deployment/checkout -n shop": "1\\.9\\.0",
    "rollout history deployment/checkout -n shop --revision 1": "shop/checkout:",
}
CHANGES = {
    SCALE: "from 3 to 5",
    "rollout undo deployment/checkout -n shop": "1\\.8\\.0",
    "rollout restart deployment/cart -n shop": "Restart",
    "set image deployment/web web=shop/web:9.9.9 -n shop": "9\\.9\\.9",
}


async def test_every_read_works_as_a_mention_and_behind_the_slash_command(
    dsn: str, tmp_path: Path
) -> None:
    async with world(dsn, tmp_path) as chat:
        pod = chat.cluster.pods("shop", "web")[0]["metadata"]["name"]
        for number, (form, answer) in enumerate(READS.items(), start=1):
            text = form.replace("NAME", pod)
            thread = await chat.ask(text)
            await chat.reads(thread, r"\d+ reads?\b.*\d+ s|could not|no ")
            said = chat.thread(thread)  # a long one is several messages
            assert re.search(answer, said), (text, said)
            await ops(chat, text)
            there = await root(chat, number)
            await chat.reads(there, r"\d+ reads?\b.*\d+ s|could not|no ")
            again = chat.thread(there)
            assert re.search(answer, again), (text, again)
        rows = await chat.rows("SELECT DISTINCT state, kind, error FROM tool_calls")
        assert [(row["state"], row["kind"]) for row in rows] == [("done", "read")], rows
        assert chat.cluster.mutations == []
        assert chat.slack.ephemerals("dave", "ops") == []


async def test_every_change_is_only_proposed(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path) as chat:
        for number, (text, card) in enumerate(CHANGES.items(), start=1):
            thread = await chat.ask(text)
            assert re.search(card, shown(await chat.card(thread))), text
            await ops(chat, text)
            again = await chat.card(await root(chat, number))
            assert re.search(card, shown(again)), text
        assert chat.cluster.mutations == []


async def test_a_change_goes_its_whole_way_by_slash_commands(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path) as chat:
        await ops(chat, SCALE)
        thread = await root(chat)
        assert "Asked by" in shown(chat.slack.messages("ops", thread)[0])
        await chat.card(thread)
        await ops(chat, f"approve {(await short_id(chat)).lower()}", by="bob")
        await chat.reads(thread, "done and verified")
        told = shown(await chat.told("bob", "Approved: "))
        assert f"/archives/{chat.slack.channel_id('ops')}/p" in told
        assert chat.replicas() == 5
        await chat.quiet(thread)
        await ops(chat, f"undo {await short_id(chat)}", by="alice")
        back = await chat.card(thread, 2)
        assert "from 5 to 3" in shown(back)
        await chat.told("alice", "I propose the way back")
        # who asked for it does not approve it
        await ops(chat, f"approve {await short_id(chat, 2)}", by="alice")
        await chat.told("alice", "somebody other than you")
        await ops(chat, f"approve {await short_id(chat, 2)}", by="bob")
        await chat.slack.wait_for(lambda: chat.replicas() == 3, 10)
        await chat.quiet(thread)


async def test_any_other_words_behind_it_are_asked_of_the_model(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path, lambda _: says("All is well.")) as chat:
        await ops(chat, "why is <http://web.example|web.example> &amp; cart slow?")
        thread = await root(chat)
        await chat.reads(thread, "All is well")
        assert chat.model is not None
        asked = str(chat.model.requests[0]["messages"][-1]["content"])
        assert "why is web.example & cart slow?" in asked
        # and it goes on there without a mention
        await chat.slack.post("dave", "ops", "and cart?", thread_ts=thread)
        await chat.slack.wait_for(lambda: len(chat.model.requests if chat.model else []) == 2, 10)


async def test_a_misspelt_line_is_shown_corrected_and_not_run(dsn: str, tmp_path: Path) -> None:
    cases = {
        "gte pods -n shop": "Did you mean `/ops get pods -n shop`",
        "kubectl get podz -n shop": "Did you mean `/ops kubectl get pods -n shop`",
        "scale web --replcas 5": "Did you mean `/ops scale deployment/web --replicas 5`",
        "aprove K7QF": "Did you mean `/ops approve K7QF`",
        "stauts": "Did you mean `/ops status`",
    }
    async with world(dsn, tmp_path, lambda _: says("Never asked.")) as chat:
        for text, meant in cases.items():
            await ops(chat, text)
            await chat.told("dave", re.escape(meant))
        assert roots(chat) == []
        assert await chat.rows("SELECT 1 FROM runs") == []
        assert chat.cluster.mutations == []


async def test_without_a_model_other_words_are_answered_with_the_nearest_command(
    dsn: str, tmp_path: Path
) -> None:
    async with world(dsn, tmp_path) as chat:
        await ops(chat, "why is checkout down?")
        await chat.told("dave", "I understand commands only. To look around: `get pods")
        await ops(chat, "scale deployment/web")
        await chat.told("dave", "--replicas is missing. Usage: `scale ")
        thread = await chat.ask("gte pods -n shop")
        await chat.reads(thread, "Did you mean `get pods -n shop`")
        assert roots(chat) == []
        assert await chat.rows("SELECT 1 FROM tool_calls") == []


async def test_the_slash_command_alone_is_help(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path) as chat:
        for number, text in enumerate(("", "help", "kubectl help"), start=1):
            await ops(chat, text)
            said = await heard(chat, "dave", number)
            for form in ("get &lt;kind", "set image", "rollout restart", "approve", "status"):
                assert form in said
        assert chat.slack.ephemerals("alice", "ops") == []
        assert chat.slack.app_messages("ops") == []
        thread = await chat.ask("help")
        await chat.reads(thread, "approve &lt;id&gt;")


# --- decisions in words -----------------------------------------------------------------------


async def test_a_typed_approval_counts_like_a_click(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path) as chat:
        thread = await chat.ask(SCALE)
        await chat.card(thread)
        name = await short_id(chat)
        await chat.slack.mention("alice", "ops", f"approve `{name}`", thread)
        await chat.reads(thread, "done and verified")
        assert await votes(chat) == [(chat.slack.user_id("alice"), "approve", "")]
        await chat.quiet(thread)
        assert len(chat.cluster.mutations) == 1
        # the mention is two events of Slack's, and one answer
        await chat.told("alice", "Approved: ")
        assert len(chat.slack.ephemerals("alice", "ops")) == 1
        # it said nothing to a model, and it is no turn of the conversation
        assert len(await chat.rows("SELECT 1 FROM runs")) == 1
        kinds = await chat.rows("SELECT kind FROM audit ORDER BY seq")
        assert "approve" in [row["kind"] for row in kinds]


async def test_a_typed_denial_carries_its_reason(dsn: str, tmp_path: Path) -> None:
    script = [calls(("k8s_scale", {**WEB, "replicas": 9})), says("Understood, I leave it.")]
    async with world(dsn, tmp_path, script) as chat:
        thread = await chat.ask("scale web to 9")
        await chat.card(thread)
        # from a place in the channel that has nothing to do with its thread
        await chat.slack.mention("bob", "ops", f"Deny {await short_id(chat)} the quota is 6")
        await chat.reads(thread, "I leave it")
        assert await votes(chat) == [(chat.slack.user_id("bob"), "deny", "the quota is 6")]
        await chat.told("bob", "Denied: ")
        assert chat.cluster.mutations == []
        assert "the quota is 6" in shown(chat.cards(thread)[0])


async def test_who_may_not_approve_may_not_by_typing(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path) as chat:
        chat.slack.invite("gina", "ops")
        chat.slack.invite("ada", "ops")
        thread = await chat.ask(SCALE, by="alice")
        await chat.card(thread)
        name = await short_id(chat)
        refusals = {
            "alice": "somebody other than you",
            "ada": "not among those who may decide",
            "gina": "Guests can neither ask nor approve",
        }
        for who, why in refusals.items():
            await chat.slack.mention(who, "ops", f"approve {name}", thread)
            said = shown(await chat.told(who, why))
            assert "click" not in said
            assert ("Who may: anyone of <!subteam^" in said) == (who == "ada")
            await ops(chat, f"approve {name}", by=who)
            assert re.search(why, await heard(chat, who, 2))
        assert await votes(chat) == []
        refused = await chat.rows("SELECT 1 FROM audit WHERE kind = 'vote refused'")
        assert len(refused) == 2 * len(refusals)
        # whoever asked may take it back
        await chat.slack.mention("alice", "ops", f"deny {name}", thread)
        await chat.told("alice", "Denied: ")
        assert chat.cluster.mutations == []


async def test_an_id_that_is_none_here_is_answered_with_those_that_are(
    dsn: str, tmp_path: Path
) -> None:
    async with world(dsn, tmp_path) as chat:
        elsewhere = chat.slack.add_channel("payments", ["dave", "alice", "bob"])
        thread = await chat.ask(SCALE)
        await chat.card(thread)
        name = await short_id(chat)
        wrong = name[:-1] + ("3" if name[-1] != "3" else "4")
        if not re.search("[A-Z]", wrong):
            wrong = "A" + wrong[1:]
        await ops(chat, f"approve {wrong}", by="bob")
        said = shown(await chat.told("bob", f"no proposal `{wrong}` in this channel"))
        assert f"Open here: `{name}`" in said
        # which one is not said, or nothing known: how it is said, and what is open
        for text, usage in (
            ("deny it", "deny <id> [<reason>]"),
            ("why", "why <id>"),
            (
                "why A9A9",
                "no proposal `A9A9` in this channel, and no refusal. Say which one: `why <id>",
            ),
            ("settle", "settle <id> <done|failed>"),
        ):
            await ops(chat, text, by="alice")
            said = shown(await chat.told("alice", re.escape(html.escape(usage))))
            assert (f"Open here: `{name}`" in said) == (text != "settle")
        await chat.slack.mention("alice", "ops", "approve that", thread)
        await chat.told("alice", "Say which one: `approve &lt;id&gt;`. Open here:")
        # in another channel it is as unknown as one that never was, and nothing of it is shown
        await ops(chat, f"approve {name}", by="bob", where=elsewhere)
        said = shown(await chat.told("bob", f"no proposal `{name}`", where=elsewhere))
        assert "Nothing waits for a decision here" in said
        assert "web" not in said
        assert await votes(chat) == []
        await ops(chat, f"deny {name}", by="bob")
        await chat.told("bob", "Denied: ")
        for text in (f"approve {name}", f"deny {name} again"):
            await ops(chat, text, by="alice")
        await chat.slack.wait_for(lambda: len(chat.slack.ephemerals("alice", "ops")) == 7, 5)
        assert all("is denied" in shown(m) for m in chat.slack.ephemerals("alice", "ops")[5:])
        assert len(await votes(chat)) == 1
        assert chat.cluster.mutations == []


async def test_an_edited_message_is_never_a_command(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path) as chat:
        thread = await chat.ask(SCALE)
        await chat.card(thread)
        name = await short_id(chat)
        mention = f"<@{chat.slack.bot_user_id}>"
        ts = await chat.slack.post("bob", "ops", "hm", thread_ts=thread)
        await chat.slack.edit("bob", "ops", ts, f"{mention} approve {name}")
        event = {
            "type": "app_mention",
            "channel": chat.slack.channel_id("ops"),
            "user": chat.slack.user_id("bob"),
            "text": f"{mention} approve {name}",
            "ts": ts,
            "thread_ts": thread,
            "edited": {"user": chat.slack.user_id("bob"), "ts": "1.2"},
        }
        chat.slack.inject_event(event, "ops")
        await chat.slack.settled()
        assert await votes(chat) == []
        assert len(await chat.rows("SELECT 1 FROM events")) == 1
        assert chat.cluster.mutations == []


async def test_a_command_that_slack_delivers_twice_is_done_once(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path, slack=PATIENT) as chat:
        for text in (SCALE, "get pods -n shop", "help", "status"):
            sent = await chat.slack.slash("dave", "ops", "/ops", text)
            await asyncio.gather(chat.slack.redeliver(sent), chat.slack.redeliver(sent))
        await chat.card(await root(chat))
        sent = await chat.slack.slash("bob", "ops", "/ops", f"approve {await short_id(chat)}")
        await chat.slack.redeliver(sent)
        await chat.reads(await root(chat), "done and verified")
        await chat.quiet(await root(chat))
        assert len(roots(chat)) == 2
        assert len(chat.slack.ephemerals("dave", "ops")) == 2
        assert len(chat.slack.ephemerals("bob", "ops")) == 1
        assert len(await votes(chat)) == 1
        assert len(chat.cluster.mutations) == 1


# --- stop and undo ----------------------------------------------------------------------------


async def test_stop_ends_what_runs_in_its_thread(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path, slow) as chat:
        assert chat.model is not None
        chat.model.latency = 0.3
        thread = await chat.ask("look at everything")
        await chat.slack.wait_for(lambda: bool(chat.model and chat.model.requests), 10)
        await chat.slack.mention("alice", "ops", "Stop!", thread)
        await chat.reads(thread, "Stopped by")
        rows = await chat.rows("SELECT stopped_by FROM runs")
        assert [row["stopped_by"] for row in rows] == [chat.slack.user_id("alice")]
        await chat.slack.mention("alice", "ops", "stop", thread)
        await chat.told("alice", "Nothing is running in this thread")
        await ops(chat, "stop", by="alice")
        await chat.told("alice", "Nothing is running in this channel")


async def test_stop_for_a_channel_asks_which_where_several_run(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path, slow) as chat:
        assert chat.model is not None
        chat.model.latency = 0.3
        first, second = await chat.ask("look at web"), await chat.ask("look at cart")
        await chat.slack.wait_for(lambda: len(chat.model.requests if chat.model else []) >= 2, 10)
        chat.slack.invite("gina", "ops")
        await ops(chat, "stop", by="gina")
        await chat.told("gina", "guests can neither ask")
        await ops(chat, "stop", by="alice")
        said = shown(await chat.told("alice", "I stopped none"))
        for ts in (first, second):
            assert f"/p{ts.replace('.', '')}" in said
        assert await chat.rows("SELECT 1 FROM runs WHERE stopped_by IS NOT NULL") == []
        await chat.slack.mention("dave", "ops", "stop", first)
        await chat.reads(first, "Stopped by")
        await ops(chat, "stop", by="alice")
        await chat.reads(second, "Stopped by")
        await chat.told("alice", "I stop “look at")


async def test_stop_takes_back_what_waits_for_a_decision(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path) as chat:
        thread = await chat.ask(SCALE)
        await chat.card(thread)
        name = await short_id(chat)
        await ops(chat, "stop")
        await chat.reads(thread, "[Ss]topped")
        await ops(chat, f"approve {name}", by="bob")
        await chat.told("bob", "changed nothing|replaced|stopped|no longer")
        assert await votes(chat) == []
        assert chat.cluster.mutations == []


async def test_undo_proposes_the_way_back_of_the_last_change(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path) as chat:
        await ops(chat, "undo")
        await chat.told("dave", "nothing to undo in this channel")
        thread = await chat.ask(SCALE)
        await chat.slack.mention("dave", "ops", "undo", thread)
        await chat.told("dave", "nothing to undo in this thread")
        await chat.press("Approve", await chat.card(thread), by="bob")
        await chat.reads(thread, "done and verified")
        await chat.quiet(thread)
        name = await short_id(chat)
        await ops(chat, "undo A9A9")
        await chat.told("dave", f"no change `A9A9` in this channel. Say which: `undo {name}`")
        chat.slack.invite("gina", "ops")
        await chat.slack.mention("gina", "ops", "undo", thread)
        await chat.told("gina", "guests can neither ask")
        await chat.slack.mention("alice", "ops", "undo", thread)
        back = await chat.card(thread, 2)
        assert "from 5 to 3" in shown(back)
        await chat.press("Approve", back, by="bob")
        await chat.slack.wait_for(lambda: chat.replicas() == 3, 10)
        await chat.quiet(thread)
        # the way back is not taken back by the same word
        await chat.slack.mention("alice", "ops", "undo", thread)
        await chat.told("alice", "nothing to undo in this thread")
        assert len(chat.cluster.mutations) == 2


# --- status -----------------------------------------------------------------------------------


async def test_status_says_what_runs_what_waits_and_how_the_bot_is(
    dsn: str, tmp_path: Path
) -> None:
    def script(request: Json) -> Turn:
        if "look at everything" in str(request["messages"]):
            return slow(request)
        return calls(("k8s_scale", {**WEB, "replicas": 5}))

    async with world(dsn, tmp_path, script) as chat:
        assert chat.model is not None
        waiting = await chat.ask("five of web")
        await chat.card(waiting)
        chat.model.latency = 0.5
        busy = await chat.ask("look at everything", by="alice")
        await chat.slack.wait_for(lambda: len(chat.model.requests if chat.model else []) >= 2, 10)
        name = await short_id(chat)
        await ops(chat, "status", by="bob")
        said = shown(await chat.told("bob", "One run working in this channel, one card waits"))
        assert f"`{name}` waits: Scale" in said
        assert "look at everything" in said
        assert f"/p{busy.replace('.', '')}" in said
        assert "<!subteam^" in said
        assert "openai/test" in said
        assert re.search("`kubernetes/[^`]+` answers", said), said
        assert re.search(r"Version: \d", said)
        # in a thread: only what is there, for everybody, and without calling anybody
        await chat.slack.mention("bob", "ops", "status", waiting)
        said = shown(await chat.reads(waiting, "Nothing is running in this thread, one card"))
        assert name in said
        assert "look at everything" not in said
        assert "<@" not in said
        assert "<!subteam" not in said
        await chat.slack.mention("bob", "ops", "stop", busy)
        await chat.reads(busy, "Stopped by")


async def test_status_names_what_is_away(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path, extra={"COUNTERSIGN_APPROVERS": ""}) as chat:
        chat.cluster.fail("*", ".*", 503, times=1000)
        await ops(chat, "status")
        said = shown(await chat.told("dave", "Nothing is running", timeout=10))
        assert re.search("`kubernetes/[^`]+` does not answer", said), said
        assert "Model: none is set" in said
        assert "nobody may approve yet" in said


# --- where it may not be, and what goes wrong -------------------------------------------------


async def test_where_the_bot_is_not_or_others_read_only_the_typist_is_told(
    dsn: str, tmp_path: Path
) -> None:
    async with world(dsn, tmp_path, lambda _: says("Never.")) as chat:
        outside = chat.slack.add_channel("outside", ["dave"], bot=False)
        await ops(chat, "get pods -n shop", where=outside)
        await chat.told("dave", "I can't work here", where=outside)
        shared = chat.slack.add_channel("customers", ["dave"], is_ext_shared=True)
        words = ("get pods -n shop", "how is web?", "status", "stop", "undo", "approve A9A9")
        for number, text in enumerate(words, start=1):
            await ops(chat, text, where=shared)
            assert "another organisation" in await heard(chat, "dave", number, shared)
        chat.slack.invite("gina", "ops")
        await ops(chat, "get pods -n shop", by="gina")
        await chat.told("gina", "guests can neither ask")
        forged = {"team_id": "T0ELSE000"}
        await chat.slack.slash("dave", "ops", "/ops", "get pods", overrides=forged)
        await chat.told("dave", "only full members")
        assert chat.slack.app_messages("ops") == []
        assert await chat.rows("SELECT 1 FROM runs") == []


async def test_in_a_direct_conversation_it_works_as_well(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path) as chat:
        await ops(chat, "get deployments -n shop", where="@dave")
        await chat.reads(await root(chat, where="@dave"), "checkout", where="@dave")
        ts = await chat.slack.dm("dave", "status")
        await chat.reads(ts, "is running in this channel", where="@dave")


async def test_a_command_that_cannot_be_recorded_is_said_to_be_lost(
    dsn: str, tmp_path: Path
) -> None:
    async with Gate(dsn).serve() as gate, world(gate.dsn, tmp_path, slack=PATIENT) as chat:
        thread = await chat.ask(SCALE)
        await chat.card(thread)
        name = await short_id(chat)
        await chat.quiet(thread)
        gate.shut()
        await ops(chat, "get pods -n shop")
        await chat.told("dave", "could not record this command; nothing was approved", timeout=10)
        await ops(chat, f"approve {name}", by="bob")
        await chat.told("bob", "could not record this command; nothing was approved", timeout=10)
        assert roots(chat) == []
        gate.reopen()
        for _ in range(20):  # as somebody would who was told to try again
            await ops(chat, f"approve {name}", by="bob")
            if [vote for _, vote, _ in await votes(chat)] == ["approve"]:
                break
        await chat.reads(thread, "done and verified", timeout=20)
        assert len(chat.cluster.mutations) == 1


# --- what only resembles commands -------------------------------------------------------------


@pytest.mark.long
async def test_sentences_that_resemble_commands_do_nothing(dsn: str, tmp_path: Path) -> None:
    """Said where an open proposal, a change that can be undone and a run at work are at hand."""

    def script(request: Json) -> Turn:
        return slow(request) if "look at everything" in str(request["messages"]) else says("Hm.")

    async with world(dsn, tmp_path, script, slack=PATIENT) as chat:
        assert chat.model is not None
        done = await chat.ask(SCALE)
        await chat.press("Approve", await chat.card(done), by="bob")
        await chat.reads(done, "done and verified")
        waiting = await chat.ask("scale deployment/cart --replicas 3 -n shop")
        await chat.card(waiting)
        name = await short_id(chat, 2)
        await chat.quiet(waiting)
        before = await state(chat)
        assert len(before) == 5
        said = sentences(300, short_id=name)
        chat.model.latency = 2.0  # one that works takes in what else is said in its thread
        threads = [await chat.slack.post("alice", "ops", "we talk") for _ in range(10)]
        for number, sentence in enumerate(said):
            place = [done, waiting, *threads][number % 12]
            # people who may decide, and everybody may stop
            await chat.slack.mention(("alice", "bob")[number % 2], "ops", escaped(sentence), place)
            if number % 25 == 24:
                await chat.slack.settled(20)
        await chat.slack.settled(20)
        heard = await chat.rows(
            "SELECT count(*) AS n FROM messages WHERE role = 'user' AND author <> %s",
            chat.slack.user_id("dave"),
        )
        assert heard[0]["n"] == len(said) == 300
        assert await state(chat) == before
        assert len(chat.cluster.mutations) == 1
        assert chat.slack.ephemerals("alice", "ops") == []
        assert chat.slack.ephemerals("bob", "ops") == []


async def state(chat: World) -> list[tuple[object, ...]]:
    """Everything that a command or a word would have changed."""
    rows = await chat.rows(
        "SELECT 'call' AS what, id::text AS id, state FROM tool_calls"
        " UNION ALL SELECT 'vote', id::text, vote FROM decisions"
        " UNION ALL SELECT 'run', id::text, kind FROM runs WHERE kind <> 'turn'"
        " UNION ALL SELECT 'stop', id::text, stopped_by FROM runs WHERE stopped_by IS NOT NULL"
        " ORDER BY 1, 2"
    )
    return [tuple(row.values()) for row in rows]


def escaped(text: str) -> str:
    """As Slack sends what people type."""
    mention = "<@U0ALICE00>"
    plain = text.replace(mention, "\0")
    plain = plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return plain.replace("\0", mention)
