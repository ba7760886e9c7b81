"""An app manifest that allows all that the stand-in does, for tests without one of their own."""

from collections.abc import Mapping
from typing import Any, Final

EXAMPLE_MANIFEST: Final[Mapping[str, Any]] = {
    "display_information": {"name": "Example"},
    "features": {
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
            ]
        }
    },
    "settings": {
        "event_subscriptions": {
            "bot_events": [
                "app_home_opened",
                "app_mention",
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
