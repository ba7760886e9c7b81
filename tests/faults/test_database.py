"""The database cuts every connection, or is away: the same process goes on by itself."""

import asyncio
from pathlib import Path
from time import monotonic

import pytest

from tests.faults.scene import Case, scene, until
from tests.faults.test_kills import proposes
from tests.standins.model import Turn

pytestmark = pytest.mark.timeout(150)
crash = pytest.mark.crash


@crash
@pytest.mark.parametrize("times", [1, 5])
async def test_cut_while_the_model_answers(
    dsn: str, tmp_path: Path, case: Case, times: int
) -> None:
    def script(_: object) -> Turn:
        return Turn(text="All is well.", latency=2 * times)

    async with scene(dsn, tmp_path, case, script) as at:
        model = at.chat.model
        assert model is not None
        thread = await at.chat.ask("how is web?")
        await until(lambda: len(model.requests) == 1, "a request to the model")
        for _ in range(times):
            await asyncio.sleep(1)
            assert await at.cut_database() > 0
        cut = monotonic()
        await at.says_ready(True)
        at.goes_on(cut)
        await at.ends(thread, "All is well", executions=0)
        assert at.chat.starts == 1
        assert len(at.chat.slack.app_messages("ops", thread)) <= 2


@crash
@pytest.mark.parametrize("times", [1, 5])
async def test_cut_while_people_decide(dsn: str, tmp_path: Path, case: Case, times: int) -> None:
    async with scene(dsn, tmp_path, case, proposes) as at:
        thread, card = await at.asked()
        for _ in range(times):
            assert await at.cut_database() > 0
            await asyncio.sleep(0.5)
        await at.says_ready(True)
        clicked = monotonic()
        await at.chat.press("Approve", card, by="bob")
        await at.mutated()
        at.goes_on(clicked)
        await at.ends(thread, "It says: done and verified", executions=1, card="✅ verified")


@crash
async def test_cut_during_the_verification(dsn: str, tmp_path: Path, case: Case) -> None:
    """The process lives and holds the claim; whoever goes on, the deed is not repeated."""
    extra = {"COUNTERSIGN_SETTLE_SECONDS": "2"}
    async with scene(dsn, tmp_path, case, proposes, extra) as at:
        thread, card = await at.asked()
        await at.chat.press("Approve", card, by="bob")
        await at.call_is("done")
        assert await at.cut_database() > 3
        cut = monotonic()
        await at.chat.reads(thread, "It says", timeout=30)
        at.goes_on(cut)
        await at.ends(thread, "It says: done and verified", executions=1, card="✅ verified")


@crash
async def test_away_while_people_decide(dsn: str, tmp_path: Path, case: Case) -> None:
    async with scene(dsn, tmp_path, case, proposes) as at:
        thread, card = await at.asked()
        await at.says_ready(True)
        await at.open_database(is_open=False)
        await at.cut_database()
        assert await at.says_ready(False) == ["the database does not answer"]
        await at.chat.press("Approve", card, by="bob")
        await at.chat.told("bob", "could not record this click; nothing was approved", timeout=10)
        await at.open_database(is_open=True)
        back = monotonic()
        await at.says_ready(True)
        at.goes_on(back)
        await at.chat.press("Approve", card, by="bob")
        await at.ends(thread, "It says: done and verified", executions=1, card="✅ verified")
        assert at.chat.starts == 1


@crash
async def test_away_when_somebody_asks(dsn: str, tmp_path: Path, case: Case) -> None:
    """The event is not acknowledged, so Slack repeats it: late, but not lost."""

    def script(_: object) -> Turn:
        return Turn(text="All is well.")

    async with scene(dsn, tmp_path, case, script) as at:
        await at.open_database(is_open=False)
        await at.cut_database()
        await at.says_ready(False)
        thread = await at.chat.ask("how is web?")
        await asyncio.sleep(3)
        assert at.chat.thread(thread) == ""
        await at.open_database(is_open=True)
        back = monotonic()
        await at.chat.reads(thread, "All is well", timeout=40)
        at.goes_on(back)
        await at.ends(thread, "All is well", executions=0)
        assert len(await at.rows("SELECT 1 FROM runs")) == 1
