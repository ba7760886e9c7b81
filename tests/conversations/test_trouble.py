"""The model or the database fails in the middle of a thread: one sentence says what happened and
what to do, nothing is lost or done twice, and the next message works.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from bot.agent.streaming_model import StreamingModel
from bot.core.errors import DatabaseAway
from bot.sandbox.slack import Settings as SlackSettings
from bot.store.database import Database
from tests.standins.model import Json, Turn, breaks_after, calls, error, hangs, raw, says
from tests.world import Gate, World, buttons, shown, world

WEB = {"namespace": "shop", "kind": "deployment", "name": "web"}
PODS = ("k8s_get", {"kind": "pods", "namespace": "shop"})


def results(request: Json) -> list[str]:
    """What tools told the model in this request."""
    return [m["content"] for m in request["messages"] if m["role"] == "tool"]


def requests(chat: World) -> list[Json]:
    """What the model was asked so far."""
    assert chat.model is not None
    return chat.model.requests


def impatient(chat: World, seconds: float = 0.5) -> None:
    """Let the model's client give up after parts of a second; people set no such thing."""
    assert chat.parts is not None
    model = chat.parts.model
    assert isinstance(model, StreamingModel)
    model._settings = replace(
        model._settings, request_timeout=seconds, idle_timeout=seconds, backoff=0.01
    )


async def goes_on(chat: World, thread: str) -> None:
    """The next message in the thread is answered."""
    await chat.quiet(thread)
    await chat.slack.post("dave", "ops", "try again", thread_ts=thread)
    await chat.reads(thread, "Here I am again")
    await chat.quiet(thread)
    assert not any("⏳" in shown(m) for m in chat.slack.app_messages("ops", thread))


# --- the model does not answer ----------------------------------------------------------------


REFUSED = [
    ([error(401)], r"did not answer \(1 try, 0 s: the key was refused\)"),
    ([error(404)], r"did not answer \(1 try, 0 s: it does not exist there\)"),
    ([error(400)], r"\(1 try, 0 s: the request was refused, HTTP 400\)"),
    ([error(400, body={"error": {"message": "context_length_exceeded"}})] * 3, "too long for it"),
]
BUSY = [
    ([error(503)] * 3, r"did not answer \(3 tries, \d s: overloaded\)"),
    ([error(429, retry_after=0.01)] * 3, r"did not answer \(3 tries, \d s: rate limit\)"),
    ([error(429, retry_after=900)], r"did not answer \(1 try, 0 s: rate limit\)"),
    ([error(500, body="<html>secret page</html>")] * 3, r"its server failed, HTTP 500"),
]
BROKEN_OFF = [
    ([breaks_after(3)] * 3, r"stopped in the middle of its answer \(3 tries"),
    ([breaks_after(3, aborts=False)] * 3, r"stopped in the middle of its answer \(3 tries"),
    ([breaks_after(0)] * 3, r"did not answer \(3 tries"),
    ([hangs()] * 2, r"did not answer \(2 tries, \d s: nothing came for 0.5 s\)"),
    ([hangs(3)] * 2, r"stopped in the middle of its answer .*nothing came for 0.5 s"),
]


@pytest.mark.parametrize(
    "cases", [REFUSED, *(pytest.param(one, marks=pytest.mark.long) for one in (BUSY, BROKEN_OFF))]
)
async def test_a_model_that_fails_is_said_once_and_the_thread_goes_on(
    dsn: str, tmp_path: Path, cases: list[tuple[list[Turn], str]]
) -> None:
    script = [turn for faults, _ in cases for turn in (*faults, says("Here I am again."))]
    async with world(dsn, tmp_path, script) as chat:
        # what answers with an error is never slow by itself, but the machine may be busy
        impatient(chat, 0.5 if cases is BROKEN_OFF else 10)
        asked = 0
        for faults, says_so in cases:
            thread = await chat.ask("how is web?")
            failed = shown(await chat.reads(thread, says_so))
            assert failed.startswith("⛔ The model")
            assert "Nothing more was done." in failed
            # what to do now is part of it
            assert "commands" in failed or "new thread" in failed
            assert "secret page" not in failed
            assert "one two" not in chat.thread(thread)  # half an answer is none
            assert len(requests(chat)) == asked + len(faults)
            await goes_on(chat, thread)
            asked += len(faults) + 1
            assert len(requests(chat)) == asked
        states = [row["state"] for row in await chat.rows("SELECT state FROM runs ORDER BY id")]
        assert states == ["failed", "done"] * len(cases)


async def test_a_model_that_is_not_there_is_said_and_may_come_back(
    dsn: str, tmp_path: Path
) -> None:
    async with world(dsn, tmp_path, lambda _: says("Here I am again.")) as chat:
        impatient(chat, 2)
        assert chat.model is not None
        await chat.model.go_away()
        thread = await chat.ask("how is web?")
        await chat.reads(thread, r"did not answer \(3 tries, \d s: no connection\)")
        # commands need no model
        await chat.slack.post("dave", "ops", "get deployment web -n shop", thread_ts=thread)
        await chat.reads(thread, "kind: Deployment")
        await chat.model.come_back()
        await goes_on(chat, thread)


async def test_a_model_that_fails_after_a_change_says_that_the_change_happened(
    dsn: str, tmp_path: Path
) -> None:
    script = [calls(("k8s_scale", {**WEB, "replicas": 5})), error(401), says("Here I am again.")]
    async with world(dsn, tmp_path, script) as chat:
        thread = await chat.ask("scale web to 5")
        await chat.press("Approve", await chat.card(thread), by="bob")
        failed = shown(await chat.reads(thread, "the key was refused"))
        assert "Nothing was changed" not in failed
        await chat.quiet(thread)
        assert chat.replicas() == 5
        assert "verified" in shown(chat.cards(thread)[0])
        assert buttons(chat.cards(thread)[0]) == ["Undo"]
        await goes_on(chat, thread)
        # and the model is told of the change that it never got to hear of
        assert "done and verified" in str(requests(chat)[-1]["messages"])
        assert len(chat.cluster.mutations) == 1


# --- the model asks for nonsense --------------------------------------------------------------


WISHES: list[tuple[tuple[str, Json | str], str]] = [
    (("k8s_get", '{"kind": "pods", "namesp'), "not valid JSON .*Nothing was done"),
    (("k8s_get", '["pods"]'), "must be one JSON object"),
    (("k8s_get", "null"), "must be one JSON object"),
    (("k8s_get", ""), "`kind` is missing"),
    (("k8s_get", {}), "`kind` is missing"),
    (("k8s_gte", {"kind": "pods"}), r"no tool called 'k8s_gte'\. Nearest: k8s_get"),
    (("rm -rf /", {}), "no tool called 'rm -rf /'"),
    (("", {}), "no tool called"),
    (("k8s_get", {"kind": "podz"}), "serves no kind podz. Nearest: pod"),
    (("k8s_get", {"kind": "pods", "namespce": "shop"}), "did you mean `namespace`"),
    (("k8s_get", {"kind": "pods", "limit": "many"}), "`limit` must be a whole number"),
    (("k8s_get", {"kind": "pods", "limit": True}), "`limit` must be a whole number"),
    (("k8s_get", {"kind": "pods", "namespace": "--server=x"}), "`namespace` must be"),
    (("k8s_get", {"kind": "pods", "name": "../etc"}), "`name` must be"),
    (("k8s_get", {"kind": "pods", "name": "a/b"}), "`name` must be"),
    (("k8s_get", {"kind": "pods", "selector": "--all"}), "`selector` must be"),
    (("k8s_logs", {"namespace": "shop", "name": "-f"}), "`name` must be"),
    (("k8s_get", {"kind": "pods", "namespace": "sh\u200bop"}), "invisible or control"),
    (("k8s_get", {"kind": "pods", "name": "web\x00"}), "invisible or control"),
    (("k8s_get", {"kind": "pods", "cluster": "prod"}), "`cluster` must be one of"),
    (("k8s_scale", {**WEB, "replicas": -1}), "`replicas` must be a whole number from 0"),
    (("k8s_scale", {**WEB, "replicas": "5; rm"}), "`replicas` must be a whole number"),
    (("k8s_scale", {**WEB, "replicas": 3}), "already has 3 replicas"),
    (("k8s_scale", {**WEB, "name": "wbe", "replicas": 3}), "not found|There is no"),
    (("artifact_search", {"id": "../../etc", "pattern": "x"}), "artifact's id"),
    (("artifact_search", {"id": "0" * 32, "pattern": "x"}), "no such artifact in this thread"),
    (
        ("k8s_get", {"kind": "pods", "name": "xoxb-1234567890-abcdefghijkl"}),
        "not found|There is no|credential",
    ),
]


async def test_broken_wishes_go_back_to_the_model_and_do_nothing(dsn: str, tmp_path: Path) -> None:
    """All in one reply: each gets the answer to its own mistake."""
    script = [calls(*(wish for wish, _ in WISHES)), says("I see.")]
    async with world(dsn, tmp_path, script) as chat:
        thread = await chat.ask("look")
        await chat.reads(thread, "I see")
        answers = results(requests(chat)[1])
        told = [
            (wish, answer)
            for (wish, says_so), answer in zip(WISHES, answers, strict=True)
            if not re.search(says_so, answer) or len(answer) > 700
        ]
        assert told == []
        await chat.quiet(thread)
        assert chat.cluster.mutations == []
        assert chat.cards(thread) == []


async def test_arguments_nested_without_end_are_a_broken_wish_like_any_other(
    dsn: str, tmp_path: Path
) -> None:
    async with world(dsn, tmp_path, [calls(("k8s_get", "[" * 5000)), says("I see.")]) as chat:
        thread = await chat.ask("look")
        await chat.reads(thread, "I see", timeout=8)
        assert "not valid JSON" in results(requests(chat)[1])[0]


async def test_one_broken_wish_among_good_ones_spoils_none(dsn: str, tmp_path: Path) -> None:
    script = [
        calls(PODS, ("k8s_get", "{broken"), ("nothing", {}), ("k8s_scale", {**WEB, "replicas": 4})),
        says("Done."),
    ]
    async with world(dsn, tmp_path, script) as chat:
        thread = await chat.ask("look and scale")
        await chat.press("Approve", await chat.card(thread), by="bob")
        await chat.reads(thread, r"Done\.")
        pods, broken, unknown, scaled = results(requests(chat)[1])
        assert "web-" in pods
        assert "not valid JSON" in broken
        assert "no tool called" in unknown
        assert scaled.startswith("done and verified")


async def test_calls_without_an_id_or_with_one_id_twice_are_told_apart(
    dsn: str, tmp_path: Path
) -> None:
    def call(index: int, name: str) -> Json:
        arguments = f'{{"kind": "{name}", "namespace": "shop"}}'
        function = {"name": "k8s_get", "arguments": arguments}
        return {"index": index, "id": "same", "type": "function", "function": function}

    delta = {"role": "assistant", "tool_calls": [call(0, "services"), call(1, "configmaps")]}
    chunks = [
        {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]},
    ]
    async with world(dsn, tmp_path, [raw(chunks), says("Both.")]) as chat:
        thread = await chat.ask("look")
        await chat.reads(thread, "Both")
        first, second = results(requests(chat)[1])
        assert "services" in first
        assert "(1 configmap" in second


async def test_the_third_identical_call_is_answered_without_a_look(
    dsn: str, tmp_path: Path
) -> None:
    script = [calls(PODS), calls(PODS), calls(PODS), says("Enough.")]
    async with world(dsn, tmp_path, script) as chat:
        thread = await chat.ask("look")
        await chat.reads(thread, "Enough")
        first, second, third = results(requests(chat)[3])
        assert "web-" in first
        assert "web-" in second
        assert third.startswith("You already have this")
        looks = [r for r in chat.cluster.requests if r.path.endswith("/namespaces/shop/pods")]
        assert len(looks) == 2


async def test_a_run_ends_at_its_limit_with_what_it_found(dsn: str, tmp_path: Path) -> None:
    """A model that never stops asking is stopped after 25 calls, and the person hears it."""
    asked = 0

    def script(_: Json) -> Turn:
        nonlocal asked
        asked += 1
        name = ("k8s_get", {"kind": "pods", "namespace": "shop", "limit": asked})
        return Turn(text=f"Look number {asked}.", calls=(name,))

    async with world(dsn, tmp_path, script) as chat:
        thread = await chat.ask("look for ever")
        answer = shown(await chat.reads(thread, "I stopped here", timeout=30))
        assert "may ask the model 25 times" in answer
        assert "Look number 25" in answer
        assert "I had made 25 calls" in answer
        await chat.quiet(thread)
        assert asked == 25


async def test_own_limits_come_from_the_configuration(dsn: str, tmp_path: Path) -> None:
    config = tmp_path / "countersign.yaml"
    config.write_text("limits: {model_calls: 2}\n")
    extra = {"COUNTERSIGN_CONFIG": str(config)}
    async with world(dsn, tmp_path, lambda _: calls(PODS), extra=extra) as chat:
        thread = await chat.ask("look for ever")
        await chat.reads(thread, "may ask the model 2 times")


# --- what the model says is odd ---------------------------------------------------------------


async def test_an_empty_answer_is_said_to_be_one(dsn: str, tmp_path: Path) -> None:
    script = [says(""), says("   \n"), says("Here I am again.")]
    async with world(dsn, tmp_path, script) as chat:
        thread = await chat.ask("how is web?")
        await chat.reads(thread, "ended without an answer")
        await chat.slack.post("dave", "ops", "well?", thread_ts=thread)
        ended = "The model ended without an answer"
        await chat.slack.wait_for(lambda: chat.thread(thread).count(ended) >= 4, 30)
        await chat.quiet(thread)
        await goes_on(chat, thread)


async def test_an_enormous_answer_is_a_beginning_and_a_file(dsn: str, tmp_path: Path) -> None:
    lines = [f"line {number} of a very long answer about everything" for number in range(9000)]
    text = "\n\n".join(lines)
    async with world(dsn, tmp_path, [Turn(text=text, pieces=(text,))]) as chat:
        thread = await chat.ask("tell me everything")
        await chat.reads(thread, r"answer\.md", timeout=30)
        await chat.slack.wait_for(lambda: any(f.complete for f in chat.slack.files), 15)
        await chat.quiet(thread)
        (file,) = chat.slack.files
        assert file.name == "answer.md"
        assert (file.content or b"").decode() == text
        assert file.channels == [chat.slack.channel_id("ops")]
        messages = chat.slack.app_messages("ops", thread)
        assert "line 0 of" in shown(messages[0]) + shown(messages[1])


async def test_an_answer_cut_at_the_models_limit_says_so(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path, [says("It is because", finish="length")]) as chat:
        thread = await chat.ask("why?")
        await chat.reads(thread, "length limit")


# --- the database is away ---------------------------------------------------------------------


async def _back(chat: World, gate: Gate) -> None:
    """The database is back, and the bot has noticed."""
    gate.reopen()
    assert chat.parts is not None
    for _ in range(100):
        if await chat.parts.database.answers():
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the bot did not come back to its database")


async def test_a_mention_while_the_database_is_away_is_not_acked_and_slack_sends_it_again(
    dsn: str, tmp_path: Path
) -> None:
    gate = Gate(dsn)
    slack = SlackSettings(ack_seconds=3, retry_delays=(0.5, 2.0, 4.0), delivery="round_robin")
    async with (
        gate.serve(),
        world(
            dsn,
            tmp_path,
            lambda _: says("Answered."),
            slack=slack,
            extra={"DATABASE_URL": gate.dsn},
        ) as chat,
    ):
        gate.shut()
        thread = await chat.ask("how is web?")
        await chat.slack.wait_for(lambda: _outcomes(chat)[:1] == ["timeout"], 8)
        assert chat.slack.app_messages("ops", thread) == []
        await _back(chat, gate)
        await chat.reads(thread, "Answered", timeout=25)
        await chat.quiet(thread)
        assert "acked" in _outcomes(chat)
        assert len(await chat.rows("SELECT 1 FROM runs")) == 1
        assert len(await chat.rows("SELECT 1 FROM events")) == 1
        said = [m for m in chat.slack.app_messages("ops", thread) if "Answered" in shown(m)]
        assert len(said) == 1


def _outcomes(chat: World) -> list[str]:
    return [e.outcome for e in chat.slack.envelopes if e.event.get("type") == "app_mention"]


@pytest.mark.parametrize(
    "button", ["Approve", *(pytest.param(one, marks=pytest.mark.long) for one in ("Deny", "More…"))]
)
async def test_a_click_while_the_database_is_away_is_acked_and_the_person_told(
    dsn: str, tmp_path: Path, button: str
) -> None:
    gate = Gate(dsn)
    # the door gives up after 2 s, and Slack waits for 3
    slack = SlackSettings(ack_seconds=3, delivery="round_robin")
    script = [calls(("k8s_scale", {**WEB, "replicas": 5})), says("It is done.")]
    async with (
        gate.serve(),
        world(dsn, tmp_path, script, slack=slack, extra={"DATABASE_URL": gate.dsn}) as chat,
    ):
        thread = await chat.ask("scale web to 5")
        card = await chat.card(thread)
        await chat.quiet(thread)
        gate.shut()
        clicked = await chat.slack.click("bob", "ops", card["ts"], text=button)
        assert clicked.acked
        await chat.told("bob", "I could not record this click; nothing was approved. Try again")
        assert chat.cluster.mutations == []
        await _back(chat, gate)
        assert await chat.rows("SELECT 1 FROM decisions") == []
        await chat.press("Approve", card, by="bob")
        await chat.reads(thread, "It is done", timeout=25)
        assert len(chat.cluster.mutations) == 1


async def test_a_modal_sent_off_while_the_database_is_away_says_so(
    dsn: str, tmp_path: Path
) -> None:
    gate = Gate(dsn)
    slack = SlackSettings(ack_seconds=3, delivery="round_robin")
    script = [calls(("k8s_scale", {**WEB, "replicas": 5})), says("Left alone.")]
    async with (
        gate.serve(),
        world(dsn, tmp_path, script, slack=slack, extra={"DATABASE_URL": gate.dsn}) as chat,
    ):
        thread = await chat.ask("scale web to 5")
        card = await chat.card(thread)
        await chat.slack.click("bob", "ops", card["ts"], text="Deny")
        view = await chat.slack.wait_for_view("bob")
        await asyncio.sleep(0.3)  # the modal is noted after it was opened
        gate.shut()
        sent = await chat.slack.submit("bob", view.id, {"reason": "no"})
        assert sent.acked
        assert "could not record this click; nothing was approved" in str(sent.response)
        await _back(chat, gate)
        assert await chat.rows("SELECT 1 FROM decisions") == []
        states = await chat.rows("SELECT state FROM tool_calls")
        assert [row["state"] for row in states] == ["proposed"]


async def _ends_itself(database: Database, begin: Callable[[], object]) -> None:
    """A connection that the server ends in the middle of a transaction."""
    async with database.transaction() as tx:
        begin()
        await tx.connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")


async def test_a_database_that_dies_inside_a_transaction_is_away_as_well(
    database: Database,
) -> None:
    """Else a click in that moment is neither recorded nor answered."""
    begun: list[bool] = []
    try:
        await _ends_itself(database, lambda: begun.append(True))
    except DatabaseAway:
        pass
    except psycopg.OperationalError as raw_error:
        raise AssertionError(f"not translated: {type(raw_error).__name__}") from raw_error
    assert begun == [True]
    assert await database.answers()


async def test_a_job_whose_end_the_database_never_heard_of_does_not_hold_its_thread(
    dsn: str, tmp_path: Path
) -> None:
    async with world(dsn, tmp_path, [says("All is well."), says("Still so.")]) as chat:
        thread = await chat.ask("how is web?")
        await chat.reads(thread, "All is well")
        await chat.quiet(thread)
        for _ in range(500):  # its own is put away
            if not await chat.rows("SELECT 1 FROM procrastinate_jobs"):
                break
            await asyncio.sleep(0.02)
        # what is left when the connection breaks in the very statement that ends a job
        await chat.rows(
            "INSERT INTO procrastinate_jobs"
            " (queue_name, task_name, priority, lock, args, status, worker_id)"
            " SELECT 'default', 'turn', 0, org || '/' || channel || '/' || thread_ts,"
            " jsonb_build_object('run_id', id), 'doing',"
            " (SELECT max(id) FROM procrastinate_workers) FROM runs RETURNING id"
        )
        await chat.slack.post("dave", "ops", "and now?", thread_ts=thread)
        await chat.reads(thread, "Still so")
        await chat.quiet(thread)
        for _ in range(500):  # a job ends after the run that it is for
            left = await chat.rows("SELECT status FROM procrastinate_jobs")
            if not left:
                break
            await asyncio.sleep(0.02)
        assert left == []
