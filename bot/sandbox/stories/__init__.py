"""Incidents with a known cause that one can begin in the demo cluster, look into and put back.

await workspace.post(story.reporter, "ops", story.report)
story.begin(cluster)
judged(story, "The volume of ledger is full.")  # what is missing or wrong: []
"""

from typing import Final

from bot.sandbox.stories import bad_rollout, full_volume, oom, pool
from bot.sandbox.stories.story import Cause, State, Story, judged, state

__all__ = ["STORIES", "Cause", "State", "Story", "judged", "state"]

STORIES: Final[tuple[Story, ...]] = (
    bad_rollout.STORY,
    oom.STORY,
    pool.STORY,
    full_volume.STORY,
)
