"""apps.connections.open: the only method an app-level token may call."""

from urllib.parse import urlencode

from bot.sandbox.slack.methods.registry import Arguments, Services, method
from bot.sandbox.slack.model import Json, SlackError


@method("apps.connections.open", tier=3, kind="app")
def open_(on: Services, args: Arguments) -> Json:  # noqa: ARG001 - every method takes them
    """A single-use address for a Socket Mode connection."""
    if on.faults.link_disabled:
        raise SlackError("link_disabled")
    query = urlencode({"ticket": on.hub.ticket(), "app_id": on.state.app_id})
    return {"url": f"{on.state.base_url.replace('http', 'ws', 1)}/link/?{query}"}
