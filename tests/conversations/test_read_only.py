"""With changes switched off the bot looks, and says of every change that there is none here."""

import json
from pathlib import Path

from tests.standins.model import Json, Turn, calls, last_tool_results, says
from tests.world import world

OFF = {"COUNTERSIGN_READ_ONLY": "true"}


async def test_a_command_that_would_change_something_is_refused(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path, extra=OFF) as chat:
        for command in (
            "rollout undo deployment/checkout -n shop",
            "scale deployment/web -n shop --replicas 5",
        ):
            thread = await chat.ask(command)
            await chat.reads(thread, "changes are switched off here")
        thread = await chat.ask("get pods -n shop")
        await chat.reads(thread, "CrashLoopBackOff")
        thread = await chat.ask("status")
        await chat.reads(thread, "switched off here")
        assert await chat.rows("SELECT 1 FROM tool_calls WHERE kind = 'change'") == []
        refused = await chat.rows("SELECT 1 FROM audit WHERE kind = 'refused'")
        assert len(refused) == 2
        assert not [one for one in chat.cluster.requests if one.verb == "patch"], "no dry run"


async def test_a_card_of_before_cannot_be_approved_any_more(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path) as chat:
        await chat.ask("scale deployment/web -n shop --replicas 5")
        card = await chat.slack.wait_for(
            lambda: next(
                (m for m in chat.slack.app_messages("ops") if '"approve"' in json.dumps(m)), None
            ),
            20,
        )
        assert card is not None
        await chat.stop()
        looked = len(chat.cluster.requests)
        chat.extra = OFF
        await chat.start()
        await chat.slack.click("bob", "ops", card["ts"], text="Approve")
        await chat.told("bob", "switched off here since this card was shown")
        patches = [one for one in chat.cluster.requests[looked:] if one.verb == "patch"]
        assert patches == [], "not even a dry run"
        assert await chat.rows("SELECT 1 FROM decisions") == []


async def test_a_model_is_told_and_can_say_so(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path, script, extra=OFF) as chat:
        thread = await chat.ask("make web bigger")
        await chat.reads(thread, "I may not change anything here")
        assert chat.cluster.mutations == []


def script(request: Json) -> Turn:
    results = last_tool_results(request)
    if not results:
        return calls(("k8s_scale", {"namespace": "shop", "name": "web", "replicas": 5}))
    assert "changes are switched off here" in results[-1]
    return says("I may not change anything here.")
