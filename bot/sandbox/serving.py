"""What the page shows beside the workspace: an introduction, and the cluster as it changes."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bot.sandbox.cluster import Cluster
from bot.sandbox.slack import Workspace

PAGE_DIR: Final = Path(__file__).with_name("page")
"""The page's files, for the workspace's `Settings.page_dir`."""

_PAUSE = 0.2  # seconds between two pictures of the cluster: a rollout changes it hundreds of times
_EVENTS = 8  # the newest; a person reads no more beside a conversation


@dataclass(frozen=True)
class Introduction:
    """What the page says by itself; `people` are those one can write as, with a word each."""

    title: str
    about: str
    people: dict[str, str]
    suggestions: tuple[str, ...] = ()


def introduce(workspace: Workspace, introduction: Introduction) -> None:
    """Give the page its header, its people and what to try."""
    workspace.control.beside["introduction"] = {
        "title": introduction.title,
        "about": introduction.about,
        "people": [
            {"user": workspace.user_id(who), "word": word}
            for who, word in introduction.people.items()
        ],
        "suggestions": list(introduction.suggestions),
    }


async def mirror(cluster: Cluster, workspace: Workspace) -> None:
    """Show the cluster on the page, with every change, until cancelled."""
    changed = asyncio.Event()
    changed.set()
    ignore = cluster.store.listen(lambda _: changed.set())
    try:
        while True:
            await changed.wait()
            changed.clear()
            picture = cluster.snapshot()
            picture["events"] = picture["events"][:_EVENTS]
            workspace.control.beside["cluster"] = picture
            workspace.state.feed.publish("cluster", picture)
            await asyncio.sleep(_PAUSE)
    finally:
        ignore()
