"""views.*: modals and the Home tab."""

from bot.sandbox.slack.checks import check_payload
from bot.sandbox.slack.methods.registry import Arguments, Services, method
from bot.sandbox.slack.model import Json, SlackError, View
from bot.sandbox.slack.tickets import Trigger


@method("views.open", tier=4)
def open_(on: Services, args: Arguments) -> Json:
    """Open a modal before the person whose interaction gave the trigger id."""
    payload = _modal(on, "views.open", args)
    trigger = _redeem(on, args)
    return _answer(on, on.views.open(trigger.user, payload))


@method("views.push", tier=4)
def push(on: Services, args: Arguments) -> Json:
    """Put a modal on top of the one whose interaction gave the trigger id."""
    payload = _modal(on, "views.push", args)
    trigger = _redeem(on, args)
    if not trigger.from_view:
        raise SlackError("invalid_trigger_id")
    return _answer(on, on.views.push(trigger.user, payload))


@method("views.update", tier=4)
def update(on: Services, args: Arguments) -> Json:
    """Replace an open view's content."""
    payload = args.object("view")
    view_id, external_id = args.text("view_id"), args.text("external_id")
    if not view_id and not external_id:
        raise SlackError("invalid_arguments")
    home = payload.get("type") == "home"
    check_payload(on.state, "views.update", payload, "home" if home else "modal")
    view = on.views.find(view_id, external_id)
    if view.payload.get("type") != payload.get("type"):
        raise SlackError("invalid_arguments")
    return _answer(on, on.views.update(view, payload, args.text("hash") or None))


@method("views.publish", tier=4)
def publish(on: Services, args: Arguments) -> Json:
    """Set a person's Home tab."""
    user_id = args.required("user_id")
    payload = args.object("view")
    if not on.state.manifest.home_enabled:
        raise SlackError("not_enabled")
    if user_id not in on.state.users:
        raise SlackError("user_not_found")
    if payload.get("type") != "home":
        raise SlackError("invalid_arguments")
    check_payload(on.state, "views.publish", payload, "home")
    return _answer(on, on.views.publish_home(user_id, payload, args.text("hash") or None))


def _modal(on: Services, where: str, args: Arguments) -> Json:
    payload = args.object("view")
    if payload.get("type") != "modal":
        raise SlackError("invalid_arguments")
    check_payload(on.state, where, payload, "modal")
    return payload


def _redeem(on: Services, args: Arguments) -> Trigger:
    return on.triggers.redeem(args.text("trigger_id") or args.required("interactivity_pointer"))


def _answer(on: Services, view: View) -> Json:
    return {"view": on.state.show_view(view)}
