"""Votes, denials, edits, grants and their end, stops, expiry, changes of the world, rollbacks and
restarts in any order and at once: a change runs at most once, and only with a valid quorum on
exactly what ran.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from tests.conversations.players import MISSING, ONCALL, POLICY, QUICK, SLOW, Plan, Players
from tests.conversations.test_policy import PATIENT
from tests.standins.locks import LockOrder
from tests.world import World, world


@asynccontextmanager
async def players(dsn: str, folder: Path, workers: int = 0) -> AsyncIterator[Players]:
    """Who carries plans out in one world, in which nobody locks rows in another order than all
    others; its bot runs here, or as so many processes.
    """
    path = folder / "countersign.yaml"
    path.write_text(POLICY)
    door = LockOrder(dsn)
    given = {"extra": {"COUNTERSIGN_CONFIG": str(path)}, "from_now_on": (MISSING,)}
    async with (
        door.serve(),
        world(door.dsn, folder, slack=PATIENT, running="not yet", **given) as chat,  # type: ignore[arg-type]
    ):
        assert chat.slack.set_group("oncall", ["ada"]) == ONCALL
        if not workers:
            await chat.start()
            yield Players(chat, folder)
        else:
            twin = World(chat.slack, chat.cluster, None, chat.dsn, folder, chat.extra, starts=100)
            await chat.spawn()
            await twin.spawn()
            try:
                yield Players(chat, folder, twin)
            finally:
                if twin.process is not None:
                    await twin.kill()
    assert door.wrong == []
    assert {"take_approval", "cast_approval", "void_grants_of_target", "append_audit"} <= door.heard


async def play_all(by: Players, examples: int, plans: st.SearchStrategy[Plan]) -> None:
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
    @given(plans)
    @example(("web", [(0, "approve", "alice"), (1, "approve", "bob")]))
    @example(("web", [(0, "glass", "ada")]))
    @example(("rolls back", [(0, "approve", "alice"), (1, "approve", "bob")]))
    @example(("granted", [(0, "again", "bob"), *((at, "more", "dave") for at in (40, 42, 60))]))
    @example(("granted", [(0, "again", "bob"), (60, "more", "dave"), (66, "revoke", "alice")]))
    def any_plan(plan: Plan) -> None:
        asyncio.run_coroutine_threadsafe(by.play(plan), loop).result()

    await asyncio.to_thread(any_plan)


async def test_at_most_once_and_only_with_its_quorum(dsn: str, tmp_path: Path) -> None:
    async with players(dsn, tmp_path) as by:
        await play_all(by, 3, QUICK)
        assert by.ran > by.alone > 0, "both ways were gone"
        assert min(by.granted, by.rolled_back) > 0


@pytest.mark.crash
@pytest.mark.timeout(1800)
async def test_also_when_two_work_are_killed_and_the_policy_changes(
    dsn: str, tmp_path: Path
) -> None:
    async with players(dsn, tmp_path, workers=2) as by:
        await play_all(by, 60, SLOW)
        assert min(by.ran, by.not_run, by.granted, by.rolled_back) > 0, "all ways were gone"


@pytest.mark.crash
@pytest.mark.timeout(1800)
async def test_in_many_more_orders(dsn: str, tmp_path: Path) -> None:
    async with players(dsn, tmp_path) as by:
        await play_all(by, 150, QUICK)
        assert min(by.ran, by.not_run, by.granted, by.rolled_back) > 10
