"""Who may use the page and its control API: this address, this origin, this token."""

import hmac

from aiohttp import web
from aiohttp.typedefs import Handler

from bot.sandbox.slack.state import State


class Gate:
    """Refuses other names, other origins, and everybody who does not know the token."""

    def __init__(self, state: State) -> None:
        self._state = state

    @property
    def token(self) -> str:
        """What lets a browser in."""
        return self._state.page_token

    @web.middleware
    async def check_host(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse names other than this server's own, whoever resolves them to it."""
        if request.headers.get("Host", "") not in self._hosts():
            return web.Response(status=403, text="This server answers to its own address only.")
        origin = request.headers.get("Origin")
        if origin is not None and origin not in {f"http://{host}" for host in self._hosts()}:
            return web.Response(status=403, text="Requests from other origins are refused.")
        return await handler(request)

    def knows_token(self, request: web.Request) -> bool:
        """Whether a request shows the token: as query, header or cookie."""
        shown = (
            request.query.get("token"),
            request.headers.get("X-Workspace-Token"),
            request.cookies.get(self._cookie()),
        )
        return any(
            hmac.compare_digest((value or "").encode(), self.token.encode()) for value in shown
        )

    def guarded(self, handler: Handler) -> Handler:
        """Let a handler answer only who knows the token."""

        async def guard(request: web.Request) -> web.StreamResponse:
            if not self.knows_token(request):
                return web.Response(status=403, text="Open the address that was printed at start.")
            return await handler(request)

        return guard

    def remember(self, response: web.StreamResponse) -> None:
        """Give a browser the token as a cookie that no other site can send along."""
        response.set_cookie(self._cookie(), self.token, httponly=True, samesite="Strict", path="/")

    def _hosts(self) -> set[str]:
        port = self._state.base_url.rpartition(":")[2]
        return {f"127.0.0.1:{port}", f"localhost:{port}"}

    def _cookie(self) -> str:
        # Cookies do not know ports: two workspaces on one machine need two names.
        return f"workspace_{self._state.base_url.rpartition(':')[2]}"
