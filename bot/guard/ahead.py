"""What an approved call would do is looked at while its last vote is still being written down:
the deed that follows need not wait for it.
"""

import asyncio
import time
from dataclasses import dataclass, field
from uuid import UUID

from bot.core.tasks import Tasks
from bot.guard.house import House
from bot.guard.proposals import Proposals
from bot.guard.records import Call
from tools import Preview, ToolError

_FRESH_SECONDS = 1.0  # what was seen before that is looked at again


@dataclass(frozen=True)
class _Look:
    digest: str
    began: float = field(default_factory=time.monotonic)
    seen: "asyncio.Future[Preview | None]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    @property
    def is_fresh(self) -> bool:
        return time.monotonic() - self.began <= _FRESH_SECONDS


class Ahead:
    """Looks ahead, in the process that takes the click.

    It decides nothing: a deed compares what was seen with what was approved, as it does with a look
    of its own, and `apply` reads the world once more.
    """

    def __init__(self, house: House, tasks: Tasks) -> None:
        self._house = house
        self._proposals = Proposals(house)
        self._tasks = tasks
        self._looks: dict[UUID, _Look] = {}

    def begin(self, call: Call) -> None:
        """Look in the background."""
        self._looks = {key: look for key, look in self._looks.items() if look.is_fresh}
        look = self._looks[call.id] = _Look(call.digest)
        self._tasks.start("look ahead", self._look(call, look))

    async def take(self, call: Call) -> Preview | None:
        """What was seen of this call a moment ago; None where it has to be looked at."""
        look = self._looks.pop(call.id, None)
        if look is None or not look.is_fresh or look.digest != call.digest:
            return None
        return await look.seen

    async def _look(self, call: Call, look: _Look) -> None:
        preview = None
        try:
            change = self._house.bound(call)
            preview = await self._proposals.look(change)
        except ToolError:
            pass  # the deed tries it itself, and says why it cannot
        finally:
            if not look.seen.done():
                look.seen.set_result(preview)
