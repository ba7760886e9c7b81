"""Who may do what: users with their tokens, and roles bound to them as objects."""

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.sandbox.cluster.kinds import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    ROLE_BINDINGS,
    ROLES,
    Resource,
)
from bot.sandbox.cluster.status import ApiError, details
from bot.sandbox.cluster.store import Object, Store

ANONYMOUS = "system:anonymous"
MASTERS = "system:masters"
READ = ("get", "list", "watch")
_ACCOUNT = "system:serviceaccount:"


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


def _in(value: str, allowed: Iterable[str]) -> bool:
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
            "ingresses",
            "networkpolicies",
            "resourcequotas",
            "limitranges",
        ),
    ),
    Rule(("patch",), ("nodes", "persistentvolumeclaims")),
    Rule(("create", "get"), ("pods/exec",)),
)


@dataclass(frozen=True)
class Identity:
    """Who calls, or is acted for."""

    user: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: tuple[tuple[str, str], ...] = ()  # a key may come several times

    @property
    def all_groups(self) -> tuple[str, ...]:
        """With those that the server adds by itself."""
        if self.user == ANONYMOUS:
            return (*self.groups, "system:unauthenticated")
        added: tuple[str, ...] = ("system:authenticated",)
        if self.user.startswith(_ACCOUNT):
            namespace = self.user.removeprefix(_ACCOUNT).partition(":")[0]
            added = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", *added)
        return tuple(dict.fromkeys((*self.groups, *added)))


@dataclass(frozen=True)
class Deed:
    """What somebody wants to do; `resource` with its sub-resource, `namespace` "" for none."""

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""


@dataclass
class Rights:
    """The users of one cluster. Tokens are `<user>-token` until they are rotated; they guard a
    loopback toy.
    """

    store: Store
    rules: dict[str, tuple[Rule, ...]] = field(
        default_factory=lambda: {"admin": ADMIN, "viewer": VIEWER, "bot": BOT}
    )
    rotated: dict[str, str] = field(default_factory=dict)  # tokens that are not the first

    def allow(self, user: str, rules: Iterable[Rule]) -> None:
        """Replace what `user` may do, roles that are bound to him aside."""
        self.rules[user] = tuple(rules)

    def token(self, user: str) -> str:
        """Return the bearer token of a user. Raises ValueError when there is no such user."""
        if user not in self.rules:
            raise ValueError(f"This cluster has no user {user!r}.")
        return self.rotated.get(user, f"{user}-token")

    def rotate(self, user: str) -> None:
        """Give a user another token; the one he has is accepted no longer."""
        _, _, count = self.token(user).partition("-token-")
        self.rotated[user] = f"{user}-token-{int(count or 1) + 1}"

    def user(self, header: str) -> str | None:
        """Return who an Authorization header is of, or None.

        kubectl sends a token over TLS only, but the user and password of an address always: so a
        token may stand there as the password.
        """
        scheme, _, value = header.strip().partition(" ")
        token = value.strip()
        if scheme == "Basic":
            try:
                token = base64.b64decode(token, validate=True).decode().partition(":")[2]
            except (binascii.Error, UnicodeDecodeError):
                return None
        return next((user for user in self.rules if token == self.token(user)), None)

    def permits(self, who: Identity, deed: Deed) -> bool:
        """Say whether anything allows it: the user's own rules, or a role bound to him."""
        if MASTERS in who.groups:
            return True
        own = self.rules.get(who.user, ())
        if any(rule.permits(deed.verb, deed.resource, deed.namespace) for rule in own):
            return True
        return any(_covers(rule, deed) for rule in self._bound(who, deed.namespace))

    def of(self, who: Identity, namespace: str) -> Iterator[Object]:
        """Yield every rule as a review lists it."""
        own = ADMIN if MASTERS in who.groups else self.rules.get(who.user, ())
        for rule in own:
            if _in(namespace, rule.namespaces):
                yield {
                    "verbs": list(rule.verbs),
                    "apiGroups": ["*"],
                    "resources": list(rule.resources),
                }
        for bound in self._bound(who, namespace):
            kept = ("verbs", "apiGroups", "resources", "resourceNames")
            if bound.get("resources"):
                yield {key: list(bound[key]) for key in kept if bound.get(key)}

    def _bound(self, who: Identity, namespace: str) -> Iterator[Mapping[str, Any]]:
        bindings = self.store.objects(CLUSTER_ROLE_BINDINGS)
        if namespace:
            bindings = [*bindings, *self.store.objects(ROLE_BINDINGS, namespace)]
        for binding in bindings:
            if any(_is(who, subject) for subject in binding.get("subjects") or ()):
                role = self._role(binding)
                yield from (role or {}).get("rules") or ()

    def _role(self, binding: Object) -> Object | None:
        reference = binding.get("roleRef") or {}
        name = str(reference.get("name", ""))
        if reference.get("kind") == "ClusterRole":
            return self.store.get(CLUSTER_ROLES, "", name)
        return self.store.get(ROLES, binding["metadata"].get("namespace", ""), name)


def _is(who: Identity, subject: Mapping[str, Any]) -> bool:
    name = str(subject.get("name", ""))
    match subject.get("kind"):
        case "User":
            return name == who.user
        case "Group":
            return name in who.all_groups
        case "ServiceAccount":
            return who.user == f"{_ACCOUNT}{subject.get('namespace', '')}:{name}"
        case _:
            return False


def _covers(rule: Mapping[str, Any], deed: Deed) -> bool:
    names = rule.get("resourceNames") or ()
    main, _, below = deed.resource.partition("/")
    wanted = {deed.resource, f"*/{below}" if below else main}
    resources = rule.get("resources") or ()
    return (
        _in(deed.verb, rule.get("verbs") or ())
        and _in(deed.group, rule.get("apiGroups") or ())
        and ("*" in resources or bool(wanted & set(resources)))
        and (not names or deed.name in names)
    )


def forbidden(who: str, deed: Deed, resource: Resource | None = None) -> ApiError:
    """Word a refusal as the API server does."""
    plural = deed.resource.partition("/")[0]
    qualified = f"{plural}.{deed.group}" if deed.group else plural
    about = f'{qualified} "{deed.name}"' if deed.name else qualified
    where = f'in the namespace "{deed.namespace}"' if deed.namespace else "at the cluster scope"
    message = (
        f'{about} is forbidden: User "{who}" cannot {deed.verb} resource "{deed.resource}" '
        f'in API group "{deed.group}" {where}'
    )
    if resource is None:
        return ApiError(403, "Forbidden", message, {"name": deed.name, "kind": plural})
    return ApiError(403, "Forbidden", message, details(resource, deed.name))
