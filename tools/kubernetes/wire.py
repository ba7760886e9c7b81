"""One way across to the official library: paced, signed in, patient with reads, and every error
a sentence."""

import asyncio
import json
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import aiohttp
import websocket
from multidict import CIMultiDict
from pydantic import JsonValue

from tools._kit import Identity, NotFound, Refused, Threads, ToolError, Unavailable
from tools.kubernetes import executing
from tools.kubernetes.connection import Broken, Connection, Elsewhere, connect
from tools.kubernetes.pace import Pace
from tools.kubernetes.settings import Settings

_CONNECT_SECONDS = 30  # a kubeconfig's credential helper may ask a cloud first
_SIGN_IN_SECONDS = 5.0  # one that was never accepted and is younger is simply wrong
_PAUSES = (0.25, 1.0)  # seconds before a look is repeated that the server could not answer
_LONGEST_PAUSE = 5.0  # that a server may ask for by Retry-After
_RENEW_SECONDS = 10.0  # between two looks whether a credential runs out, minutes before it does
T = TypeVar("T")


class Conflict(Refused):
    """Somebody wrote the object since it was read, or owns a field of it; nothing was changed."""

    def __init__(self, message: str, words: str = "") -> None:
        super().__init__(message)
        self.words = words  # the server's own


class Expired(Refused):
    """The place in a list where one went on from is forgotten."""


class NotServed(NotFound):
    """Nothing is there, and it is not the API itself that says so: no proof that it is gone."""


class Unable(Refused):
    """The request was understood and cannot be answered: an ordinary thing with logs."""

    def __init__(self, message: str, words: str) -> None:
        super().__init__(message)
        self.words = words  # the server's own


class Forbidden(Refused):
    """Whom this acts as has no right to that."""


class _Untrusted(Unavailable):
    """The server showed a certificate of an authority that is not known; nothing was sent."""


class _TooLarge(Refused):
    """More was answered than may be kept in memory."""


class _SignedOut(Refused):
    """The credential is not accepted (any more); nothing was done."""


class _Later(Unavailable):
    """The server could not answer now; a look may be repeated after some seconds."""

    def __init__(self, message: str, *, after: float | None, nothing_sent: bool) -> None:
        super().__init__(message, nothing_sent=nothing_sent)
        self.after = after  # as the server asks; None: it does not say


class HeldBack(_Later):
    """A disruption budget does not let the pod go now."""


@dataclass(frozen=True)
class Request:
    """One call to the API server. `what` names its object in sentences."""

    what: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: JsonValue = None
    content_type: str = "application/json"
    leaves_no_trace: bool = False  # though it is no GET: a question that is posted
    accept: str = "*/*"

    @property
    def changes(self) -> bool:
        """Whether it may leave a trace in the cluster."""
        if self.leaves_no_trace:
            return False
        return self.method != "GET" and ("dryRun", "All") not in self.query


class Wire:
    """The connection to one cluster, for all as whom it acts.

    A credential that the server does not accept any more (a rotated token, a credential plugin's
    that ran out early, a kubeconfig that was replaced) is fetched anew, once, and the request sent
    again: what was answered with 401 was not done. Looks, and only they, are repeated when
    the server is overloaded (429, after as long as it asks), restarts (500 to 504), or closed an
    idle connection.
    """

    def __init__(self, settings: Settings, context: str | None, name: str) -> None:
        self.name = name  # what people call the cluster
        self._context = context
        self._settings = settings
        self._threads = Threads("The cluster")
        self._pace = Pace(settings.qps, settings.burst)
        self._connection: Connection | None = None
        self._connecting = asyncio.Lock()
        self._connected_at = self._renewed_at = 0.0
        self._accepted = False  # the present credential, at least once

    async def close(self) -> None:
        """Drop the connections."""
        self._threads.close()
        if self._connection is not None:
            await self._connection.api.close()

    async def connected(self) -> Connection:
        """The loaded configuration. Raises `Unavailable` with a sentence that says what to mend."""
        async with self._connecting:
            if self._connection is None:
                options = self._settings
                self._connection = await self._threads.run(
                    _CONNECT_SECONDS,
                    connect,
                    options.kubeconfig,
                    self._context,
                    options.in_cluster,
                    options.own_namespace,
                )
                self._connected_at = self._renewed_at = asyncio.get_running_loop().time()
                self._accepted = False
            return self._connection

    async def ask(self, request: Request, identity: Identity | None) -> bytes:
        """Send a request as somebody (None: as the bot itself), and read the answer.

        Raises `ToolError`.
        """
        try:
            return await self._signed_in(lambda: self._patiently(request, identity))
        except Unavailable as error:
            if request.changes:
                raise
            raise Unavailable(str(error), nothing_sent=True) from error.__cause__

    async def execute(
        self, request: Request, identity: Identity | None, *, seconds: float, most: int
    ) -> executing.Output:
        """Run a command in a container, and read what it writes. Raises `ToolError`."""

        async def attempt() -> executing.Output:
            async with self._using() as connection:
                _, url, headers, *_ = await self._prepared(connection, request, identity, {}, ())
                work = partial(self._executed, seconds=seconds, most=most)
                return await self._threads.run(
                    seconds + 15, work, connection, request, url, headers
                )

        return await self._signed_in(attempt)

    async def _signed_in(self, attempt: Callable[[], Awaitable[T]]) -> T:
        before = await self.connected()
        try:
            return await attempt()
        except _Untrusted:
            if not before.is_outdated:
                raise
            await self._forget(before)
            return await attempt()
        except _SignedOut:
            if self._connection is before:  # nobody else has signed in anew meanwhile
                age = asyncio.get_running_loop().time() - self._connected_at
                if not self._accepted and age < _SIGN_IN_SECONDS:
                    raise
                await self._forget(before)
            return await attempt()

    async def _forget(self, connection: Connection) -> None:
        """The next request makes a new one."""
        if self._connection is connection:
            self._connection = None
        await self._leave(connection)

    async def _patiently(self, request: Request, identity: Identity | None) -> bytes:
        for pause in _PAUSES if request.method == "GET" else ():
            try:
                return await self._once(request, identity)
            except _Later as error:
                after = pause if error.after is None else error.after
                if after > _LONGEST_PAUSE:
                    raise
                await asyncio.sleep(after)
        return await self._once(request, identity)

    async def _once(self, request: Request, identity: Identity | None) -> bytes:
        async with self._using() as connection:
            answer = await self._call(connection, request, identity)
        self._accepted = self._accepted or self._connection is connection
        return answer

    @asynccontextmanager
    async def _using(self) -> AsyncIterator[Connection]:
        """It is this request's turn, and the connection stays open for as long as it needs it."""
        connection = await self.connected()
        connection.under_way += 1
        try:
            await self._turn(self._settings.timeout_seconds)
            await self._renew(connection)
            yield connection
        finally:
            connection.under_way -= 1
            await self._leave(connection)

    async def _leave(self, connection: Connection) -> None:
        """Close one that another took the place of, once nobody uses it."""
        if connection is not self._connection and not connection.under_way:
            await connection.api.close()

    async def _renew(self, connection: Connection) -> None:
        """Now and then: what runs out is fetched anew, and what was replaced makes a connection of
        its own, for the next request.
        """
        now = asyncio.get_running_loop().time()
        if now - self._renewed_at < _RENEW_SECONDS:
            return
        async with self._connecting:
            if now < self._renewed_at:  # another one did it meanwhile
                return
            outdated = await self._threads.run(_CONNECT_SECONDS, _renewed, connection)
            self._renewed_at = asyncio.get_running_loop().time()
            if outdated and self._connection is connection:
                self._connection = None

    async def _turn(self, patience: float) -> None:
        wait = self._pace.wait(asyncio.get_running_loop().time(), patience)
        if wait is None:
            raise Unavailable(
                f"Too much is asked of cluster {self.name} at once (`qps`, `burst` of its"
                " settings): try again in a while.",
                nothing_sent=True,
            )
        await asyncio.sleep(wait)

    async def _call(
        self, connection: Connection, request: Request, identity: Identity | None
    ) -> bytes:
        headers = {
            "Accept": request.accept,
            "Content-Type": request.content_type,
            "Accept-Encoding": "identity",  # what is unpacked would hold up the loop
        }
        prepared = await self._prepared(connection, request, identity, headers, request.query)
        try:
            async with asyncio.timeout(2 * self._settings.timeout_seconds + 1):
                again = request.method == "GET"
                answer = await self._resent_once(connection, prepared, again=again)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._unreachable(error) from error
        except _TooLarge as error:
            if request.changes:  # it may have been done
                what = (
                    f"Cluster {self.name} answered the change with more than is read of an answer."
                )
                raise Unavailable(what) from error
            raise
        if 200 <= answer.status < 300:
            return answer.body
        raise self._refusal(request, answer)

    async def _prepared(
        self,
        connection: Connection,
        request: Request,
        identity: Identity | None,
        headers: dict[str, str],
        query: tuple[tuple[str, str], ...],
    ) -> tuple[Any, ...]:
        """The request as the library writes it, with the headers that say as whom."""
        method, url, given, *rest = await connection.api.param_serialize(
            request.method,
            request.path,
            query_params=[*query],
            header_params=headers,
            body=request.body,
            auth_settings=["BearerToken"],
        )
        found = CIMultiDict(given)
        if identity is not None:
            found["Impersonate-User"] = identity.name
            for group in identity.groups:  # each a header of its own
                found.add("Impersonate-Group", group)
        return (method, url, found, *rest)

    def _executed(
        self,
        connection: Connection,
        request: Request,
        url: str,
        headers: "CIMultiDict[str]",
        *,
        seconds: float,
        most: int,
    ) -> executing.Output:
        """A command's socket, to its end; the one function that runs in a thread."""
        given = headers.items()
        settings = connection.settings
        try:
            return executing.run(settings, url, given, request.query, seconds=seconds, most=most)
        except executing.NotOpened as error:
            answer = _Answer(error.status, error.body, CIMultiDict(error.headers))
            raise self._refusal(request, answer) from error
        except websocket.WebSocketException as error:
            raise Unavailable(f"Cluster {self.name} is away: the connection broke.") from error
        except OSError as error:
            # any other may have come after the request, which runs the command
            unsent = isinstance(error, (ConnectionRefusedError, ssl.SSLCertVerificationError))
            raise Unavailable(
                f"Cluster {self.name} is away: it cannot be connected to.", nothing_sent=unsent
            ) from error

    async def _resent_once(
        self, connection: Connection, prepared: tuple[Any, ...], *, again: bool
    ) -> "_Answer":
        """A look is repeated once, as an idle connection may have been closed."""
        try:
            return await self._sent(connection, prepared)
        except (Broken, aiohttp.ClientConnectionResetError, aiohttp.ClientPayloadError):
            if not again:
                raise
        return await self._resent_once(connection, prepared, again=False)

    async def _sent(self, connection: Connection, prepared: tuple[Any, ...]) -> "_Answer":
        seconds = self._settings.timeout_seconds
        patience = aiohttp.ClientTimeout(
            connect=seconds,  # with the wait for a free socket: no change leaves when it is late
            sock_connect=min(seconds, 5),
            sock_read=seconds,
        )
        found = await connection.opened().call_api(*prepared, _request_timeout=patience)
        try:
            return _Answer(found.status, await self._body(found.response.content), found.headers)
        finally:
            found.response.close()

    async def _body(self, content: aiohttp.StreamReader) -> bytes:
        """What was answered, as far as it may be kept in memory. Raises `_TooLarge`."""
        most = self._settings.most_bytes
        pieces, size = [], 0
        async for piece in content.iter_any():
            size += len(piece)
            if size > most:
                raise _TooLarge(
                    f"Cluster {self.name} answered with more than {most // 1_000_000} MB:"
                    " ask for less (a namespace, a selector, a name, a limit)."
                )
            pieces.append(piece)
        return b"".join(pieces)

    def _unreachable(self, error: Exception) -> ToolError:
        """The connection failed: was anything sent?"""
        sent = False
        match error:
            case Elsewhere(status=status):
                return Refused(f"Cluster {self.name} sends us elsewhere ({status}): not followed.")
            case aiohttp.ClientConnectorDNSError():
                said = "its address cannot be resolved; check the kubeconfig's server"
            case aiohttp.ClientSSLError() | aiohttp.ClientConnectorCertificateError():
                said = "its certificate is not trusted; check the kubeconfig's authority"
                return _Untrusted(f"Cluster {self.name} is away: {said}.", nothing_sent=True)
            case aiohttp.ClientConnectorError():
                said = "it refuses connections"
            case aiohttp.ConnectionTimeoutError():
                said = "it cannot be connected to in time"
            case aiohttp.ClientHttpProxyError(status=status):
                said = f"the proxy before it says {status}"
            case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
                said = "its address is none; check the kubeconfig's server"
            case aiohttp.SocketTimeoutError():
                said = f"it did not answer within {self._settings.timeout_seconds:g} s"
                sent = True
            case TimeoutError():
                said, sent = "its answer does not end", True
            case _:
                said, sent = "the connection broke before it answered", True
        return Unavailable(f"Cluster {self.name} is away: {said}.", nothing_sent=not sent)

    def _refusal(self, request: Request, answer: "_Answer") -> ToolError:
        """The server said no: whose turn is it?"""
        status, said = answer.status, _message(answer.body)
        because = f": {said}." if said else "."
        match status:
            case 400:
                text = f"Cluster {self.name} refused {request.what} ({status}){because}"
                return Unable(text, said)
            case 404:
                absent = NotFound if _status(answer.body) else NotServed
                return absent(f"There is no {request.what} on cluster {self.name}.")
            case 409:
                owned = _message(answer.body, 4000)  # by whom, field by field
                return Conflict(f"Somebody else is changing {request.what}.", owned)
            case 410:
                return Expired(
                    f"Cluster {self.name} gave the list up before its end was read: ask again."
                )
            case 401:
                return _SignedOut(
                    f"Cluster {self.name} does not accept our credentials (401): renew them."
                )
            case 403:
                return Forbidden(f"Cluster {self.name} does not allow this{because}")
            case 429 if _is_about_budget(answer.body):
                return HeldBack(
                    f"A disruption budget holds {request.what}.", after=None, nothing_sent=True
                )
            case 429:  # turned away before it was looked at
                return _Later(
                    f"Cluster {self.name} is overloaded (429); try again.",
                    after=answer.retry_after,
                    nothing_sent=True,
                )
            case _ if status >= 500:
                return _Later(
                    f"Cluster {self.name} failed with {status}{because}",
                    after=answer.retry_after,
                    nothing_sent=False,
                )
            case _:
                return Refused(f"Cluster {self.name} refused {request.what} ({status}){because}")


def _renewed(connection: Connection) -> bool:
    connection.renew()
    return connection.is_outdated


@dataclass(frozen=True)
class _Answer:
    status: int
    body: bytes
    headers: Any  # a mapping without case

    @property
    def retry_after(self) -> float | None:
        """The seconds that the server asks to wait; Kubernetes writes no dates there."""
        given = str(self.headers.get("Retry-After", ""))
        return float(given) if given.isdecimal() else None


def _status(body: bytes) -> dict[str, Any]:
    """What the server says itself; of any other body nothing."""
    try:
        status = json.loads(body)
    except ValueError:
        return {}
    return status if isinstance(status, dict) and status.get("kind") == "Status" else {}


def _is_about_budget(body: bytes) -> bool:
    causes = (_status(body).get("details") or {}).get("causes") or ()
    return any(cause.get("reason") == "DisruptionBudget" for cause in causes)


# A patch that is refused comes back with the whole object before the reason.
_STRICT = "strict decoding error: "
_QUOTED_WHOLE = re.compile(r'"(?:[^"\\]|\\.){160,}"')


def _message(body: bytes, longest: int = 300) -> str:
    """The server's own words, if they are a Status: one line, cut. Never any other body."""
    status = _status(body)
    said = str(status.get("message", "")).rpartition(_STRICT)[2]
    words = " ".join(_QUOTED_WHOLE.sub('"…"', said).split())
    clean = "".join(c for c in words if c.isprintable()).rstrip(".")
    return clean if len(clean) <= longest else clean[: longest - 1] + "…"
