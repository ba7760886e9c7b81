"""The Web API's methods, by family; importing this package registers them all."""

from bot.sandbox.slack.methods import (
    agents,
    chat,
    conversations,
    files,
    people,
    socket,
    streams,
    views,
)
from bot.sandbox.slack.methods.registry import Arguments, Method, Services, find

__all__ = [
    "Arguments",
    "Method",
    "Services",
    "agents",
    "chat",
    "conversations",
    "files",
    "find",
    "people",
    "socket",
    "streams",
    "views",
]
