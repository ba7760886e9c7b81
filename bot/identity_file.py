"""`identities:` of countersign.yaml: who is whom on the clusters, and what is wrong with it.

What it means is decided in `bot.guard`. `countersign rbac` makes the role that it needs.
"""

import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from bot.policy_file import Mistake

# What goes into a header as it is, and stands as one word in a row: no space, nothing unseen.
_NAME = re.compile(r"[!-~]{1,253}")
_DOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+")
ITSELF = "bot"  # how rows call the bot's own identity: nobody else's name


def why_not_name(name: str) -> str:
    """Why nobody may be impersonated by this name; empty when he may."""
    if not _NAME.fullmatch(name):
        return "a name without spaces, of at most 253 ASCII characters, is expected"
    if name.lower().startswith("system:"):
        return "nobody acts as a system: name, which is the cluster's own"
    if name == ITSELF:
        return f"{ITSELF} stands for the bot itself"
    return ""


def _name(value: str) -> str:
    if why := why_not_name(value):
        raise ValueError(why)
    return value


def _user(value: str) -> str:
    if not re.fullmatch(r"[UW][A-Z0-9]{2,}", value):
        raise ValueError("a Slack user id (U…) is expected; names are not ids")
    return value


def _domain(value: str) -> str:
    if not _DOMAIN.fullmatch(value):
        raise ValueError("a mail domain such as corp.example is expected, in small letters")
    return value


_User = Annotated[str, AfterValidator(_user)]
_Name = Annotated[str, AfterValidator(_name)]


class Identities(BaseModel):
    """As whom people act on clusters. Who is not in it gets nothing there."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    users: dict[_User, _Name] = {}  # Slack user id → the cluster's name of him
    # Where a full member's confirmed mail address is his name on the clusters.
    mail_domains: tuple[Annotated[str, AfterValidator(_domain)], ...] = ()
    groups: dict[_User, Annotated[tuple[_Name, ...], Field(min_length=1)]] = {}
    approvers_checked: bool = True  # who approves must be allowed to do it himself

    def mistakes(self) -> Iterator[Mistake]:
        """A map that maps nobody, and what has no effect or stands twice."""
        if not self.users and not self.mail_domains:
            yield (
                ("identities",),
                "users or mail_domains must name somebody: nobody could do a thing",
            )
        seen: set[str] = set()
        for user, name in self.users.items():
            if name in seen:  # he could ask with one account and approve with the other
                yield ("identities", "users", user), "another account here has this name"
            seen.add(name)
        for number, domain in enumerate(self.mail_domains):
            if domain in self.mail_domains[:number]:
                yield ("identities", "mail_domains", number), "this domain stands here twice"
        for user, groups in self.groups.items():
            if user not in self.users and not self.mail_domains:
                yield ("identities", "groups", user), "users has no name for this person"
            if len(set(groups)) < len(groups):
                yield ("identities", "groups", user), "a group stands here twice"
