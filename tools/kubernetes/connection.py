"""From a kubeconfig, or from inside a cluster, to the official client."""

import ipaddress
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from os import pathsep
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from kubernetes import client as kubernetes_client
from kubernetes import config as kubernetes_config
from kubernetes.config.config_exception import ConfigException
from kubernetes.config.kube_config import KubeConfigMerger
from urllib3.util.retry import Retry

from tools._kit import Unavailable

# What the library raises for YAML that is no kubeconfig.
_NO_KUBECONFIG = (AttributeError, KeyError, TypeError, ValueError)


@dataclass(frozen=True)
class Connection:
    """A client that is ready to call, and what the configuration says about its cluster."""

    name: str  # of the context: what people call the cluster
    api: Any  # kubernetes.client.ApiClient, which has no types
    namespace: str  # the one meant when none is named
    program: str = ""  # that the kubeconfig names to fetch credentials; empty: it holds them


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
    settings.retries = Retry(
        total=1,
        connect=1,
        read=0,  # what was sent is never sent again
        status=0,
        other=0,
        redirect=False,  # credentials do not follow anybody elsewhere
        respect_retry_after_header=False,  # would repeat in spite of `status`
    )
    if _is_loopback(settings.host):
        settings.proxy = None  # a proxy would look for the cluster on its own machine
    api = kubernetes_client.ApiClient(settings)
    api.user_agent = "countersign"
    return Connection(name, api, namespace, program)


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
