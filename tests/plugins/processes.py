"""`countersign …` as a process of its own, without the two seconds in which Python loads it.

One process for all of the runner's has loaded everything and starts nothing. Whoever wants a
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
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, NoReturn

ROOT = Path(__file__).parents[2]
_LARGEST = 2**20
_LOAD = "from tests.plugins.processes import serve; serve({door!r})"
_PATIENCE = 30.0  # seconds until she listens


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
    """A way to her; whoever finds none starts her, and she who comes second leaves at once."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    door = f"\0countersign-test-{os.getuid()}-{run}"
    ours = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    starter: subprocess.Popen[bytes] | None = None
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            ours.connect(door)
            break
        except ConnectionRefusedError:
            assert time.monotonic() < until, "nobody answers who would fork a countersign"
        if starter is None:
            starter = subprocess.Popen(
                [sys.executable, "-c", _LOAD.format(door=door)],
                cwd=ROOT,
                env={"PATH": os.environ["PATH"]},
                stdin=subprocess.PIPE,  # she stays for as long as this is open
            )
        time.sleep(0.01)

    def end() -> None:
        ours.close()
        if starter is not None:
            assert starter.stdin is not None
            starter.stdin.close()

    atexit.register(end)
    return ours


# --- the process that is forked -----------------------------------------------------------------


def serve(name: str) -> None:
    """Fork whenever somebody at the door says so, and tell him how each ended.

    Who goes takes his with him; when all are gone, also the one who started this, it ends.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door:
        try:
            door.bind(name)
        except OSError:
            return  # somebody was faster
        door.listen()
        _load_everything()
        _serve(door)


def _serve(door: socket.socket) -> None:
    with selectors.DefaultSelector() as selector:
        woken, wakes = socket.socketpair()
        woken.setblocking(False)
        wakes.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
        callers: dict[socket.socket, dict[int, socket.socket]] = {}
        for each in (door, woken, sys.stdin):
            selector.register(each, selectors.EVENT_READ)
        started = True
        while started or callers:
            for key, _ in selector.select():
                if key.fileobj is woken:
                    woken.recv(4096)
                    _bury(callers)
                elif key.fileobj is sys.stdin:
                    selector.unregister(sys.stdin)
                    started = False
                elif key.fileobj is door:
                    caller, _ = door.accept()
                    callers[caller] = {}
                    selector.register(caller, selectors.EVENT_READ)
                else:
                    assert isinstance(key.fileobj, socket.socket)
                    _answer(key.fileobj, callers, [door, woken, wakes], selector)


def _answer(
    caller: socket.socket,
    callers: dict[socket.socket, dict[int, socket.socket]],
    others: list[socket.socket],
    selector: selectors.BaseSelector,
) -> None:
    wish, files, _, _ = socket.recv_fds(caller, _LARGEST, 3)
    living = callers[caller]
    if not wish:
        selector.unregister(caller)
        caller.close()
        for pid, waiting in callers.pop(caller).items():
            os.kill(pid, signal.SIGKILL)
            waiting.close()
        return
    if not (pid := os.fork()):
        selector.close()
        for each in (
            *others,
            *callers,
            *(its for all_ in callers.values() for its in all_.values()),
        ):
            each.close()
        _become(json.loads(wish), files)
    living[pid] = socket.socket(fileno=files[2])
    os.close(files[0])
    os.close(files[1])
    with suppress(OSError):
        living[pid].sendall(b"%d\n" % pid)


def _load_everything() -> None:
    import gc
    import importlib

    gc.disable()  # what is loaded stays, here and in every fork

    from bot.commands import SUMMARIES

    for name in SUMMARIES:
        importlib.import_module(f"bot.commands.{name}")
    gc.freeze()
    gc.enable()


def _bury(callers: dict[socket.socket, dict[int, socket.socket]]) -> None:
    with suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            pid, status = found
            for living in callers.values():
                if (waiting := living.pop(pid, None)) is None:
                    continue  # another's, or of one who is gone
                with waiting, suppress(OSError):
                    waiting.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))


def _become(wish: dict[str, object], files: list[int]) -> NoReturn:
    """In the fork: be `countersign`."""
    from bot.__main__ import main

    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
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
