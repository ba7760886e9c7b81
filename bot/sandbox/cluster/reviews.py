"""Questions about rights: may I, may he, what may I, who am I."""

from typing import Any

from bot.sandbox.cluster.rights import Deed, Identity, Rights, forbidden
from bot.sandbox.cluster.status import ApiError, bad_request
from bot.sandbox.cluster.store import Object

AUTHORIZATION = ("authorization.k8s.io", "v1")
AUTHENTICATION = ("authentication.k8s.io", "v1")
KINDS = {
    AUTHORIZATION: (
        "SelfSubjectAccessReview",
        "SelfSubjectRulesReview",
        "SubjectAccessReview",
        "LocalSubjectAccessReview",
    ),
    AUTHENTICATION: ("SelfSubjectReview",),
}
_PATHS = {
    f"/apis/{group}/{version}/{kind.lower()}s": kind
    for (group, version), kinds in KINDS.items()
    for kind in kinds
    if kind != "LocalSubjectAccessReview"
}


def kind_at(path: str) -> str | None:
    """Return the review that a path takes, or None."""
    if found := _PATHS.get(path.rstrip("/")):
        return found
    parts = path.strip("/").split("/")
    local = parts[:4] == ["apis", *AUTHORIZATION, "namespaces"] and len(parts) == 6
    return "LocalSubjectAccessReview" if local and parts[5] == "localsubjectaccessreviews" else None


def answer(rights: Rights, who: Identity, kind: str, body: Any) -> Object:
    """Return the review with its status. Raises ApiError for a question that makes no sense."""
    spec = body.get("spec") if isinstance(body, dict) else None
    spec = spec if isinstance(spec, dict) else {}
    group, version = AUTHENTICATION if kind == "SelfSubjectReview" else AUTHORIZATION
    made: Object = {"kind": kind, "apiVersion": f"{group}/{version}", "metadata": {}}
    match kind:
        case "SelfSubjectReview":
            return made | {"status": {"userInfo": _info(who)}}
        case "SelfSubjectRulesReview":
            rules = list(rights.of(who, str(spec.get("namespace", ""))))
            found = {"resourceRules": rules, "nonResourceRules": [], "incomplete": False}
            return made | {"spec": spec, "status": found}
        case "SelfSubjectAccessReview":
            return made | {"spec": spec, "status": _status(rights, who, spec)}
        case _:
            asked = Deed("create", AUTHORIZATION[0], f"{kind.lower()}s")
            if not rights.permits(who, asked):
                raise forbidden(who.user, asked)
            about = Identity(str(spec.get("user", "")), tuple(map(str, spec.get("groups") or ())))
            if not about.user and not about.groups:
                raise _invalid(kind, "spec.user: at least one of user or group must be specified")
            return made | {"spec": spec, "status": _status(rights, about, spec)}


def _info(who: Identity) -> Object:
    info: Object = {"username": who.user, "groups": list(who.all_groups)}
    if who.uid:
        info["uid"] = who.uid
    for key, value in who.extra:
        info.setdefault("extra", {}).setdefault(key, []).append(value)
    return info


def _status(rights: Rights, who: Identity, spec: Object) -> Object:
    wanted = spec.get("resourceAttributes")
    path = spec.get("nonResourceAttributes")
    if isinstance(path, dict):
        allowed = str(path.get("verb")) == "get"  # discovery and health are open to everybody
        return {"allowed": allowed}
    if not isinstance(wanted, dict):
        raise bad_request("spec.resourceAttributes is required")
    what = str(wanted.get("resource", "*"))
    if wanted.get("subresource"):
        what += f"/{wanted['subresource']}"
    deed = Deed(
        str(wanted.get("verb", "*")),
        str(wanted.get("group", "")),
        what,
        str(wanted.get("namespace", "")),
        str(wanted.get("name", "")),
    )
    return {"allowed": rights.permits(who, deed)}


def _invalid(kind: str, why: str) -> ApiError:
    return ApiError(422, "Invalid", f'{kind}.authorization.k8s.io "" is invalid: {why}')
