"""The bot as a process of its own, ended together with the demo."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from bot.demo.folder import told

_ROOT: Final = Path(__file__).resolve().parents[2]
_STOP_SECONDS = 8.0  # for the bot to end by itself; a later start goes on with what it left

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


@asynccontextmanager
async def running(
    environment: Mapping[str, str], log: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The bot, with nothing but this environment; it writes into `log`, which begins anew.

    Raises `BadSettings` when it cannot be written.
    """
    with _fresh(log) as written:
        # A session of its own: Ctrl-C stays with us, who stop everything in order.
        bot = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid())),
            *(sys.executable, "-m", "bot", "run"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=written,
            stderr=written,
            cwd=_ROOT,
            env=dict(environment),
            start_new_session=True,
        )
    try:
        yield bot
    finally:
        await _end(bot)


def _fresh(log: Path) -> BinaryIO:
    with told(log):
        log.unlink(missing_ok=True)
        log.touch(mode=0o600)
        return log.open("ab")


async def _end(bot: asyncio.subprocess.Process) -> None:
    try:
        if bot.returncode is None:
            with suppress(ProcessLookupError):
                bot.send_signal(signal.SIGTERM)
            with suppress(TimeoutError):
                async with asyncio.timeout(_STOP_SECONDS):
                    await bot.wait()
    finally:
        if bot.returncode is None:
            with suppress(ProcessLookupError):
                bot.kill()
            await bot.wait()
