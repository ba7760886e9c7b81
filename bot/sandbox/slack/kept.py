"""The workspace as a document: what of it outlives the process, and how it is taken up again."""

import base64
import copy
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Final, TypeVar

from bot.sandbox.keeping import Document, Kept, Unreadable
from bot.sandbox.slack.model import Channel, Group, Json, Session, StoredFile, User, View
from bot.sandbox.slack.state import State
from bot.sandbox.slack.tickets import ResponseUrls

T = TypeVar("T")

KIND: Final = "workspace"
VERSION: Final = 1

_UNSEEN: Final = 100_000
"""Entries by which the feed jumps: a page that saw more than was kept must read all again."""


def check(path: Path) -> None:
    """Whether it can be read at all; the shape shows when it is taken up.

    Raises `Unreadable`, OSError.
    """
    Kept(path, KIND, VERSION).read()


def picture(state: State, response_urls: ResponseUrls) -> Document:
    """Everything that outlives the process; open modals, trigger ids and records do not."""
    count, last_ts = state.ids.mark()
    return {
        "base_url": state.base_url,
        "offset": state.clock.offset,
        "ids": {"count": count, "last_ts": last_ts},
        "seq": state.feed.seq,
        "tokens": {
            "bot_token": state.bot_token,
            "app_token": state.app_token,
            "page_token": state.page_token,
        },
        "users": [asdict(user) for user in state.users.values()],
        "channels": [_channel(channel) for channel in state.channels.values()],
        "groups": [asdict(group) for group in state.groups.values()],
        "files": [_file(file) for file in state.files.values()],
        "homes": [asdict(view) for view in state.homes.values()],
        "sessions": [asdict(session) for session in state.sessions.values()],
        "notices": state.notices[-100:],
        "response_urls": response_urls.picture(),
    }


def restore(document: Document, kept: Kept, state: State, response_urls: ResponseUrls) -> None:
    """Put what was kept into a workspace that already listens. Raises `Unreadable`."""
    try:
        _take_up(document, state, response_urls)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unreadable(f"{kept.path} lacks something: {error!r}.") from error


def _take_up(document: Document, state: State, response_urls: ResponseUrls) -> None:
    # Addresses of files and answers name the port of then.
    text = json.dumps(document)
    moved = text.replace(str(document["base_url"]), state.base_url)
    kept: Json = json.loads(moved)
    tokens = kept["tokens"]
    state.bot_token, state.app_token = str(tokens["bot_token"]), str(tokens["app_token"])
    if state.settings.control_token is None:
        state.page_token = str(tokens["page_token"])
    state.clock.offset = float(kept["offset"])
    state.ids.go_on(int(kept["ids"]["count"]), int(kept["ids"]["last_ts"]))
    state.feed.go_on(int(kept["seq"]) + _UNSEEN)
    state.users = _by_id(kept["users"], lambda one: User(**one))
    state.channels = _by_id(kept["channels"], lambda one: Channel(**one))
    state.groups = _by_id(kept["groups"], lambda one: Group(**one))
    state.files = _by_id(kept["files"], _stored)
    state.homes = {one["user"]: View(**one) for one in kept["homes"]}
    state.sessions = {
        (one["channel"], one["thread_ts"]): Session(**one) for one in kept["sessions"]
    }
    state.notices = list(kept["notices"])
    for channel in state.channels.values():
        for message in channel.messages.values():
            # Nobody remembers what was streaming.
            if message.get("streaming_state") == "in_progress":
                message["streaming_state"] = "errored"
    response_urls.restore(kept["response_urls"])


def _by_id(items: list[Json], make: Callable[[Json], T]) -> dict[str, T]:
    return {str(one["id"]): make(one) for one in items}


def _channel(channel: Channel) -> Json:
    # written by a thread, while messages go on changing
    return copy.deepcopy(vars(channel))


def _file(file: StoredFile) -> Json:
    content = None if file.content is None else base64.b64encode(file.content).decode()
    return dict(vars(file)) | {"content": content}


def _stored(kept: Json) -> StoredFile:
    content = kept["content"]
    return StoredFile(**kept | {"content": None if content is None else base64.b64decode(content)})
