"""What a few programs print in a container; any other is not in its image."""

import re
from typing import Any, Final
from urllib.parse import urlsplit

from bot.sandbox.cluster.kinds import SERVICES
from bot.sandbox.cluster.podstatus import Slot
from bot.sandbox.cluster.store import Object, Store

PROTOCOLS: Final = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_NOT_FOUND: Final = 127


def answer(store: Store, pod: Object, slot: Slot, words: list[str]) -> tuple[str, int]:
    """Return what a command writes, and its exit code."""
    namespace = pod["metadata"]["namespace"]
    match words:
        case ["cat", "/etc/resolv.conf"]:
            search = f"search {namespace}.svc.cluster.local svc.cluster.local cluster.local"
            return f"{search}\nnameserver 10.96.0.10\noptions ndots:5\n", 0
        case ["df", "-h"]:
            head = "Filesystem  Size  Used Avail Use% Mounted on"
            return f"{head}\noverlay      98G   41G   57G  42% /\n", 0
        case ["env"]:
            return "".join(f"{name}={value}\n" for name, value in _environment(slot)), 0
        case ["nslookup", host]:
            return _looked_up(store, namespace, host)
        case ["wget" | "curl", *_, url]:
            return _fetched(slot, url)
        case _:
            return "", _NOT_FOUND


def status_of(words: list[str], code: int) -> Object:
    """Return the status that ends the connection."""
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    failed: Object = {"metadata": {}, "status": "Failure"}
    if code == _NOT_FOUND:
        why = f'exec: "{words[0]}": executable file not found in $PATH'
        return {**failed, "reason": "InternalError", "code": 500, "message": why}
    cause = {"reason": "ExitCode", "message": str(code)}
    message = f"command terminated with non-zero exit code: exit status {code}"
    about: dict[str, Any] = {"details": {"causes": [cause]}, "message": message}
    return {**failed, "reason": "NonZeroExitCode", **about}


def _environment(slot: Slot) -> list[tuple[str, str]]:
    given = slot.container.get("env", [])
    return [("PATH", "/usr/bin:/bin")] + [(one["name"], one.get("value", "")) for one in given]


def _looked_up(store: Store, namespace: str, host: str) -> tuple[str, int]:
    name, _, rest = host.partition(".")
    service = store.get(SERVICES, rest.partition(".")[0] or namespace, name)
    server = "Server: 10.96.0.10\n\n"
    if service is None:
        return f"{server}** server can't find {host}: NXDOMAIN\n", 1
    return f"{server}Name: {host}\nAddress: {service['spec'].get('clusterIP', '')}\n", 0


def _fetched(slot: Slot, url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    ports = {port["containerPort"] for port in slot.container.get("ports", [])}
    if parts.hostname != "localhost" or parts.port not in ports or not slot.ready:
        where = re.sub(r"^https?://", "", url).partition("/")[0]
        return f"can't connect to remote host ({where}): Connection refused\n", 1
    return "ok\n", 0
