"""What blocks and elements are made of, as tables: texts, options, confirmations, rich text."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bot.sandbox.validate.kinds import (
    Array,
    Choice,
    Flag,
    Free,
    Kind,
    OneOf,
    Rule,
    Shape,
    String,
    Walk,
    Whole,
    url,
)
from bot.sandbox.validate.limits import EVERYWHERE, Surface
from bot.sandbox.validate.rules import any_of, exactly_one, unique_block_id

STRING = String()
STRINGS = Array(STRING)
WORD = String(pattern=re.compile(r".+", re.DOTALL), like="a string with content")
FLAG = Flag()
OBJECT = Free()
STYLE = Choice(("primary", "danger"))
LINKS = ("https", "http", "mailto", "tel", "slack")  # what a person may follow
WEB = ("https", "http")  # what Slack fetches


def typed(
    named: str,
    needs: Mapping[str, Kind] | None = None,
    may: Mapping[str, Kind] | None = None,
    rules: tuple[Rule, ...] = (),
) -> Shape:
    """A shape that says its name in `type`."""
    return Shape(named, {"type": Choice((named,)), **(needs or {})}, may or {}, rules)


def by_type(what: str, *shapes: Shape) -> OneOf:
    """One of `shapes`, chosen by `type`."""
    return OneOf(what, {shape.name: shape for shape in shapes})


@dataclass(frozen=True)
class Block(Shape):
    """A shape with a block_id of its own; action_ids are counted within it."""

    def check(self, value: object, at: str, walk: Walk) -> None:
        """Check with a fresh set of action_ids."""
        with walk.inside_block():
            super().check(value, at, walk)


def block(
    named: str,
    needs: Mapping[str, Kind] | None = None,
    may: Mapping[str, Kind] | None = None,
    rules: tuple[Rule, ...] = (),
    surfaces: frozenset[Surface] = EVERYWHERE,
) -> Block:
    """A block of the type `named`."""
    return Block(
        named,
        {"type": Choice((named,)), **(needs or {})},
        {"block_id": String("block_id"), **(may or {})},
        (*rules, unique_block_id),
        surfaces,
    )


# --- text --------------------------------------------------------------------------------------
# `emoji` belongs to plain_text, `verbatim` to mrkdwn; neither to the other.


def plain(limit: str) -> OneOf:
    """A plain_text object."""
    return by_type(
        limit, typed("plain_text", {"text": String(limit, counts=True)}, {"emoji": FLAG})
    )


def text(limit: str) -> OneOf:
    """A plain_text or mrkdwn object."""
    mrkdwn = typed("mrkdwn", {"text": String(limit, counts=True)}, {"verbatim": FLAG})
    return OneOf(limit, {**plain(limit).shapes, "mrkdwn": mrkdwn})


# --- composition objects -----------------------------------------------------------------------

CONFIRM = Shape(
    "confirm",
    {
        "title": plain("confirm.title"),
        "text": text("confirm.text"),
        "confirm": plain("confirm.confirm"),
        "deny": plain("confirm.deny"),
    },
    {"style": STYLE},
)


def _option(label: OneOf, **more: Kind) -> Shape:
    description = OneOf("option.description", text("option.description").shapes)
    return Shape(
        "option",
        {"text": label, "value": String("option.value")},
        {"description": description, **more},
    )


OPTION = _option(plain("option.text"))  # select menus
OVERFLOW_OPTION = _option(plain("option.text"), url=url("option.url", *LINKS))
BOX_OPTION = _option(text("option.text"))  # checkboxes and radio buttons
OPTION_GROUP = Shape(
    "option_group",
    {"label": plain("option_group.label"), "options": Array(OPTION, "option_group.options")},
)
FILTER = Shape(
    "filter",
    {},
    {
        "include": Array(Choice(("im", "mpim", "private", "public")), "filter.include"),
        "exclude_bot_users": FLAG,
        "exclude_external_shared_channels": FLAG,
    },
    (any_of("filter", "include", "exclude_bot_users", "exclude_external_shared_channels"),),
)
DISPATCH = Shape(
    "dispatch_action_config",
    {
        "trigger_actions_on": Array(
            Choice(("on_enter_pressed", "on_character_entered")),
            "dispatch_action_config.trigger_actions_on",
        )
    },
)
SLACK_FILE = Shape(
    "slack_file",
    {},
    {"id": WORD, "url": url(None, "https")},
    (exactly_one("slack_file", "id", "url"),),
)
TRIGGER = Shape(
    "trigger",
    {"url": url(None, "https")},
    {
        "customizable_input_parameters": Array(
            Shape("input_parameter", {"name": WORD, "value": STRING})
        )
    },
)
WORKFLOW = Shape("workflow", {"trigger": TRIGGER})

# --- rich text ---------------------------------------------------------------------------------

_STYLE = Shape(
    "style",
    {},
    dict.fromkeys(("bold", "italic", "strike", "code", "underline", "highlight"), Flag()),
)
_STYLED: dict[str, Kind] = {"style": _STYLE}
_LINK = typed("link", {"url": url(None, *LINKS)}, {**_STYLED, "text": String(counts=True)})
_TEXT = typed("text", {"text": String("rich_text.text", counts=True)}, _STYLED)
_INLINE = by_type(
    "rich text",
    _TEXT,
    _LINK,
    typed("user", {"user_id": WORD}, _STYLED),
    typed("usergroup", {"usergroup_id": WORD}, _STYLED),
    typed("channel", {"channel_id": WORD}, _STYLED),
    typed("team", {"team_id": WORD}, _STYLED),
    typed("emoji", {"name": WORD}, {**_STYLED, "unicode": WORD, "skin_tone": Whole()}),
    typed(
        "date",
        {"timestamp": Whole(), "format": WORD},
        {**_STYLED, "url": url(None, *LINKS), "fallback": WORD},
    ),
    typed("broadcast", {"range": Choice(("here", "channel", "everyone"))}, _STYLED),
    typed("color", {"value": WORD}, _STYLED),
)
_BORDER: dict[str, Kind] = {"border": Whole("rich_text.border")}
_RICH_SECTION = typed("rich_text_section", {"elements": Array(_INLINE)})
RICH_TEXT = block(
    "rich_text",
    {
        "elements": Array(
            by_type(
                "rich_text.elements",
                _RICH_SECTION,
                typed(
                    "rich_text_list",
                    {
                        "style": Choice(("bullet", "ordered")),
                        "elements": Array(by_type("rich_text_list.elements", _RICH_SECTION)),
                    },
                    {
                        **_BORDER,
                        "indent": Whole("rich_text_list.indent"),
                        "offset": Whole("rich_text_list.offset"),
                    },
                ),
                typed(
                    "rich_text_preformatted",
                    {"elements": Array(by_type("rich_text_preformatted.elements", _TEXT, _LINK))},
                    _BORDER,
                ),
                typed("rich_text_quote", {"elements": Array(_INLINE)}, _BORDER),
            )
        )
    },
)
A_RICH_TEXT = by_type("rich text", RICH_TEXT)
