"""As whom people act on clusters: each as himself by the map; the bot, only where there is none."""

from bot.core.values import Person, Standing
from bot.identity_file import Identities, why_not_name
from tools import Identity, Refused, Unavailable


class WhoUnknown(Unavailable):
    """The directory did not say who somebody is: nothing is done as anybody. It may pass."""


def acting_as(identities: Identities | None, person: Person) -> Identity | None:
    """His identity there; None where nobody is mapped: the bot itself.

    With a map, whoever is not in it gets nothing: raises `Refused`, or `WhoUnknown`.
    """
    if identities is None:
        return None
    if person.standing is Standing.UNKNOWN:
        raise WhoUnknown(
            "Slack did not say who asks, and nothing is done on clusters as nobody.",
            nothing_sent=True,
        )
    if person.standing is not Standing.MEMBER:
        raise Refused("Only full members of this workspace act on clusters.")
    name = identities.users.get(person.id) or _by_mail(identities, person)
    if not name:
        raise Refused(
            f"<@{person.id}> is nobody on the clusters: whoever runs me has to add him to"
            " `identities.users` of my settings. Nothing was done."
        )
    return Identity(name, identities.groups.get(person.id, ()))


def _by_mail(identities: Identities, person: Person) -> str:
    """His confirmed address, where its domain is one of those that name people.

    None that `users` gives to another account: with two, one person could ask and approve.
    """
    _, _, domain = person.mail.rpartition("@")
    if domain.lower() not in identities.mail_domains or why_not_name(person.mail):
        return ""
    taken = {name.lower() for name in identities.users.values()}
    return "" if person.mail.lower() in taken else person.mail
