"""The version before the newest migration works beside this one, which has migrated meanwhile."""

from pathlib import Path

import pytest

from bot.store.embedded import fresh_database
from tests.bot.test_side_by_side import commit_before_the_newest_migration, git
from tests.faults.scene import Case, scene
from tests.faults.steps import LAST_WORDS, walks
from tests.world import shown

pytestmark = [pytest.mark.timeout(240), pytest.mark.crash]


async def test_the_version_before_and_this_one(server: str, tmp_path: Path, case: Case) -> None:
    """The old one made the database; this one comes, migrates, and the old one goes at last. What
    the old one asked is approved here.
    """
    before = await commit_before_the_newest_migration()
    if before is None:
        pytest.skip("no git history here")
    old = tmp_path / "before"
    assert await git("worktree", "add", "--detach", str(old), before) is not None
    dsn = await fresh_database(server)
    try:
        async with scene(dsn, tmp_path, case, walks, code=old) as at:
            chat = at.chat
            first = await chat.ask("is web fine? then scale it to 5")
            card = await chat.card(first)
            await at.state_is(first, "waiting")
            await at.another()
            asked = [await chat.ask("get pods -n shop", where="general") for _ in range(6)]
            for thread in asked:  # whoever hears them, and whoever carries them on
                await chat.reads(thread, "10 pods in namespace shop|NAME", "general")
            assert await at.rows("SELECT 1 FROM runs WHERE error IS NOT NULL") == []
            assert "Traceback" not in at.log()
            await at.chat.terminate()
            await chat.press("Approve", card, by="bob")
            await chat.reads(first, LAST_WORDS)
            await at.quiet(first)
            case.executions = len(chat.cluster.mutations)
            assert case.executions == 1
            texts = [shown(m) for m in chat.slack.app_messages("ops", first)]
            case.answers = sum(LAST_WORDS in text for text in texts)
            assert case.answers == 1
            case.end = f"{before[:7]} beside this one"
            await at.nothing_is_left()
    finally:
        await git("worktree", "remove", "--force", str(old))
