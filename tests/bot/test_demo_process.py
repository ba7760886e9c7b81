"""The demo's bot as a process: started again when it is killed, but not for ever."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.demo.bot_process import Bot

_ENVIRONMENT = {"PATH": os.environ["PATH"], "SAID": "the same"}
_LIVES = "import os, time; print('up', os.getpid(), os.environ['SAID'], flush=True); time.sleep(60)"


class Told:
    """A bot that is a line of Python, its log, and what the terminal said of it."""

    def __init__(self, log: Path, program: str) -> None:
        self.log = log
        self.said: list[str] = []
        self.bot = Bot(_ENVIRONMENT, log, self.said.append, (sys.executable, "-c", program))

    def ups(self) -> list[str]:
        """What each life wrote when it began."""
        return [line for line in self.log.read_text().splitlines() if line.startswith("up ")]

    async def life(self, number: int) -> int:
        """The pid of this life, once it has begun."""
        until = time.monotonic() + 8
        while len(self.ups()) < number:
            assert time.monotonic() < until, self.log.read_text()
            await asyncio.sleep(0.02)
        return int(self.ups()[number - 1].split()[1])


Tell = Callable[[str], Told]


@pytest.fixture
def tell(tmp_path: Path) -> Tell:
    return lambda program: Told(tmp_path / "bot.log", program)


@pytest.mark.timeout(20)
async def test_one_that_is_killed_goes_on_with_its_environment_and_its_log(tell: Tell) -> None:
    told = tell(_LIVES)
    await told.bot.start()
    try:
        async with asyncio.TaskGroup() as group:
            failed = group.create_task(told.bot.failed(), name="bot")
            first = await told.life(1)
            os.kill(first, signal.SIGKILL)
            second = await told.life(2)
            told.bot.kill()
            third = await told.life(3)
            assert not failed.done()
            failed.cancel()
    finally:
        await told.bot.end()
    assert len({first, second, third}) == 3
    assert all(up.endswith(" the same") for up in told.ups())
    assert (
        told.said
        == ["The bot was killed (SIGKILL); it is started again and goes on where it was."] * 2
    )
    assert told.bot.returncode == -signal.SIGTERM, "ended by us, and not started again"
    with pytest.raises(ValueError, match=r"^The bot is not running\.$"):
        told.bot.kill()


@pytest.mark.timeout(20)
async def test_one_that_is_killed_again_and_again_ends(tell: Tell) -> None:
    told = tell("import os; print('up', flush=True); os.kill(os.getpid(), 11)")
    await told.bot.start()
    assert await told.bot.failed() == (
        "was killed 6 times within a minute (the last time by SIGSEGV)"
    )
    assert told.log.read_text().count("up\n") == 6
    assert len(told.said) == 5
    assert "(SIGSEGV)" in told.said[0]
    with pytest.raises(ValueError, match="once more would end the demo"):
        told.bot.kill()
    await told.bot.end()


@pytest.mark.timeout(20)
@pytest.mark.parametrize("code", [0, 78])
async def test_one_that_ends_by_itself_ends(tell: Tell, code: int) -> None:
    told = tell(f"raise SystemExit({code})")
    await told.bot.start()
    assert await told.bot.failed() == f"ended by itself (exit {code})"
    assert told.said == []
    assert told.bot.returncode == code


@pytest.mark.timeout(20)
async def test_one_whose_log_is_in_the_way_is_not_started_again(tell: Tell) -> None:
    told = tell(_LIVES)
    await told.bot.start()
    pid = await told.life(1)
    told.log.unlink()
    told.log.mkdir()
    os.kill(pid, signal.SIGKILL)
    failed = await told.bot.failed()
    assert failed.startswith("was killed (SIGKILL) and cannot be started again (")
    assert "cannot be read or written: Is a directory." in failed
