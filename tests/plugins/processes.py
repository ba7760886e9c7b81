"""`countersign …` as a process of its own, without the two seconds in which Python loads it.

One process for each of the runner's has loaded everything and starts nothing. Whoever wants a
`countersign` gets a fork of it: with its own memory, files, signals and end, as if it had been
started afresh. That a fresh one starts is for the tests of the installed command and of the demo.
"""

import asyncio
import atexit
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, NoReturn

ROOT = Path(__file__).parents[2]
_LARGEST = 2**20
_LOAD = "from tests.plugins.processes import serve; serve({fd})"


@dataclass
class Process:
    """One of them, in the words of `asyncio.subprocess.Process`."""

    pid: int
    returncode: int | None = None
    _end: "asyncio.Task[None] | None" = None

    async def wait(self) -> int:
        """Its exit code, once it has ended; negative for a signal."""
        assert self._end is not None
        await asyncio.shield(self._end)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Raises `ProcessLookupError` when it has ended."""
        if self.returncode is not None:
            raise ProcessLookupError
        os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


async def launch(
    *words: str,
    environment: Mapping[str, str],
    out: IO[bytes],
    err: IO[bytes],
) -> Process:
    """Start `countersign` with these words, and with nothing in its environment but this."""
    ours, its = socket.socketpair()
    with its:
        wish = json.dumps({"words": words, "environment": dict(environment)}).encode()
        socket.send_fds(_mother(), [wish], [out.fileno(), err.fileno(), its.fileno()])
    reader, writer = await asyncio.open_connection(sock=ours)
    process = Process(int(await reader.readline()))

    async def end() -> None:
        said = await reader.readline()
        writer.close()
        # without a word the mother died, and all with her
        process.returncode = int(said) if said else -signal.SIGKILL

    process._end = asyncio.create_task(end())
    return process


@cache
def _mother() -> socket.socket:
    ours, hers = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with hers:
        mother = subprocess.Popen(
            [sys.executable, "-c", _LOAD.format(fd=hers.fileno())],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"]},
            pass_fds=[hers.fileno()],
            stdin=subprocess.DEVNULL,
        )

    def end() -> None:
        ours.close()
        mother.wait()

    atexit.register(end)
    return ours


# --- the process that is forked -----------------------------------------------------------------


def serve(door: int) -> None:
    """Fork whenever the door says so, and say how each ended; the end of the door is the end."""
    _load_everything()
    with socket.socket(fileno=door) as wishes, selectors.DefaultSelector() as selector:
        woken, wakes = socket.socketpair()
        woken.setblocking(False)
        wakes.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
        selector.register(wishes, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        living: dict[int, socket.socket] = {}
        while True:
            ready = {key.fileobj for key, _ in selector.select()}
            if woken in ready:
                woken.recv(4096)
                _bury(living)
            if wishes not in ready:
                continue
            wish, files, _, _ = socket.recv_fds(wishes, _LARGEST, 3)
            if not wish:
                break
            if not (pid := os.fork()):
                selector.close()
                for each in (wishes, woken, wakes, *living.values()):
                    each.close()
                _become(json.loads(wish), files)
            living[pid] = socket.socket(fileno=files[2])
            os.close(files[0])
            os.close(files[1])
            with suppress(OSError):
                living[pid].sendall(b"%d\n" % pid)
        for pid in living:
            os.kill(pid, signal.SIGKILL)


def _load_everything() -> None:
    import gc
    import importlib

    gc.disable()  # what is loaded stays, here and in every fork

    import openai.resources.chat  # noqa: F401 -- the first client that any model gets

    from bot.commands import SUMMARIES

    for name in SUMMARIES:
        importlib.import_module(f"bot.commands.{name}")
    importlib.import_module("bot.agent.openai_model")
    gc.freeze()
    gc.enable()


def _bury(living: dict[int, socket.socket]) -> None:
    with suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            pid, status = found
            with living.pop(pid) as waiting, suppress(OSError):
                waiting.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))


def _become(wish: dict[str, object], files: list[int]) -> NoReturn:
    """In the fork: be `countersign`."""
    from bot.__main__ import main

    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.dup2(files[0], 1)
    os.dup2(files[1], 2)
    for file in files:
        os.close(file)
    words, environment = wish["words"], wish["environment"]
    assert isinstance(words, list)
    assert isinstance(environment, dict)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["countersign", *words]
    main()
    sys.exit(0)
