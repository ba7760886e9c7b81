"""SIGTERM: what runs is brought to a point from which the next process goes on."""

from pathlib import Path

import pytest

from tests.faults.scene import Case, scene, until
from tests.faults.test_kills import first, proposes
from tests.standins.model import Json, Turn, calls, hangs, says, slowly

pytestmark = pytest.mark.timeout(150)
crash = pytest.mark.crash
_LONGEST = 25.0  # seconds that an orderly end may take
LOOK = ("k8s_get", {"kind": "pods", "namespace": "shop"})


@crash
async def test_during_a_model_call(dsn: str, tmp_path: Path, case: Case) -> None:
    """Its reply is awaited and kept: the next process does not ask again."""

    def script(request: Json) -> Turn:
        looked = any(m["role"] == "tool" for m in request["messages"])
        return says("All is well.") if looked else slowly(calls(LOOK), latency=2)

    async with scene(dsn, tmp_path, case, script) as at:
        model = at.chat.model
        assert model is not None
        thread = await at.chat.ask("how is web?")
        await until(lambda: len(model.requests) == 1, "a request to the model")
        took = await at.terminate()
        assert took < 10
        await at.start()
        await at.ends(thread, "All is well", executions=0)
        assert len(model.requests) == 2
        assert len(at.chat.slack.app_messages("ops", thread)) <= 2


@crash
async def test_during_a_model_call_that_never_ends(dsn: str, tmp_path: Path, case: Case) -> None:
    async with scene(dsn, tmp_path, case, first(hangs(2), lambda _: says("All is well."))) as at:
        model = at.chat.model
        assert model is not None
        thread = await at.chat.ask("how is web?")
        await until(lambda: len(model.requests) == 1, "a request to the model")
        assert await at.terminate() < _LONGEST
        await at.start()
        await at.ends(thread, "All is well", executions=0)
        assert len(model.requests) == 2


@crash
@pytest.mark.parametrize("settle", [2, 24])
async def test_during_a_verification(dsn: str, tmp_path: Path, case: Case, settle: int) -> None:
    """Whatever time it still needs, it is not given up, and nothing is sent a second time."""
    extra = {"COUNTERSIGN_SETTLE_SECONDS": str(settle)}
    async with scene(dsn, tmp_path, case, proposes, extra) as at:
        thread, card = await at.asked()
        await at.chat.press("Approve", card, by="bob")
        await at.call_is("done")
        assert await at.terminate() < _LONGEST
        await at.start()
        await at.ends(
            thread,
            "It says: done and verified",
            executions=1,
            card="✅ verified.*no restarts",
            timeout=60,
        )
        assert "interrupted" not in at.chat.thread(thread)


@crash
async def test_while_nothing_runs(dsn: str, tmp_path: Path, case: Case) -> None:
    async with scene(dsn, tmp_path, case, lambda _: says("All is well.")) as at:
        thread = await at.chat.ask("how is web?")
        await at.ends(thread, "All is well", executions=0)
        assert await at.terminate() < 10
