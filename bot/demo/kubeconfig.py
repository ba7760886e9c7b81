"""`--kube`: the person's own cluster in place of the demo's, to look at, or more by name only."""

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bot.core.errors import BadSettings


@dataclass(frozen=True)
class Context:
    """The current context of a kubeconfig; `paths` as KUBECONFIG has them."""

    name: str
    server: str
    paths: str
    writable: bool = False


def current(given: Mapping[str, str]) -> Context:
    """What kubectl would use. Raises `BadSettings` that says what is missing."""
    paths = given.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    files = [part for part in paths.split(os.pathsep) if part]
    documents = list(_documents(files))
    if not documents:
        raise BadSettings([f"--kube: there is no kubeconfig: {', '.join(files)} does not exist."])
    name = next((str(d["current-context"]) for d in documents if d.get("current-context")), "")
    if not name:
        raise BadSettings(
            [f"--kube: {', '.join(files)} names no current context: kubectl config use-context …"]
        )
    context = _named(documents, "contexts", name, "context")
    cluster = _named(documents, "clusters", str(context.get("cluster", "")), "cluster")
    return Context(name, str(cluster.get("server", "an unnamed server")), paths)


def ask(context: Context) -> Context:
    """Whether changes are wanted: only who types the context's name says yes."""
    if not sys.stdin.isatty():
        return context
    print(f"Your kubeconfig's current context is {context.name} ({context.server}).")
    print("Reads only, unless you type its name to allow changes that somebody approves.")
    typed = input(f"Type {context.name} to allow changes, or press Enter: ").strip()
    if typed == context.name:
        return Context(context.name, context.server, context.paths, writable=True)
    print("That is not its name: reads only." if typed else "Reads only.")
    return context


def _documents(files: list[str]) -> Iterator[Mapping[str, Any]]:
    for file in files:
        try:
            found = yaml.safe_load(Path(file).expanduser().read_text(encoding="utf-8"))
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise BadSettings(
                [f"--kube: {file} cannot be read ({type(error).__name__})."]
            ) from error
        except yaml.YAMLError as error:
            raise BadSettings([f"--kube: {file} is no YAML."]) from error
        if not isinstance(found, dict):
            raise BadSettings([f"--kube: {file} is no kubeconfig."])
        yield found


def _named(
    documents: list[Mapping[str, Any]], where: str, name: str, what: str
) -> Mapping[str, Any]:
    for document in documents:
        for entry in document.get(where) or ():
            if isinstance(entry, dict) and entry.get("name") == name:
                found = entry.get(what)
                return found if isinstance(found, dict) else {}
    raise BadSettings([f"--kube: the kubeconfig has no {what} {name!r}."])
