"""auth.test, users.*, usergroups.*, team.info and bots.info: who is who."""

from bot.sandbox.slack.methods.registry import Arguments, Services, method
from bot.sandbox.slack.model import Json, SlackError, User


@method("auth.test", tier=5)
def auth_test(on: Services, args: Arguments) -> Json:  # noqa: ARG001 - every method takes them
    """Say whose token this is."""
    state = on.state
    return {
        "url": f"https://{state.team_domain}.slack.com/",
        "team": state.team_name,
        "user": state.manifest.name,
        "team_id": state.team_id,
        "user_id": state.bot_user_id,
        "bot_id": state.bot_id,
        "is_enterprise_install": False,
    }


@method("users.info", "users:read", tier=4)
def user_info(on: Services, args: Arguments) -> Json:
    """Describe a person."""
    user = on.state.users.get(args.required("user"))
    if user is None:
        raise SlackError("user_not_found")
    return {"user": _shown(on, user)}


@method("users.lookupByEmail", "users:read.email", tier=3)
def by_email(on: Services, args: Arguments) -> Json:
    """Find a person of this workspace by address."""
    wanted = args.required("email").lower()
    for user in on.state.users.values():
        if user.email == wanted and not (user.deleted or user.is_bot or user.is_stranger):
            return {"user": _shown(on, user)}
    raise SlackError("users_not_found")


@method("users.list", "users:read", tier=2)
def user_list(on: Services, args: Arguments) -> Json:  # noqa: ARG001 - every method takes them
    """List everyone of this workspace."""
    members = [_shown(on, user) for user in on.state.users.values() if not user.is_stranger]
    now = int(on.state.clock.now())
    return {"members": members, "cache_ts": now, "response_metadata": {"next_cursor": ""}}


def _shown(on: Services, user: User) -> Json:
    """A person as this app may know them: the address is a scope of its own."""
    shown = user.as_json()
    if "users:read.email" in on.state.manifest.scopes and not user.is_bot:
        shown["profile"]["email"] = user.email
        shown["is_email_confirmed"] = True
    return shown


@method("usergroups.list", "usergroups:read", tier=2)
def group_list(on: Services, args: Arguments) -> Json:
    """List user groups."""
    include_users = args.flag("include_users")
    return {
        "usergroups": [
            group.as_json(on.state.team_id, include_users=include_users)
            for group in on.state.groups.values()
            if args.flag("include_disabled") or not group.disabled
        ]
    }


@method("usergroups.users.list", "usergroups:read", tier=2)
def group_users(on: Services, args: Arguments) -> Json:
    """List the members of a user group, by its id."""
    group = on.state.groups.get(args.required("usergroup"))
    if group is None or (group.disabled and not args.flag("include_disabled")):
        raise SlackError("no_such_subteam")
    return {"users": list(group.users)}


@method("team.info", "team:read", tier=3)
def team_info(on: Services, args: Arguments) -> Json:
    """Describe the workspace."""
    state = on.state
    wanted = args.text("team", state.team_id)
    if wanted == state.team_id:
        named = {"name": state.team_name, "domain": state.team_domain}
    elif wanted == state.other_team_id:
        named = {"name": "Other Org", "domain": "other"}
    else:
        raise SlackError("team_not_found")
    return {"team": {"id": wanted, "email_domain": "", "icon": {}} | named}


@method("bots.info", "users:read", tier=3)
def bot_info(on: Services, args: Arguments) -> Json:
    """Describe a bot by its bot id."""
    wanted = args.text("bot", on.state.bot_id)
    for user in on.state.users.values():
        if user.bot_id == wanted:
            bot: Json = {
                "id": wanted,
                "deleted": user.deleted,
                "name": user.real_name,
                "updated": 1_700_000_000,
                "app_id": user.app_id,
                "user_id": user.id,
                "icons": {},
            }
            return {"bot": bot}
    raise SlackError("bot_not_found")
