"""What is kept outlives a disk that fails for a while."""

import asyncio
import logging
from pathlib import Path

import pytest

from bot.sandbox.keeping import Kept


async def test_a_write_that_fails_is_said_once_and_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept, changed = Kept(tmp_path / "kept.json", "thing", 1), asyncio.Event()
    in_the_way = tmp_path / "kept.json.new"
    in_the_way.mkdir()
    changed.set()
    with caplog.at_level(logging.WARNING):
        following = asyncio.ensure_future(kept.follow(lambda: {"n": 1}, changed))
        await asyncio.sleep(1.2)
        assert not following.done()
        in_the_way.rmdir()
        async with asyncio.timeout(10):
            while kept.read() is None:  # noqa: ASYNC110 - a file tells nobody
                await asyncio.sleep(0.05)
    assert kept.read() == {"n": 1}
    assert len([one for one in caplog.records if "cannot be written" in one.message]) == 1
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
