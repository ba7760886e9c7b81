"""Connections that are kept: whose answer is whose."""

from select import POLLIN, poll
from typing import Any

import aiohttp


class Silent(aiohttp.TCPConnector):
    """Keeps no connection on which the server spoke unasked: who is given it next would take that
    for his answer, and everybody after him the one before.
    """

    async def _get(self, key: Any, traces: Any) -> Any:
        while (found := await super()._get(key, traces)) is not None:
            if not _spoke(found):
                return found
            found.close()
        return None


def _spoke(connection: Any) -> bool:
    """Whether anything was heard on it, or waits to be."""
    protocol = connection.protocol
    if protocol is None or protocol.should_close or protocol.transport is None:
        return True
    readable = poll()
    readable.register(protocol.transport.get_extra_info("socket").fileno(), POLLIN)
    return bool(readable.poll(0))
