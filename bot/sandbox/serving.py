"""What the page shows beside the workspace: an introduction, the cluster as it changes, stories."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from bot.sandbox.cluster import Cluster
from bot.sandbox.cluster.status import ApiError
from bot.sandbox.slack import Workspace
from bot.sandbox.stories import STORIES, state

PAGE_DIR: Final = Path(__file__).with_name("page")
"""The page's files, for the workspace's `Settings.page_dir`."""

_PAUSE = 0.2  # seconds between two pictures of the cluster: a rollout changes it hundreds of times
_AT_REST = 2.0  # seconds: load and traffic go on where no object changes
_EVENTS = 8  # the newest; a person reads no more beside a conversation


class Story(Protocol):
    """What is needed of an incident that one can begin and put back; `key` names it."""

    @property
    def key(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def symptom(self) -> str: ...
    @property
    def reporter(self) -> str: ...
    @property
    def report(self) -> str: ...
    @property
    def commands(self) -> Sequence[str]: ...
    @property
    def begin(self) -> Callable[[Cluster], object]: ...
    @property
    def mend(self) -> Callable[[Cluster], object]: ...


@dataclass(frozen=True)
class Introduction:
    """What the page says by itself; `people` are those one can write as, with a word each.

    `context` names a real cluster that is used instead of the demo's, `writable` says whether it
    may be changed. `tour` offers the guided tour, which needs the demo cluster.
    """

    title: str
    about: str
    people: dict[str, str]
    suggestions: tuple[str, ...] = ()
    context: str = ""
    writable: bool = False
    tour: bool = True


def introduce(workspace: Workspace, introduction: Introduction) -> None:
    """Give the page its header, its people and what to try."""
    shown = {
        "title": introduction.title,
        "about": introduction.about,
        "people": [
            {"user": workspace.user_id(who), "word": word}
            for who, word in introduction.people.items()
        ],
        "suggestions": list(introduction.suggestions),
        "context": introduction.context,
        "writable": introduction.writable,
        "tour": introduction.tour,
    }
    workspace.control.show("introduction", shown)


async def mirror(cluster: Cluster, workspace: Workspace) -> None:
    """Show the cluster on the page, with every change, until cancelled.

    While no page follows, nothing is drawn: a page that comes reads the newest state first.
    """

    def picture() -> object:
        shown = cluster.snapshot()
        return shown | {"events": shown["events"][:_EVENTS]}

    workspace.control.show_live("cluster", picture)
    changed = asyncio.Event()
    changed.set()
    ignore = cluster.store.listen(lambda _: changed.set())
    try:
        while True:
            await workspace.state.feed.followed()
            with suppress(TimeoutError):  # then a look at what moves without a changed object
                async with asyncio.timeout(_AT_REST):
                    await changed.wait()
            changed.clear()
            workspace.control.refresh()
            await asyncio.sleep(_PAUSE)
    finally:
        ignore()


def offer_stories(
    cluster: Cluster,
    workspace: Workspace,
    stories: Sequence[Story] = STORIES,
    state: Callable[[Any, Cluster], str] = state,
) -> None:
    """Let the page begin each incident and put it back; who notices it first says so in #ops.

    `state` says of a story whether it is "quiet", "going on" or "mended".
    """
    known = {story.key: story for story in stories}

    def shown() -> object:
        return [
            {
                "key": story.key,
                "title": story.title,
                "symptom": story.symptom,
                "commands": list(story.commands),
                "state": state(story, cluster),
            }
            for story in stories
        ]

    async def tell(wish: dict[str, Any]) -> dict[str, Any]:
        key, do = wish["key"], wish["do"]
        story = known.get(key) if isinstance(key, str) else None
        if story is None or do not in {"begin", "mend"}:
            raise ValueError(f"There is no story {key!r} to {do!r}.")
        going_on = state(story, cluster) == "going on"
        if going_on == (do == "begin"):
            word = "is going on already" if going_on else "is not going on"
            raise ValueError(f"“{story.title}” {word}.")
        try:
            (story.begin if do == "begin" else story.mend)(cluster)
        except ApiError as refusal:
            raise ValueError(f"The demo cluster refuses: {refusal}") from refusal
        workspace.control.refresh()
        if do == "begin":
            await workspace.post(story.reporter, "ops", story.report)
        return {}

    workspace.control.show_live("stories", shown)
    workspace.control.add_deed("story", tell)
