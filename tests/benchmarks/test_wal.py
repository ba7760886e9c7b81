"""How much Postgres writes per turn of a long thread; `make bench` prints it.

Bytes are exact counts of the write-ahead log (pg_current_wal_insert_lsn), not times: nothing here
depends on the machine's speed. The first turns after a checkpoint hold full-page images, so medians
of ten turns are compared.
"""

import asyncio
import statistics
from pathlib import Path

import pytest

from tests.standins.model import Json, Turn, calls, says
from tests.world import World, world

TURNS = 200
ASKED = "turn {}: " + "how does it look now? " * 20  # 0.5 kB
ANSWER = "All of it runs as it should. " * 70  # 2 kB


def looks_once(request: Json) -> Turn:
    """One read of about 1 kB, then an answer."""
    if request["messages"][-1]["role"] == "tool":
        return says(ANSWER)
    return calls(("k8s_get", {"kind": "deployments", "namespace": "shop"}))


async def written(chat: World) -> int:
    """The write-ahead log's position in bytes."""
    rows = await chat.rows("SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint AS bytes")
    return int(rows[0]["bytes"])


async def ended(chat: World, runs: int) -> None:
    """Wait until that many runs have ended and were swept."""
    async with asyncio.timeout(30):
        while True:
            rows = await chat.rows("SELECT count(*) AS n FROM runs WHERE ended_at IS NOT NULL")
            if rows[0]["n"] >= runs:
                return
            await asyncio.sleep(0.02)


@pytest.mark.bench
@pytest.mark.timeout(600)
async def test_wal_per_turn_is_flat_over_200_turns(dsn: str, tmp_path: Path) -> None:
    per_turn: list[int] = []
    async with world(dsn, tmp_path, looks_once) as chat:
        thread = await chat.ask("start")
        await ended(chat, 1)
        for turn in range(1, TURNS + 1):
            before = await written(chat)
            await chat.slack.post("dave", "ops", ASKED.format(turn), thread_ts=thread)
            await ended(chat, turn + 1)
            per_turn.append(await written(chat) - before)
    early, late = statistics.median(per_turn[4:14]), statistics.median(per_turn[-10:])
    print(f"\nWAL per turn (one read, 2 kB answer): turns 5-14 {early / 1000:.1f} kB")
    print(f"                                      turns {TURNS - 9}-{TURNS} {late / 1000:.1f} kB")
    assert early <= 50_000
    assert late <= 50_000
    assert late <= early * 1.2
