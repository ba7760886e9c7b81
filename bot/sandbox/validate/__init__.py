"""What Slack would refuse: one pure function over the payload of a call, from tables of limits."""

import json
from collections.abc import Mapping, Sequence

from bot.sandbox.validate.blocks import TASK_SOURCES, TopLevel, has_inputs
from bot.sandbox.validate.kinds import (
    Array,
    Choice,
    Coded,
    Kind,
    OneOf,
    Shape,
    String,
    Violation,
    Walk,
    Whole,
)
from bot.sandbox.validate.limits import LIMITS, MESSAGES, VIEWS, Limit, Surface
from bot.sandbox.validate.objects import FLAG, OBJECT, STRING, WORD, by_type, plain, typed
from bot.sandbox.validate.rules import any_of, mapping

__all__ = ["LIMITS", "Limit", "Surface", "Violation", "validate", "validate_blocks"]


def validate(payload: Mapping[str, object], surface: Surface) -> list[Violation]:
    """Say what Slack would refuse in `payload`; an empty list if nothing.

    `payload` is the arguments of the call or, for a modal or Home, the view object. The first
    violation's code is what the API would answer. Never raises, whatever the JSON.
    """
    walk = Walk(surface)
    if surface in VIEWS:
        OneOf("view", {surface: VIEW_OF[surface]}).check(payload, "", walk)
        _view(mapping(payload), walk)
    else:
        if surface != "stream":
            _arguments(mapping(payload), walk)
        with walk.answering("invalid_arguments"):
            CALLS[surface].check(payload, "", walk)
        with walk.answering("invalid_metadata_format"):
            _size("metadata.size", mapping(payload).get("metadata"), "/metadata", walk)
    _totals(walk)
    return walk.found


def validate_blocks(blocks: Sequence[object], surface: Surface) -> list[Violation]:
    """Say what Slack would refuse in `blocks` alone; pointers begin with `/blocks`."""
    walk = Walk(surface)
    (VIEW_BLOCKS if surface in VIEWS else MESSAGE_BLOCKS).check(blocks, "/blocks", walk)
    _totals(walk)
    return walk.found


# --- messages ----------------------------------------------------------------------------------

MESSAGE_BLOCKS = Coded("invalid_blocks", Array(TopLevel(), "message.blocks"))
VIEW_BLOCKS = Array(TopLevel(), "view.blocks")

_FIELD = Shape("attachment.field", {}, {"title": STRING, "value": STRING, "short": FLAG})
ATTACHMENT = Shape(
    "attachment",
    {},
    {
        **dict.fromkeys(("author_icon", "author_link", "author_name", "author_subname"), STRING),
        **dict.fromkeys(("color", "fallback", "footer", "footer_icon", "image_url"), STRING),
        **dict.fromkeys(("pretext", "text", "thumb_url", "title", "title_link"), STRING),
        **dict.fromkeys(("callback_id", "attachment_type"), STRING),
        "ts": Whole(),
        "fields": Array(_FIELD),
        "mrkdwn_in": Array(STRING),
        "actions": Array(OBJECT),
        "blocks": MESSAGE_BLOCKS,
    },
)
METADATA = Shape(
    "metadata",
    {},
    {"event_type": WORD, "event_payload": OBJECT, "entities": Array(OBJECT)},
    (
        any_of("metadata", "event_type", "entities"),
        any_of("metadata", "event_payload", "entities"),
    ),
)

_CONTENT: dict[str, Kind] = {
    "text": String("message.text"),
    "blocks": MESSAGE_BLOCKS,
    "attachments": Coded("invalid_attachments", Array(ATTACHMENT, "message.attachments")),
    "thread_ts": WORD,
    "mrkdwn": FLAG,
    "unfurl_links": FLAG,
    "unfurl_media": FLAG,
}
_CALL: dict[str, Kind] = {
    **_CONTENT,
    "channel": WORD,
    "markdown_text": String("message.markdown_text"),
    "metadata": Coded("invalid_metadata_format", METADATA),
    "token": STRING,
    "parse": STRING,
    "link_names": FLAG,
    "as_user": FLAG,
}
_AUTHOR: dict[str, Kind] = dict.fromkeys(("username", "icon_emoji", "icon_url"), STRING)
_STATUS = Choice(("active", "processing", "suspended", "closed"))


def _adds_markdown(value: Mapping[str, object], _at: str, walk: Walk) -> None:
    """What the chunks of one call say is counted together."""
    said = value.get("text")
    walk.markdown += len(said) if isinstance(said, str) else 0


CHUNK = by_type(
    "chunks",
    typed("markdown_text", {"text": STRING}, rules=(_adds_markdown,)),
    typed(
        "task_update",
        {
            "id": WORD,
            "title": WORD,
            "status": Choice(("pending", "in_progress", "complete", "error")),
        },
        {"details": STRING, "output": STRING, "sources": TASK_SOURCES},
    ),
    typed("plan_update", {"title": WORD}),
    typed("blocks", {"blocks": Coded("invalid_blocks", Array(TopLevel(), "stream.blocks"))}),
)
CALLS: Mapping[Surface, Shape] = {
    "stream": Shape(
        "stream",
        {},
        {
            **_AUTHOR,
            **dict.fromkeys(("channel", "ts", "thread_ts"), WORD),
            **dict.fromkeys(("recipient_user_id", "recipient_team_id", "token"), STRING),
            "task_display_mode": Choice(("timeline", "plan", "dense")),
            "markdown_text": String("message.markdown_text"),
            "chunks": Coded("invalid_chunks", Array(CHUNK)),
            "blocks": MESSAGE_BLOCKS,
            "metadata": Coded("invalid_metadata_format", METADATA),
            "session_status": _STATUS,
        },
    ),
    "message": Shape(
        "message",
        {},
        {
            **_CALL,
            **_AUTHOR,
            "reply_broadcast": FLAG,
            "container_id": STRING,
            "client_msg_id": STRING,
            "post_at": Whole(),
        },
    ),
    "update": Shape(
        "update",
        {},
        {
            **_CALL,
            "text": String("update.text"),
            "ts": WORD,
            "reply_broadcast": FLAG,
            "file_ids": STRING,
        },
    ),
    "ephemeral": Shape("ephemeral", {}, {**_CALL, **_AUTHOR, "user": WORD}),
    "response_url": Shape(
        "response_url",
        {},
        {
            **_CONTENT,
            "metadata": Coded("invalid_metadata_format", METADATA),
            "response_type": STRING,
            "replace_original": FLAG,
            "delete_original": FLAG,
        },
    ),
}


def _arguments(payload: Mapping[str, object], walk: Walk) -> None:
    """What is said must be there, and said in one way."""
    said = [key for key in ("text", "blocks", "attachments") if payload.get(key)]
    if payload.get("markdown_text"):
        if said:
            walk.add(
                "/markdown_text",
                f"markdown_text: cannot be used together with {' and '.join(said)}.",
                "markdown_text_conflict",
            )
    elif not said and not payload.get("file_ids") and payload.get("delete_original") is not True:
        walk.add("", "text: there is no text, no block and no attachment.", "no_text")


# --- views -------------------------------------------------------------------------------------

_COMMON: dict[str, Kind] = {
    "private_metadata": String("view.private_metadata"),
    "callback_id": String("view.callback_id"),
    "external_id": String("view.external_id"),
}
VIEW_OF: Mapping[Surface, Shape] = {
    "modal": typed(
        "modal",
        {"title": plain("view.title"), "blocks": VIEW_BLOCKS},
        {
            **_COMMON,
            "submit": plain("view.submit"),
            "close": plain("view.close"),
            "submit_disabled": FLAG,
            "clear_on_close": FLAG,
            "notify_on_close": FLAG,
        },
    ),
    "home": typed("home", {"blocks": VIEW_BLOCKS}, _COMMON),
}


def _view(view: Mapping[str, object], walk: Walk) -> None:
    """A view can be submitted if there is something to submit, and is small."""
    if walk.surface == "modal" and "submit" not in view and has_inputs(view.get("blocks")):
        walk.add("", "view: submit is required when there is an input block.")
    _size("view.size", view, "", walk)


# --- totals ------------------------------------------------------------------------------------


def _size(limit: str, value: object, at: str, walk: Walk) -> None:
    """Hold the size of the JSON text, in bytes of UTF-8, against a limit."""
    try:
        written = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        # Nothing that a client could have sent in this form.
        walk.add(at, f"{limit}: the value cannot be written as JSON.")
        return
    walk.measure(limit, len(written.encode(errors="surrogatepass")), at)


def _totals(walk: Walk) -> None:
    """Some limits hold for all blocks of a message together."""
    if walk.surface in MESSAGES:
        walk.measure("message.markdown_total", walk.markdown, "/blocks")
        walk.measure("message.text_total", walk.text, "/blocks")
        walk.measure("message.charts", walk.charts, "/blocks")
