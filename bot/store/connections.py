"""How many connections one process opens, and how long anything on one of them may take."""

from dataclasses import dataclass
from typing import Final

import psycopg

_ALONE = 2  # besides the pools: who listens for sayings, and who migrates at the start


@dataclass(frozen=True)
class Sizes:
    """The most connections of each pool of one process."""

    durable: int
    relaxed: int
    checkpoints: int
    jobs: int

    @classmethod
    def of(cls, connections: int) -> "Sizes":
        """So that all of a process's connections are no more than `connections`."""
        left = connections - _ALONE
        ways, checkpoints = left * 8 // 38, left * 16 // 38
        return cls(ways, ways, checkpoints, left - 2 * ways - checkpoints)


@dataclass(frozen=True)
class Room:
    """How many connections a server allows us, how many of them `others` have, and how many
    processes of ours are connected.
    """

    allowed: int
    others: int
    processes: int

    def holds(self, connections: int) -> int:
        """How many processes with so many connections each it has room for."""
        return max(0, self.allowed - self.others) // connections

    def lacking(self, connections: int) -> list[str]:
        """A sentence, where those that run now may find none."""
        if self.processes <= self.holds(connections):
            return []
        said = (
            f"database: {self.allowed - self.others} connections are left for {self.processes} "
            f"processes that may open {connections} each: raise max_connections, or lower "
            "COUNTERSIGN_DATABASE_CONNECTIONS"
        )
        return [said]


# Milliseconds. Who waits longer for a lock or an answer gives up and is tried again; a connection
# in whose transaction nobody goes on is cut, or its locks would hold up everybody.
_BOUNDS: Final = {
    "statement_timeout": "10000",
    "lock_timeout": "5000",
    "idle_in_transaction_session_timeout": "15000",
}
LONGEST: Final = (
    int(_BOUNDS["statement_timeout"]) + int(_BOUNDS["idle_in_transaction_session_timeout"])
) / 1000
"""Seconds after which the server has ended whatever a connection that broke left behind: the one
statement that it was at, and then its transaction.
"""
# The same where the network swallows everything without a word: the server cannot tell us then.
NETWORK: Final = {
    "connect_timeout": 3,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}


LOST: Final = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    # no operational error to psycopg: a process that stood still in a transaction is cut off by it
    psycopg.errors.IdleInTransactionSessionTimeout,
)
"""What somebody meets whose connection is gone, or whose server is."""


def bounds(**other: str) -> str:
    """Every connection's settings, with others besides or instead."""
    return " ".join(f"-c {key}={value}" for key, value in (_BOUNDS | other).items())
