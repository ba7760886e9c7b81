"""Running a command in a container: one web socket, in the kubelet's own framing, to its end."""

import json
import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import certifi
import websocket
from kubernetes.stream.ws_client import websocket_proxycare

_PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_STDOUT, _STDERR, _STATUS = 1, 2, 3  # the first byte of each message
_SWITCHING = 101  # protocols: the socket is open


@dataclass(frozen=True)
class Output:
    """What a command wrote, and how it ended."""

    text: str
    code: int | None  # None: it was cut off before it ended
    cut: bool  # more was written than is kept
    problem: str = ""  # why it could not be run


class NotOpened(Exception):
    """The server refused to open the socket; nothing was run."""

    def __init__(self, status: int, body: bytes, headers: Any) -> None:
        super().__init__(str(status))
        self.status, self.body, self.headers = status, body, headers


def run(
    configuration: Any,
    url: str,
    headers: Iterable[tuple[str, str]],
    query: Iterable[tuple[str, str]],
    *,
    seconds: float,
    most: int,
) -> Output:
    """Run it, for at most so many seconds, and keep at most so many bytes of what it writes.

    Raises `NotOpened`, `OSError` where nothing was sent, and `websocket.WebSocketException`.
    """
    socket = websocket.WebSocket(sslopt=_tls(configuration, url), enable_multithread=False)
    given = [f"{name}: {value}" for name, value in headers if name.lower() not in _OURS]
    options: dict[str, Any] = {
        "header": given,
        "subprotocols": [*_PROTOCOLS],
        "redirect_limit": 0,  # credentials do not follow anybody elsewhere
    }
    if configuration.proxy or configuration.proxy_headers:
        options = websocket_proxycare(options, configuration, url, {})
    try:
        connect: Any = socket.connect  # which has no types
        connect(_socket_url(url, query), timeout=min(seconds, 10), **options)
    except websocket.WebSocketBadStatusException as error:
        body = error.resp_body or b""
        raise NotOpened(error.status_code, body, error.resp_headers or {}) from error
    except websocket.WebSocketException as error:
        answer = socket.handshake_response
        if answer is None or answer.status == _SWITCHING:
            raise
        raise NotOpened(answer.status, b"", {}) from error
    try:
        return _read(socket, time.monotonic() + seconds, most)
    finally:
        socket.close(timeout=1)


_OURS = ("accept", "content-type", "user-agent")


def _read(socket: Any, end: float, most: int) -> Output:
    kept, size, status = bytearray(), 0, b""
    while True:
        left = end - time.monotonic()
        if left <= 0:
            break
        socket.settimeout(left)
        try:
            message = socket.recv()
        except websocket.WebSocketTimeoutException:
            break
        except (websocket.WebSocketConnectionClosedException, OSError):
            message = b""  # it was sent, and runs or has run
        if not message:
            return _ended(bytes(kept), status, cut=size > most)
        data = message if isinstance(message, bytes) else message.encode()
        channel, data = data[0], data[1:]
        if channel in (_STDOUT, _STDERR):
            size += len(data)
            kept += data[: max(0, most - len(kept))]
        elif channel == _STATUS:
            status += data
            return _ended(bytes(kept), status, cut=size > most)
    return Output(kept.decode(errors="replace"), None, cut=size > most)


def _ended(kept: bytes, status: bytes, *, cut: bool) -> Output:
    text = kept.decode(errors="replace")
    try:
        found = json.loads(status)
    except ValueError:
        return Output(text, None, cut)
    if found.get("status") == "Success":
        return Output(text, 0, cut)
    for cause in (found.get("details") or {}).get("causes") or ():
        if cause.get("reason") == "ExitCode" and str(cause.get("message", "")).isdecimal():
            return Output(text, int(cause["message"]), cut)
    return Output(text, None, cut, " ".join(str(found.get("message", "")).split())[:300])


def _socket_url(url: str, query: Iterable[tuple[str, str]]) -> str:
    parts = urlsplit(url)
    scheme = "wss" if parts.scheme == "https" else "ws"
    return urlunsplit((scheme, parts.netloc, parts.path, urlencode([*query]), ""))


def _tls(configuration: Any, url: str) -> dict[str, Any]:
    """As the library does it for its own sockets."""
    if not url.startswith("https") or not configuration.verify_ssl:
        options: dict[str, Any] = {"cert_reqs": ssl.CERT_NONE}
    else:
        authority = configuration.ssl_ca_cert or certifi.where()
        options = {"cert_reqs": ssl.CERT_REQUIRED, "ca_certs": authority}
        if configuration.assert_hostname is not None:
            options["check_hostname"] = configuration.assert_hostname
    for key, value in (
        ("certfile", configuration.cert_file),
        ("keyfile", configuration.key_file),
        ("server_hostname", configuration.tls_server_name),
    ):
        if value:
            options[key] = value
    return options
