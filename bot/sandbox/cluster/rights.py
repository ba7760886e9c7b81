"""Who may do what: users, their tokens and the rules that answer an access review."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from bot.sandbox.cluster.kinds import Resource
from bot.sandbox.cluster.status import ApiError, details

ANONYMOUS = "system:anonymous"
READ = ("get", "list", "watch")


@dataclass(frozen=True)
class Rule:
    """Permission for some verbs on some resources in some namespaces; `*` means any.

    A resource is written `pods`, a sub-resource `deployments/scale`.
    """

    verbs: tuple[str, ...]
    resources: tuple[str, ...] = ("*",)
    namespaces: tuple[str, ...] = ("*",)

    def permits(self, verb: str, resource: str, namespace: str) -> bool:
        """Say whether this rule covers the deed."""
        return (
            _in(verb, self.verbs)
            and _in(resource, self.resources)
            and _in(namespace, self.namespaces)
        )


def _in(value: str, allowed: tuple[str, ...]) -> bool:
    return "*" in allowed or value in allowed


ADMIN = (Rule(("*",)),)
VIEWER = (Rule(READ),)
BOT = (
    Rule(READ),
    Rule(
        ("create", "update", "patch", "delete"),
        (
            "deployments",
            "deployments/scale",
            "statefulsets",
            "statefulsets/scale",
            "daemonsets",
            "replicasets",
            "pods",
            "pods/eviction",
            "jobs",
            "cronjobs",
            "services",
            "configmaps",
            "horizontalpodautoscalers",
            "poddisruptionbudgets",
        ),
    ),
)


@dataclass
class Rights:
    """The users of one cluster. Tokens are `<user>-token`; they guard a loopback toy."""

    rules: dict[str, tuple[Rule, ...]] = field(
        default_factory=lambda: {"admin": ADMIN, "viewer": VIEWER, "bot": BOT}
    )

    def allow(self, user: str, rules: Iterable[Rule]) -> None:
        """Replace what `user` may do; no rule at all means nothing."""
        self.rules[user] = tuple(rules)

    def token(self, user: str) -> str:
        """Return the bearer token of a user. Raises ValueError when there is no such user."""
        if user not in self.rules:
            raise ValueError(f"This cluster has no user {user!r}.")
        return f"{user}-token"

    def user(self, token: str) -> str | None:
        """Return whose token it is, or None."""
        return next((user for user in self.rules if token == self.token(user)), None)

    def permits(self, user: str, verb: str, resource: str, namespace: str) -> bool:
        """Say whether any rule of the user covers the deed."""
        return any(rule.permits(verb, resource, namespace) for rule in self.rules.get(user, ()))


def forbidden(
    user: str, verb: str, resource: Resource, subresource: str, namespace: str, name: str
) -> ApiError:
    """Word a refusal as the API server does."""
    what = f"{resource.plural}/{subresource}" if subresource else resource.plural
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    about = f'{resource.qualified} "{name}"' if name else resource.qualified
    message = (
        f'{about} is forbidden: User "{user}" cannot {verb} resource "{what}" '
        f'in API group "{resource.group}" {where}'
    )
    return ApiError(403, "Forbidden", message, details(resource, name))
