"""Connections that are kept: whose answer is whose."""

from typing import Any

import aiohttp


class Silent(aiohttp.TCPConnector):
    """Keeps no connection on which the server spoke unasked: who is given it next would take that
    for his answer, and everybody after him the one before.
    """

    async def _get(self, key: Any, traces: Any) -> Any:
        while (found := await super()._get(key, traces)) is not None:
            if found.protocol is not None and not found.protocol.should_close:
                return found
            found.close()
        return None
