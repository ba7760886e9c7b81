"""Work that somebody waits for only so long, and that goes on without him."""

import asyncio
from collections.abc import Awaitable, Callable

from bot.core.errors import DatabaseAway
from bot.core.tasks import Tasks


class Underway:
    """What goes on, by key. Slack waits three seconds and then asks again, or never: what a slow
    look-up made late must neither be cut off, or it would be as late the next time, nor be done
    twice at once.
    """

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._going: dict[str, asyncio.Future[None]] = {}

    async def join(self, key: str, work: Callable[[], Awaitable[None]]) -> None:
        """Begin `work`, or wait for what goes on under its key already. Whoever is cancelled here
        waits no longer, and that is all. Raises what the work raises.
        """
        going = self._going.get(key)
        if going is None:
            going = self._going[key] = asyncio.get_running_loop().create_future()
            self._tasks.start("underway", self._do(key, work, going), heard=True)
        await asyncio.shield(going)

    async def _do(
        self, key: str, work: Callable[[], Awaitable[None]], going: asyncio.Future[None]
    ) -> None:
        try:
            await work()
            going.set_result(None)
        except DatabaseAway as error:
            going.set_exception(error)
            going.exception()  # perhaps nobody waits for it any more
        except Exception as error:
            # carried to whoever waits, and raised again for the log: nothing is swallowed here
            going.set_exception(error)
            going.exception()
            raise
        finally:
            del self._going[key]
            going.cancel()  # where this was cancelled: nobody waits in vain
