"""`manifest.yml` against what the code really calls and listens to: no scope too many, none
missing.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from bot.core.values import Person
from bot.slack.api import Method, SlackApi
from bot.slack.incoming import Slashed, understand

ROOT = Path(__file__).parents[2]
MANIFEST = yaml.safe_load((ROOT / "manifest.yml").read_text())

# Slack's reference: which bot scopes a method needs; any one of a set per kind of channel it is
# used in.
SCOPES_OF_METHOD: dict[Method, set[str]] = {
    Method.POST: {"chat:write"},
    Method.UPDATE: {"chat:write"},
    Method.DELETE: {"chat:write"},
    Method.EPHEMERAL: {"chat:write"},
    Method.REPLIES: {"channels:history", "groups:history", "im:history"},
    Method.HISTORY: {"channels:history", "groups:history", "im:history"},
    Method.CHANNEL: {"channels:read", "groups:read", "im:read"},
    Method.PERSON: {"users:read"},
    Method.MEMBERS: {"channels:read", "groups:read", "im:read"},
    Method.GROUP: {"usergroups:read"},
    Method.OPEN_VIEW: set(),
    Method.PUSH_VIEW: set(),
    Method.UPDATE_VIEW: set(),
    Method.UPLOAD_URL: {"files:write"},
    Method.UPLOAD_DONE: {"files:write"},
    Method.IDENTITY: set(),
    Method.SOCKET: set(),  # the app-level token's connections:write
}
SCOPES_OF_EVENT = {
    "app_mention": {"app_mentions:read"},
    "channel_shared": {"channels:read", "groups:read"},
    "channel_unshared": {"channels:read", "groups:read"},
    "member_left_channel": {"channels:read", "groups:read"},
    "message.channels": {"channels:history"},
    "message.groups": {"groups:history"},
    "message.im": {"im:history"},
    "subteam_members_changed": {"usergroups:read"},
    "subteam_updated": {"usergroups:read"},
    "user_change": {"users:read"},
}
# One event of each subscribed kind, as the listener gets it.
EXAMPLES: dict[str, dict[str, Any]] = {
    "app_mention": {"type": "app_mention", "user": "U2", "text": "<@U1> hi", "channel": "C1"},
    "message.channels": {"type": "message", "user": "U2", "text": "hi", "channel": "C1"},
    "message.groups": {"type": "message", "user": "U2", "text": "hi", "channel": "G1"},
    "message.im": {"type": "message", "user": "U2", "text": "hi", "channel": "D1"},
    "channel_shared": {"type": "channel_shared", "channel": "C1"},
    "channel_unshared": {"type": "channel_unshared", "channel": "C1"},
    "member_left_channel": {"type": "member_left_channel", "user": "U2", "channel": "C1"},
    "subteam_members_changed": {"type": "subteam_members_changed", "subteam_id": "S1"},
    "subteam_updated": {"type": "subteam_updated", "subteam": {"id": "S1"}},
    "user_change": {"type": "user_change", "user": {"id": "U2"}},
}


def test_every_scope_is_needed_and_none_is_missing() -> None:
    events = MANIFEST["settings"]["event_subscriptions"]["bot_events"]
    needed = set().union(
        *(SCOPES_OF_METHOD[method] for method in Method),
        *(SCOPES_OF_EVENT[event] for event in events),
        {"files:read"} if hasattr(SlackApi, "download") else set(),
        {"users:read.email"} if "mail" in Person.__annotations__ else set(),
        {"commands"} if MANIFEST["features"]["slash_commands"] else set(),
    )
    assert set(MANIFEST["oauth_config"]["scopes"]["bot"]) == needed


def test_every_subscribed_event_is_understood_and_every_understood_one_subscribed() -> None:
    assert set(MANIFEST["settings"]["event_subscriptions"]["bot_events"]) == set(EXAMPLES)
    for event in EXAMPLES.values():
        body = {"type": "event_callback", "event": {"ts": "1.0", **event}}
        assert understand(body, "U1") is not None, event["type"]


def test_the_slash_command_is_understood() -> None:
    (ours,) = MANIFEST["features"]["slash_commands"]
    typed = {"command": ours["command"], "text": "<@U1> help", "user_id": "U2"}
    found = understand({**typed, "channel_id": "C1", "trigger_id": "1.2"}, "U1")
    assert isinstance(found, Slashed)
    assert found.text == "help"


def test_no_other_place_names_a_method_of_the_web_api() -> None:
    names = re.compile(r"[\"'](?:chat|conversations|users|usergroups|views|files|apps|auth)\.\w+")
    for path in (ROOT / "bot" / "slack").rglob("*.py"):
        if path.name != "api.py":
            assert not names.search(path.read_text()), f"{path.name}: use bot.slack.api.Method"


def test_buttons_need_interactivity_and_direct_messages_their_tab() -> None:
    assert MANIFEST["settings"]["interactivity"]["is_enabled"]
    assert MANIFEST["settings"]["socket_mode_enabled"]
    assert MANIFEST["features"]["app_home"]["messages_tab_enabled"]
    assert "assistant_view" not in MANIFEST["features"]


def test_every_scope_and_event_says_why() -> None:
    for line in (ROOT / "manifest.yml").read_text().splitlines():
        if re.match(r"\s+- [\w:.]+", line):
            assert re.search(r"# \w", line), line
