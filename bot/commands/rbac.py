"""`countersign rbac`: the cluster role that `identities:` needs, and nothing beyond it."""

import argparse
import re
from typing import TYPE_CHECKING

import yaml

from bot.core.errors import BadSettings
from bot.identity_file import Identities
from bot.settings import config_file

if TYPE_CHECKING:
    from bot.commands import Commands

_NAME = "countersign-impersonate"
_RBAC = "rbac.authorization.k8s.io"
_ACCOUNT = "countersign/countersign"  # as deploy/rbac/read.yaml makes it


def add(commands: "Commands", summary: str) -> None:
    """Describe it."""
    rbac = commands.add_parser(
        "rbac",
        help=summary,
        description=(
            "Print the role with which the bot acts as the people of `identities:` in "
            "COUNTERSIGN_CONFIG, and as nobody else; needs no Slack, cluster or model."
        ),
    )
    rbac.add_argument("--config", metavar="FILE", help="instead of COUNTERSIGN_CONFIG")
    rbac.add_argument(
        "--account",
        type=_account,
        default=_account(_ACCOUNT),
        metavar="NAMESPACE/NAME",
        help=f"the bot's service account (default: {_ACCOUNT})",
    )
    rbac.set_defaults(work=_work)


def _account(text: str) -> tuple[str, str]:
    namespace, _, name = text.partition("/")
    if not all(re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", part) for part in (namespace, name)):
        raise argparse.ArgumentTypeError("NAMESPACE/NAME is expected")
    return namespace, name


def _work(given: argparse.Namespace) -> int:
    identities = config_file(given.config).identities
    if identities is None:
        raise BadSettings(["identities: is not set: the bot acts as itself and needs no role."])
    if not identities.users:
        why = "identities.users names nobody, and a role allows names, not mail domains"
        raise BadSettings([f"{why}: add those who use it."])
    print(role(identities, *given.account), end="")
    return 0


def role(identities: Identities, namespace: str = "countersign", name: str = "countersign") -> str:
    """The manifests: `impersonate` on each name that the map spells out."""
    users = sorted({*identities.users.values()})
    groups = sorted({group for named in identities.groups.values() for group in named})
    rules = [_rule(what, names) for what, names in (("users", users), ("groups", groups)) if names]
    meta = {"name": _NAME}
    made = {"apiVersion": f"{_RBAC}/v1", "kind": "ClusterRole", "metadata": meta, "rules": rules}
    binding = {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": meta,
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": _NAME},
    }
    lines = "".join(f"# {line}\n" for line in _about(identities))
    return lines + yaml.safe_dump_all([made, binding], sort_keys=False)


def _rule(resource: str, names: list[str]) -> dict[str, list[str]]:
    return {
        "apiGroups": [""],
        "resources": [resource],
        "resourceNames": names,
        "verbs": ["impersonate"],
    }


def _about(identities: Identities) -> list[str]:
    said = ["Made by `countersign rbac` from identities: print it again when that changes."]
    if identities.mail_domains:
        domains = ", ".join(identities.mail_domains)
        said += [
            f"Who is known by his mail address only ({domains}) is not in it: a role allows names,",
            "not domains. Until he stands in identities.users as well, the cluster refuses him.",
        ]
    return said
