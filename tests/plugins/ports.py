"""Ports of 127.0.0.1 for servers that must be told theirs before they start."""

import os
import socket
from itertools import cycle

# Below the range that the kernel gives to outgoing connections (Linux: from 32768 on), or one of
# those could take a port between its choice and its use; a block of its own for each process.
_FIRST, _BLOCKS, _EACH = 20_000, 120, 100
_first = _FIRST + os.getpid() % _BLOCKS * _EACH
_ports = cycle(range(_first, _first + _EACH))


def free_port() -> int:
    """A port that nobody listens on now, and that was not given out lately."""
    for port in _ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("a cycle has no end")
