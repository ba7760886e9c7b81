"""What an app's manifest allows, and one that allows all that the stand-in does."""

from collections.abc import Mapping
from typing import Any, Final

EXAMPLE_MANIFEST: Final[Mapping[str, Any]] = {
    "display_information": {"name": "Example"},
    "features": {
        "agent_view": {"agent_description": "Shows what the stand-in can do."},
        "app_home": {"home_tab_enabled": True, "messages_tab_enabled": True},
        "bot_user": {"display_name": "examplebot", "always_online": True},
        "shortcuts": [
            {"name": "Look at this", "type": "message", "callback_id": "look_at_message"},
            {"name": "Look around", "type": "global", "callback_id": "look_around"},
        ],
        "slash_commands": [{"command": "/ops", "description": "Ask or run an operation"}],
    },
    "oauth_config": {
        "scopes": {
            "bot": [
                "app_mentions:read",
                "assistant:write",
                "channels:history",
                "channels:join",
                "channels:read",
                "chat:write",
                "commands",
                "files:read",
                "files:write",
                "groups:history",
                "groups:read",
                "im:history",
                "im:read",
                "im:write",
                "reactions:read",
                "reactions:write",
                "team:read",
                "usergroups:read",
                "users:read",
                "users:read.email",
            ]
        }
    },
    "settings": {
        "event_subscriptions": {
            "bot_events": [
                "agent_session_stopped",
                "agent_session_title_changed",
                "app_home_opened",
                "app_mention",
                "file_shared",
                "member_joined_channel",
                "member_left_channel",
                "message.channels",
                "message.groups",
                "message.im",
                "reaction_added",
                "reaction_removed",
                "subteam_members_changed",
                "subteam_updated",
                "tokens_revoked",
                "user_change",
            ]
        },
        "interactivity": {"is_enabled": True},
        "socket_mode_enabled": True,
    },
}

_EVENT_SCOPES: Mapping[str, str] = {
    "app_mention": "app_mentions:read",
    "message.channels": "channels:history",
    "message.groups": "groups:history",
    "message.im": "im:history",
    "reaction_added": "reactions:read",
    "reaction_removed": "reactions:read",
    "member_joined_channel": "channels:read",
    "member_left_channel": "channels:read",
    "subteam_updated": "usergroups:read",
    "subteam_members_changed": "usergroups:read",
    "file_shared": "files:read",
    "agent_session_stopped": "chat:write",
    "agent_session_title_changed": "chat:write",
    "user_change": "users:read",
}


class Manifest:
    """The parts of an app manifest that decide what the app may call and hear.

    Raises `ValueError`, naming all mistakes, for what Slack would refuse to install.
    """

    def __init__(self, source: Mapping[str, Any]) -> None:
        features = source.get("features", {})
        configured = source.get("settings", {})
        scopes = source.get("oauth_config", {}).get("scopes", {})
        self.name = str(features.get("bot_user", {}).get("display_name", "app"))
        self.scopes: tuple[str, ...] = (*scopes.get("bot", ()), *scopes.get("bot_optional", ()))
        subscriptions = configured.get("event_subscriptions", {})
        self.events: frozenset[str] = frozenset(subscriptions.get("bot_events", ()))
        self.commands = tuple(str(entry["command"]) for entry in features.get("slash_commands", ()))
        self.shortcuts: Mapping[str, str] = {
            str(entry["callback_id"]): str(entry["type"]) for entry in features.get("shortcuts", ())
        }
        self.interactive = bool(configured.get("interactivity", {}).get("is_enabled", False))
        self.is_agent = "agent_view" in features
        self.home_enabled = bool(features.get("app_home", {}).get("home_tab_enabled", False))
        mistakes = [
            f"event {event} needs the scope {_EVENT_SCOPES[event]}"
            for event in sorted(self.events)
            if event in _EVENT_SCOPES and _EVENT_SCOPES[event] not in self.scopes
        ]
        if self.commands and "commands" not in self.scopes:
            mistakes.append("slash commands need the scope commands")
        if not configured.get("socket_mode_enabled", False):
            mistakes.append("settings.socket_mode_enabled must be true")
        if mistakes:
            raise ValueError(f"The manifest cannot be installed: {'; '.join(mistakes)}.")
