"""From a kubeconfig, or from inside a cluster, to the official client."""

import ipaddress
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from os import pathsep
from pathlib import Path
from select import POLLIN, poll
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import yaml
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from kubernetes import client as kubernetes_client
from kubernetes import config as kubernetes_config
from kubernetes.aio import client as kubernetes_aio
from kubernetes.client.rest import should_bypass_proxies
from kubernetes.config.config_exception import ConfigException
from kubernetes.config.kube_config import KubeConfigMerger

from tools._kit import Unavailable

# What the library raises for YAML that is no kubeconfig.
_NO_KUBECONFIG = (AttributeError, KeyError, TypeError, ValueError)
_SOCKETS = 16  # to one cluster at a time, as a diagnosis wants; others wait
_LONGEST_LINE = 1 << 16  # bytes of a header
# What the library for one's own loop does not load itself is handed over to it.
_HANDED_OVER = (
    *("host", "ssl_ca_cert", "cert_file", "key_file", "verify_ssl", "tls_server_name"),
    *("proxy", "proxy_headers", "api_key", "api_key_prefix"),
)


@dataclass
class Connection:
    """A client that is ready to call, and what the configuration says about its cluster."""

    name: str  # of the context: what people call the cluster
    settings: Any  # kubernetes.client.Configuration, which has no types: as it was loaded
    namespace: str  # the one meant when none is named
    program: str = ""  # that the kubeconfig names to fetch credentials; empty: it holds them
    api: Any = field(init=False)  # kubernetes.aio.client.ApiClient
    under_way: int = 0  # requests on it

    def __post_init__(self) -> None:
        """Make the client. Reads certificates."""
        settings = kubernetes_aio.Configuration(connection_pool_maxsize=_SOCKETS)
        for name in _HANDED_OVER:
            setattr(settings, name, getattr(self.settings, name))
        self.api = kubernetes_aio.ApiClient(settings)
        self.api.user_agent = "countersign"
        self._written = self._last_written()

    @property
    def is_outdated(self) -> bool:
        """Whether its certificates were replaced since: they are read once. Looks at files."""
        return self._written != self._last_written()

    def _last_written(self) -> tuple[float, ...]:
        files = (self.settings.ssl_ca_cert, self.settings.cert_file, self.settings.key_file)
        return tuple(_written_at(Path(file)) for file in files if file)

    def opened(self) -> Any:
        """The client with its session, which belongs to the loop. The library would make one that
        sends some things twice.
        """
        rest = self.api.rest_client
        if rest.pool_manager is None:
            rest.pool_manager = aiohttp.ClientSession(
                connector=_Silent(limit=rest.maxsize, ssl=rest.ssl_context),
                cookie_jar=aiohttp.DummyCookieJar(),
                middlewares=(_as_it_comes,),
                trust_env=False,  # the environment's proxy was read with the settings
                max_line_size=_LONGEST_LINE,
                max_field_size=_LONGEST_LINE,
            )
        return self.api

    def renew(self) -> None:
        """Fetch a credential that runs out anew; may run the kubeconfig's credential helper."""
        with suppress(ConfigException, OSError):  # the server says what it thinks of the old one
            self.settings.get_api_key_with_prefix("BearerToken")
        self.api.configuration.api_key = dict(self.settings.api_key)


def _written_at(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0  # it is being replaced


class Elsewhere(aiohttp.ClientError):
    """The server sends us to another one: credentials do not follow anybody there."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


class Broken(aiohttp.ClientConnectionError):
    """The connection broke; what was sent may have been done."""


class _Silent(aiohttp.TCPConnector):
    """Keeps no connection on which the server spoke unasked: who is given it next would take that
    for his answer, and everybody after him the one before. As the bot's own (`bot.core.http`), from
    which no provider imports.
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


async def _as_it_comes(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Around each attempt. By itself the library repeats a DELETE or PUT whose connection broke,
    and goes where it is sent.
    """
    try:
        answer = await handler(request)
    except aiohttp.ClientConnectorError:
        raise  # nothing was sent, and it is not repeated
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise Broken(str(error)) from error
    if answer.status in {301, 302, 303, 307, 308}:
        answer.close()
        raise Elsewhere(answer.status)
    return answer


def connect(
    kubeconfig: Path | None, context: str | None, in_cluster: bool, own_namespace: str
) -> Connection:
    """Load the settings. Sends nothing to the cluster; may run a kubeconfig's credential helper.

    Raises `Unavailable` with a sentence that says what to mend.
    """
    settings, program = kubernetes_client.Configuration(), ""
    if in_cluster:
        name, namespace = context or "in-cluster", own_namespace or "default"
        try:
            kubernetes_config.load_incluster_config(client_configuration=settings)
        except ConfigException as error:
            raise Unavailable(
                "This is not running inside a cluster, or without a service account's token:"
                " set KUBECONFIG or mount the token.",
                nothing_sent=True,
            ) from error
    else:
        name, namespace, program = _load_kubeconfig(settings, kubeconfig, context)
    if settings.proxy and not settings.proxy.lower().startswith(("http://", "https://")):
        raise Unavailable(
            f"The proxy of cluster {name} is none of HTTP: name one that begins with http:// or"
            " https:// in its kubeconfig (proxy-url), or in HTTPS_PROXY.",
            nothing_sent=True,
        )
    bypass = should_bypass_proxies(settings.host, settings.no_proxy or "")
    if bypass or _is_loopback(settings.host):
        settings.proxy = None  # by NO_PROXY, or it would look for us on its own machine
    try:
        return Connection(name, settings, namespace, program)
    except (OSError, ValueError) as error:  # as when they are being replaced, one after the other
        raise Unavailable(
            f"The certificates of cluster {name} cannot be used: {error}.", nothing_sent=True
        ) from error


def context_name(kubeconfig: Path | None, context: str | None, in_cluster: bool) -> str:
    """What the cluster is called even while its kubeconfig cannot be used."""
    return context or ("in-cluster" if in_cluster else _path(kubeconfig).stem or "default")


def check_contexts(kubeconfig: Path | None, wanted: Sequence[str]) -> None:
    """Raise `ValueError` for contexts that a readable kubeconfig does not have.

    One that cannot be read now is tried again at every call and says so then.
    """
    path = str(_path(kubeconfig))
    try:
        contexts, _ = kubernetes_config.list_kube_config_contexts(config_file=path)
        known = [str(found["name"]) for found in contexts]
    except (ConfigException, yaml.YAMLError, OSError, *_NO_KUBECONFIG):
        return
    if absent := [name for name in wanted if name not in known]:
        raise ValueError(
            f"kubernetes: the kubeconfig {path} has no context {', '.join(absent)};"
            f" known: {', '.join(known)}"
        )


def _load_kubeconfig(
    settings: Any, kubeconfig: Path | None, context: str | None
) -> tuple[str, str, str]:
    path = str(_path(kubeconfig))
    if not any(Path(part).exists() for part in path.split(pathsep)):
        raise Unavailable(
            f"There is no kubeconfig at {path}: create it, or point KUBECONFIG at one that exists.",
            nothing_sent=True,
        )
    try:
        contexts, current = kubernetes_config.list_kube_config_contexts(config_file=path)
        chosen = current if context is None else _named(contexts, context)
        kubernetes_config.load_kube_config(
            config_file=path,
            context=chosen["name"],
            client_configuration=settings,
            persist_config=False,
        )
        program = _credential_program(path, str(chosen["context"].get("user") or ""))
        namespace = chosen["context"].get("namespace") or "default"
    except (ConfigException, yaml.YAMLError, OSError) as error:
        raise _unusable(path, str(error)) from error
    except _NO_KUBECONFIG as error:
        raise _unusable(path, "it is not a kubeconfig") from error
    if program and not settings.api_key and not settings.cert_file:
        why = "it gave no credentials" if shutil.which(program) else "there is no such program here"
        raise Unavailable(
            f"The kubeconfig {path} signs in with the program {program}: {why}.", nothing_sent=True
        )
    return chosen["name"], namespace, program


def _credential_program(path: str, user: str) -> str:
    """What the kubeconfig runs to sign in (client.authentication.k8s.io), without arguments."""
    users = [node.value for node in KubeConfigMerger(path).config.value.get("users") or ()]
    found = next((one.get("user") for one in users if one.get("name") == user), None) or {}
    return str((found.get("exec") or {}).get("command") or "")


def _named(contexts: list[dict[str, Any]], context: str) -> dict[str, Any]:
    for found in contexts:
        if found["name"] == context:
            return found
    known = ", ".join(found["name"] for found in contexts)
    raise ConfigException(f"it has no context {context}, only {known}")


def _unusable(path: str, why: str) -> Unavailable:
    first = (why.strip().splitlines() or ["unreadable"])[0][:200].rstrip(".")
    return Unavailable(f"The kubeconfig {path} cannot be used: {first}.", nothing_sent=True)


def _path(kubeconfig: Path | None) -> Path:
    return (kubeconfig or Path("~/.kube/config")).expanduser()


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
