"""The listening socket, which can go away and come back on the same port."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

HOST = "127.0.0.1"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """An HTTP server for one handler, on the loopback interface only."""

    def __init__(self, handler: Handler, port: int) -> None:
        app = web.Application(client_max_size=8 * 2**20)
        app.router.add_route("*", "/{path:.*}", handler)
        self._runner = web.AppRunner(app, shutdown_timeout=0.5, access_log=None)
        self._port = port
        self._listener: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Return the address. Raises RuntimeError before the start."""
        if not self._port:
            raise RuntimeError("The cluster has not been started.")
        return f"http://{HOST}:{self._port}"

    async def start(self) -> None:
        """Listen."""
        await self._runner.setup()
        await self.up()

    async def stop(self) -> None:
        """Close everything for good."""
        await self.down()
        await self._runner.cleanup()

    async def up(self) -> None:
        """Listen, on the port of before if there was one."""
        if self._listener is not None:
            return
        server = self._runner.server
        if server is None:
            raise RuntimeError("The cluster has not been started.")
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(server, HOST, self._port)
        self._port = self._listener.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Stop listening and cut every connection."""
        if self._listener is None:
            return
        self._listener.close()
        self._listener = None
        server = self._runner.server
        for connection in server.connections if server else []:
            if connection.transport is not None:
                connection.transport.abort()
        await asyncio.sleep(0)
