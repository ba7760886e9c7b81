"""The main job, through Slack's protocol, an OpenAI-compatible model and a Kubernetes API."""

from pathlib import Path

from tests.standins.model import Json, Turn, calls, says, says_and_calls
from tests.world import buttons, shown, world

WEB = {"namespace": "shop", "kind": "deployment", "name": "web"}


def tool_results(request: Json) -> list[str]:
    """What the model was told by tools in this request."""
    return [m["content"] for m in request["messages"] if m["role"] == "tool"]


async def test_a_question_is_looked_into_and_answered(dsn: str, tmp_path: Path) -> None:
    script = [
        calls(("k8s_get", {"kind": "pods", "namespace": "shop"})),
        says("All pods of *web* run."),
    ]
    async with world(dsn, tmp_path, script) as chat:
        thread = await chat.ask("how is web?")
        answer = await chat.reads(thread, "All pods of")
        await chat.quiet(thread)
        assert "1 read" in shown(answer)
        messages = chat.slack.app_messages("ops", thread)
        # at most one progress message and one answer, and nothing still says that it works
        assert len(messages) <= 2
        assert not any("⏳" in shown(m) for m in messages)
        assert chat.model is not None
        assert "web-" in tool_results(chat.model.requests[1])[0]
        assert chat.cluster.mutations == []


async def test_a_change_is_proposed_approved_executed_once_verified_and_undone(
    dsn: str, tmp_path: Path
) -> None:
    script = [
        says_and_calls("Three are too few.", ("k8s_scale", {**WEB, "replicas": 5})),
        says("`web` has 5 replicas now."),
    ]
    async with world(dsn, tmp_path, script) as chat:
        thread = await chat.ask("scale web to 5")
        card = await chat.card(thread)
        assert "from 3 to 5" in shown(card)
        assert "Three are too few" in shown(card)
        assert buttons(card) == ["Approve", "Deny", "More…"]
        assert chat.replicas() == 3

        await chat.press("Approve", card, by="bob")
        await chat.reads(thread, "has 5 replicas now")
        done = await chat.reads(thread, "verified")
        assert chat.replicas() == 5
        assert [m.verb for m in chat.cluster.mutations] == ["patch"]
        assert chat.model is not None
        assert tool_results(chat.model.requests[1])[0].startswith("done and verified")

        await chat.quiet(thread)
        done = chat.cards(thread)[0]
        assert buttons(done) == ["Undo"]
        await chat.press("Undo", done, by="alice")
        back = await chat.card(thread, 2)
        assert "from 5 to 3" in shown(back)
        assert "No longer exact" not in shown(back)
        await chat.press("Approve", back, by="bob")
        await chat.slack.wait_for(lambda: chat.replicas() == 3, 10)
        await chat.quiet(thread)
        assert len(chat.cluster.mutations) == 2
        assert buttons(chat.cards(thread)[0]) == []


async def test_a_denial_and_its_reason_reach_the_model(dsn: str, tmp_path: Path) -> None:
    script = [calls(("k8s_scale", {**WEB, "replicas": 9})), says("Understood, I leave it.")]
    async with world(dsn, tmp_path, script) as chat:
        thread = await chat.ask("scale web to 9")
        card = await chat.card(thread)
        await chat.slack.click("alice", "ops", card["ts"], text="Deny")
        view = await chat.slack.wait_for_view("alice")
        await chat.slack.submit("alice", view.id, {"reason": "quota is 6"})
        await chat.reads(thread, "I leave it")
        await chat.quiet(thread)
        assert chat.model is not None
        told = tool_results(chat.model.requests[1])[0]
        assert told.startswith("denied by")
        assert "quota is 6" in told
        assert chat.cluster.mutations == []
        assert buttons(chat.cards(thread)[0]) == []
        assert "quota is 6" in shown(chat.cards(thread)[0])


async def test_a_rollback_heals_the_demo_and_its_undo_brings_the_fault_back(
    dsn: str, tmp_path: Path
) -> None:
    async with world(dsn, tmp_path) as chat:
        thread = await chat.ask("rollout undo deployment/checkout -n shop", by="dave")
        card = await chat.card(thread)
        assert "1.9.0" in shown(card)
        assert "1.8.0" in shown(card)
        await chat.press("Approve", card, by="alice")
        await chat.reads(thread, "verified", timeout=30)
        await chat.quiet(thread)
        assert chat.image().endswith(":1.8.0")
        await chat.press("Undo", chat.cards(thread)[0], by="bob")
        await chat.press("Approve", await chat.card(thread, 2), by="alice")
        await chat.slack.wait_for(lambda: chat.image().endswith(":1.9.0"), 10)
        await chat.reads(thread, "does not work|PAYMENTS_URL|crash", timeout=30)


async def test_the_conversation_goes_on_in_its_thread_without_a_mention(
    dsn: str, tmp_path: Path
) -> None:
    def script(request: Json) -> Turn:
        said = [m["content"] for m in request["messages"] if m["role"] == "user"]
        return says(f"heard {len(said)}: {said[-1]}")

    async with world(dsn, tmp_path, script) as chat:
        thread = await chat.ask("first")
        await chat.reads(thread, "heard 1")
        await chat.slack.post("dave", "ops", "and second", thread_ts=thread)
        await chat.reads(thread, "heard 2.*and second")
        # somebody who never spoke to us there, or who speaks to somebody else, does not mean us
        await chat.slack.post("alice", "ops", "I think so too", thread_ts=thread)
        await chat.slack.post(
            "dave", "ops", f"<@{chat.slack.user_id('bob')}> ok?", thread_ts=thread
        )
        await chat.slack.post("dave", "ops", "not in a thread")
        await chat.slack.settled()
        await chat.quiet(thread)
        assert len(await chat.rows("SELECT 1 FROM runs")) == 2
        assert (
            await chat.rows("SELECT 1 FROM events WHERE actor = %s", chat.slack.user_id("alice"))
            == []
        )


async def test_direct_messages_need_no_mention(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path, [says("Hello.")]) as chat:
        ts = await chat.slack.dm("dave", "hi")
        await chat.reads(ts, "Hello", where="@dave")


async def test_several_changes_of_one_reply_are_each_decided_and_told(
    dsn: str, tmp_path: Path
) -> None:
    script = [
        calls(
            ("k8s_get", {"kind": "deployments", "namespace": "shop"}),
            ("k8s_scale", {**WEB, "replicas": 4}),
            ("k8s_scale", {**WEB, "name": "cart", "replicas": 3}),
        ),
        says("One of two."),
    ]
    async with world(dsn, tmp_path, script) as chat:
        thread = await chat.ask("scale both")
        card = await chat.card(thread)
        await chat.press("Approve 1", card, by="alice")
        assert chat.replicas() == 3  # nothing starts while something is open
        await chat.press("Deny 2", card, by="bob")
        view = await chat.slack.wait_for_view("bob")
        await chat.slack.submit("bob", view.id, {})
        await chat.reads(thread, "One of two")
        assert (chat.replicas(), chat.replicas("cart")) == (4, 2)
        assert chat.model is not None
        looked, done, denied = tool_results(chat.model.requests[1])
        assert "web" in looked
        assert done.startswith("done and verified")
        assert denied.startswith("denied by")
