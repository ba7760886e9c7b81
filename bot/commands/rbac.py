"""`countersign rbac`: the roles that the bot needs on a cluster, and nothing beyond them."""

import argparse
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import yaml

from bot.core.errors import BadSettings
from bot.guard.cluster_roles import of_tools
from bot.identity_file import Identities
from bot.settings import config_file

if TYPE_CHECKING:
    from bot.commands import Commands

_IMPERSONATE = "countersign-impersonate"
_RBAC = "rbac.authorization.k8s.io"
_ACCOUNT = "countersign/countersign"  # as `countersign rbac reader` makes it


def add(commands: "Commands", summary: str) -> None:
    """Describe it."""
    rbac = commands.add_parser(
        "rbac",
        help=summary,
        description=(
            "Print a role for the bot's account; needs no Slack, cluster or model. reader: what "
            "its tools look at, with the account itself. operator: what they write after an "
            "approval, beside reader. people: to act as the people of `identities:` in "
            "COUNTERSIGN_CONFIG, and as nobody else."
        ),
    )
    rbac.add_argument(
        "role",
        nargs="?",
        choices=("people", "reader", "operator"),
        default="people",
        help="which one (default: people)",
    )
    rbac.add_argument(
        "--namespace",
        action="append",
        default=[],
        type=_namespace,
        metavar="NAME",
        help="reader, operator: only in this namespace; may be given several times",
    )
    rbac.add_argument(
        "--tool",
        action="append",
        default=[],
        metavar="NAME",
        help="reader, operator: only what this tool needs; may be given several times",
    )
    rbac.add_argument("--config", metavar="FILE", help="people: instead of COUNTERSIGN_CONFIG")
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


def _namespace(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", text):
        raise argparse.ArgumentTypeError(f"{text} is no namespace's name")
    return text


def _work(given: argparse.Namespace) -> int:
    if given.role != "people":
        print(role_of_tools(given.role, given.account, given.namespace, given.tool), end="")
        return 0
    if given.namespace or given.tool:
        raise BadSettings(["--namespace and --tool go with reader or operator."])
    identities = config_file(given.config).identities
    if identities is None:
        raise BadSettings(["identities: is not set: the bot acts as itself and needs no role."])
    if not identities.users:
        why = "identities.users names nobody, and a role allows names, not mail domains"
        raise BadSettings([f"{why}: add those who use it."])
    print(role_of_people(identities, given.account), end="")
    return 0


def role_of_tools(
    role: str, account: tuple[str, str], namespaces: list[str], tools: list[str]
) -> str:
    """The manifests of `reader` (with the account) or `operator`."""
    try:
        made, left_out = of_tools(role, account, namespaces, tools)
    except ValueError as error:
        raise BadSettings([f"--tool: {error}."]) from error
    return _printed(_about_tools(role, namespaces, tools, left_out), made)


def _about_tools(
    role: str, namespaces: list[str], tools: list[str], left_out: list[str]
) -> Iterator[str]:
    options = [f"--namespace {one}" for one in namespaces] + [f"--tool {one}" for one in tools]
    yield f"Made by `{' '.join(['countersign rbac', role, *options])}` from what the tools call."
    if role == "reader":
        yield "The bot's account, and what its tools look at. Secrets are not in it."
    else:
        yield "What its tools write, each after an approval. Apply the reader as well."
    if left_out:
        yield f"Left out, as they lie in no namespace: {', '.join(left_out)}."


def role_of_people(identities: Identities, account: tuple[str, str] = ("countersign",) * 2) -> str:
    """The manifests: `impersonate` on each name that the map spells out."""
    users = sorted({*identities.users.values()})
    groups = sorted({group for named in identities.groups.values() for group in named})
    rules = [_rule(what, names) for what, names in (("users", users), ("groups", groups)) if names]
    meta = {"name": _IMPERSONATE}
    made = {"apiVersion": f"{_RBAC}/v1", "kind": "ClusterRole", "metadata": meta, "rules": rules}
    binding = {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": meta,
        "subjects": [{"kind": "ServiceAccount", "name": account[1], "namespace": account[0]}],
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": _IMPERSONATE},
    }
    return _printed(_about_people(identities), [made, binding])


def _rule(resource: str, names: list[str]) -> dict[str, list[str]]:
    return {
        "apiGroups": [""],
        "resources": [resource],
        "resourceNames": names,
        "verbs": ["impersonate"],
    }


def _about_people(identities: Identities) -> Iterator[str]:
    yield "Made by `countersign rbac` from identities: print it again when that changes."
    if identities.mail_domains:
        domains = ", ".join(identities.mail_domains)
        yield f"Who is known by his mail address only ({domains}) is not in it: a role allows"
        yield "names, not domains. Until he stands in identities.users as well, the cluster refuses"
        yield "him."


def _printed(about: Iterator[str], manifests: list[Any]) -> str:
    lines = "".join(f"# {line}\n" for line in about)
    return lines + yaml.dump_all(
        manifests, Dumper=_Whole, sort_keys=False, default_flow_style=None, width=100
    )


class _Whole(yaml.SafeDumper):
    """Without anchors: kubectl understands them, people do not."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        """No object is called as another."""
        return True
