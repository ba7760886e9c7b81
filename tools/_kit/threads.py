"""The one way across to a synchronous client library: a bounded pool of threads and a timeout."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from tools._kit.errors import Unavailable

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """A bounded pool for one client. A call that outlives its timeout is given up on, not stopped:
    give the library a timeout of its own that is shorter."""

    def __init__(self, name: str, size: int = 8) -> None:
        self._pool = ThreadPoolExecutor(max_workers=size, thread_name_prefix=name)
        self._name = name

    async def run(
        self, timeout: float, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `call` in a thread; raises `Unavailable` after `timeout` seconds."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                return await loop.run_in_executor(self._pool, partial(call, *args, **kwargs))
        except TimeoutError as error:
            raise Unavailable(f"{self._name} did not answer within {timeout:.0f} s.") from error

    def close(self) -> None:
        """Forget queued calls; running ones end by their library's own timeout."""
        self._pool.shutdown(wait=False, cancel_futures=True)
