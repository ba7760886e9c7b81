"""The bot as a process of its own: begun again when it is killed, ended together with the demo."""

import asyncio
import os
import signal
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from bot.core.errors import BadSettings
from bot.demo.folder import told

_ROOT: Final = Path(__file__).resolve().parents[2]
_STOP_SECONDS = 8.0  # for the bot to end by itself; a later start goes on with what it left
_MOST_DEATHS: Final = 5  # within so many seconds; what dies more often does not come up at all
_DEATHS_SECONDS: Final = 60.0

# Runs in a bare interpreter and becomes the bot. The kernel ends the bot when the thread that
# started it dies, even by SIGKILL; macOS has no such request.
_LAUNCH = """
import os, sys
parent, program = int(sys.argv[1]), sys.argv[2:]
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
    if os.getppid() != parent:
        sys.exit("the starting process is gone")
os.execv(program[0], program)
"""
_BOT: Final = (sys.executable, "-m", "bot", "run")


@asynccontextmanager
async def running(
    environment: Mapping[str, str], log: Path, say: Callable[[str], None]
) -> AsyncIterator["Bot"]:
    """The bot, with nothing but this environment; it writes into `log`, which begins anew.

    Raises `BadSettings` when it cannot be written.
    """
    _begin(log)
    bot = Bot(environment, log, say)
    try:
        await bot.start()
        yield bot
    finally:
        await bot.end()


class Bot:
    """The bot's process, and after a kill the next one, which goes on where it was."""

    def __init__(
        self,
        environment: Mapping[str, str],
        log: Path,
        say: Callable[[str], None],
        program: tuple[str, ...] = _BOT,
    ) -> None:
        self._environment = environment
        self._log = log
        self._say = say
        self._program = program
        self._process: asyncio.subprocess.Process | None = None
        self._deaths: deque[float] = deque()

    @property
    def returncode(self) -> int | None:
        """How the newest process ended, if it has."""
        return self._process.returncode if self._process else None

    async def start(self) -> None:
        """Start it; its log is gone on with. Raises `BadSettings` when that cannot be written."""
        with told(self._log):
            written = self._log.open("ab")
        with written:
            # A session of its own: Ctrl-C stays with us, who stop everything in order.
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid())),
                *self._program,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=written,
                stderr=written,
                cwd=_ROOT,
                env=dict(self._environment),
                start_new_session=True,
            )

    async def failed(self) -> str:
        """Start it again whenever it is killed; returns how it ended for good."""
        while True:
            if self._process is None:
                raise RuntimeError("It was never started.")
            code = await self._process.wait()
            if code >= 0:
                return f"ended by itself (exit {code})"
            self._deaths.append(time.monotonic())
            if (times := self._lately()) > _MOST_DEATHS:
                return f"was killed {times} times within a minute (the last time by {_name(-code)})"
            self._say(
                f"The bot was killed ({_name(-code)}); it is started again and goes on where it "
                "was."
            )
            try:
                await self.start()
            except (BadSettings, OSError) as problem:
                return f"was killed ({_name(-code)}) and cannot be started again ({problem})"

    def kill(self) -> None:
        """As `kill -9` does. Raises `ValueError` when one more would be one too many."""
        if self._lately() >= _MOST_DEATHS:
            raise ValueError(
                f"The bot was killed {_MOST_DEATHS} times within a minute; once more would end "
                "the demo. Try again in a minute."
            )
        if self._process is None or self._process.returncode is not None:
            raise ValueError("The bot is not running.")
        with suppress(ProcessLookupError):
            self._process.kill()

    async def end(self) -> None:
        """End it, by force if it does not end by itself."""
        process = self._process
        if process is None:
            return
        try:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.send_signal(signal.SIGTERM)
                with suppress(TimeoutError):
                    async with asyncio.timeout(_STOP_SECONDS):
                        await process.wait()
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()

    def _lately(self) -> int:
        since = time.monotonic() - _DEATHS_SECONDS
        while self._deaths and self._deaths[0] < since:
            self._deaths.popleft()
        return len(self._deaths)


def _begin(log: Path) -> None:
    with told(log):
        log.unlink(missing_ok=True)
        log.touch(mode=0o600)


def _name(number: int) -> str:
    with suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"
