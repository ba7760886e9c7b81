"""The block elements as tables: which keys each has, and where each may stand."""

import re
from collections.abc import Mapping

from bot.sandbox.validate.kinds import Array, Choice, Kind, Rule, Shape, String, Whole, url
from bot.sandbox.validate.objects import (
    A_RICH_TEXT,
    BOX_OPTION,
    CONFIRM,
    DISPATCH,
    FILTER,
    FLAG,
    LINKS,
    OPTION,
    OPTION_GROUP,
    OVERFLOW_OPTION,
    SLACK_FILE,
    STRING,
    STRINGS,
    STYLE,
    WEB,
    WORD,
    WORKFLOW,
    plain,
    typed,
)
from bot.sandbox.validate.rules import exactly_one, offered, ordered, unique_action_id

# --- elements ----------------------------------------------------------------------------------

ACTION: dict[str, Kind] = {"action_id": String("action_id")}
FIELD: dict[str, Kind] = {**ACTION, "focus_on_load": FLAG}  # what a person fills in
HINTED: dict[str, Kind] = {**FIELD, "placeholder": plain("placeholder")}
PICKED: dict[str, Kind] = {**HINTED, "confirm": CONFIRM}
MANY: dict[str, Kind] = {"max_selected_items": Whole("select.max_selected_items")}
TYPED: dict[str, Kind] = {**HINTED, "dispatch_action_config": DISPATCH}


def element(
    named: str,
    needs: Mapping[str, Kind] | None = None,
    may: Mapping[str, Kind] | None = None,
    rules: tuple[Rule, ...] = (),
) -> Shape:
    """An interactive element: its action_id is its own within the block."""
    return typed(named, needs, may, (*rules, unique_action_id))


IMAGE = typed(
    "image",
    {"alt_text": String("image.alt_text")},
    {"image_url": url("image.image_url", *WEB), "slack_file": SLACK_FILE},
    (exactly_one("image", "image_url", "slack_file"),),
)
BUTTON = element(
    "button",
    {"text": plain("button.text")},
    {
        **ACTION,
        "url": url("button.url", *LINKS),
        "value": String("button.value"),
        "style": STYLE,
        "confirm": CONFIRM,
        "accessibility_label": String("button.accessibility_label"),
        "agent_prompt": String("button.agent_prompt"),
        "agent_prompt_display": STRING,
        "visible_to_user_ids": STRINGS,
    },
)
WORKFLOW_BUTTON = element(
    "workflow_button",
    {"text": plain("workflow_button.text"), "workflow": WORKFLOW},
    {
        **ACTION,
        "style": STYLE,
        "accessibility_label": String("workflow_button.accessibility_label"),
    },
)
_FEEDBACK = Shape(
    "feedback_button",
    {"text": plain("feedback_button.text"), "value": String("feedback_button.value")},
    {"accessibility_label": String("feedback_button.accessibility_label")},
)
FEEDBACK_BUTTONS = element(
    "feedback_buttons", {"positive_button": _FEEDBACK, "negative_button": _FEEDBACK}, ACTION
)
ICON_BUTTON = element(
    "icon_button",
    {"icon": Choice(("trash",)), "text": plain("text")},
    {
        **ACTION,
        "accessibility_label": String("icon_button.accessibility_label"),
        "value": String("icon_button.value"),
        "visible_to_user_ids": Array(STRING, "icon_button.visible_to_user_ids"),
        "confirm": CONFIRM,
    },
)
OVERFLOW = element(
    "overflow",
    {"options": Array(OVERFLOW_OPTION, "overflow.options")},
    {**ACTION, "confirm": CONFIRM},
)
RADIO_BUTTONS = element(
    "radio_buttons",
    {"options": Array(BOX_OPTION, "radio_buttons.options")},
    {**FIELD, "confirm": CONFIRM, "initial_option": BOX_OPTION},
    (offered,),
)
CHECKBOXES = element(
    "checkboxes",
    {"options": Array(BOX_OPTION, "checkboxes.options")},
    {**FIELD, "confirm": CONFIRM, "initial_options": Array(BOX_OPTION, "checkboxes.options")},
    (offered,),
)

_OPTIONS: dict[str, Kind] = {
    "options": Array(OPTION, "select.options"),
    "option_groups": Array(OPTION_GROUP, "select.option_groups"),
}
_QUERY: dict[str, Kind] = {"min_query_length": Whole("select.min_query_length")}
_CONVERSATIONS: dict[str, Kind] = {"filter": FILTER, "default_to_current_conversation": FLAG}
_RESPONSE_URL: dict[str, Kind] = {"response_url_enabled": FLAG}


def _selects(
    named: str, initial: str, of: Kind, may: Mapping[str, Kind], alone: Mapping[str, Kind]
) -> tuple[Shape, Shape]:
    """A menu for one choice, which may have the keys `alone` too, and its twin for several."""
    rules: tuple[Rule, ...] = ()
    if "options" in may:
        rules = (offered, exactly_one(named, "options", "option_groups"))
    one = element(named, {}, {**PICKED, **may, **alone, initial: of}, rules)
    several = element(
        f"multi_{named}", {}, {**PICKED, **MANY, **may, f"{initial}s": Array(of)}, rules
    )
    return one, several


_EXTERNAL = tuple(
    element(named, {}, {**PICKED, **_QUERY, **more})
    for named, more in (
        ("external_select", {"initial_option": OPTION}),
        ("multi_external_select", {**MANY, "initial_options": Array(OPTION)}),
    )
)
SELECTS: tuple[Shape, ...] = (
    *_selects("static_select", "initial_option", OPTION, _OPTIONS, {}),
    *_selects("users_select", "initial_user", WORD, {}, {}),
    *_selects("conversations_select", "initial_conversation", WORD, _CONVERSATIONS, _RESPONSE_URL),
    *_selects("channels_select", "initial_channel", WORD, {}, _RESPONSE_URL),
    *_EXTERNAL,
)

_DATE = String(pattern=re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"), like="a date such as 2026-11-25")
_TIME = String(pattern=re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]"), like="a time such as 14:05")
DATEPICKER = element("datepicker", {}, {**PICKED, "initial_date": _DATE})
TIMEPICKER = element("timepicker", {}, {**PICKED, "initial_time": _TIME, "timezone": WORD})
DATETIMEPICKER = element(
    "datetimepicker", {}, {**FIELD, "confirm": CONFIRM, "initial_date_time": Whole()}
)

PLAIN_TEXT_INPUT = element(
    "plain_text_input",
    {},
    {
        **TYPED,
        "initial_value": String("plain_text_input.initial_value"),
        "multiline": FLAG,
        "min_length": Whole("plain_text_input.min_length"),
        "max_length": Whole("plain_text_input.max_length"),
    },
    (ordered("plain_text_input", "min_length", "max_length"),),
)
EMAIL_INPUT = element("email_text_input", {}, {**TYPED, "initial_value": STRING})
URL_INPUT = element("url_text_input", {}, {**TYPED, "initial_value": STRING})
_NUMERAL = String(pattern=re.compile(r"-?[0-9]+(\.[0-9]+)?"), like="a number written as a string")
NUMBER_INPUT = element(
    "number_input",
    {"is_decimal_allowed": FLAG},
    {**TYPED, "initial_value": _NUMERAL, "min_value": _NUMERAL, "max_value": _NUMERAL},
    (ordered("number_input", "min_value", "max_value"),),
)
FILE_INPUT = element(
    "file_input", {}, {**ACTION, "filetypes": STRINGS, "max_files": Whole("file_input.max_files")}
)
RICH_TEXT_INPUT = element(
    "rich_text_input",
    {},
    {
        **TYPED,
        "initial_value": A_RICH_TEXT,
        "min_lines": Whole("rich_text_input.min_lines"),
        "max_lines": Whole("rich_text_input.max_lines"),
    },
    (ordered("rich_text_input", "min_lines", "max_lines"),),
)

# --- where each may stand ----------------------------------------------------------------------

_CHOOSERS = (RADIO_BUTTONS, CHECKBOXES, DATEPICKER, TIMEPICKER, *SELECTS)
IN_SECTION = (BUTTON, WORKFLOW_BUTTON, OVERFLOW, IMAGE, *_CHOOSERS)
IN_ACTIONS = (BUTTON, WORKFLOW_BUTTON, OVERFLOW, DATETIMEPICKER, RICH_TEXT_INPUT, *_CHOOSERS)
IN_CONTEXT_ACTIONS = (FEEDBACK_BUTTONS, ICON_BUTTON)
IN_INPUT = (
    PLAIN_TEXT_INPUT,
    EMAIL_INPUT,
    URL_INPUT,
    NUMBER_INPUT,
    FILE_INPUT,
    RICH_TEXT_INPUT,
    DATETIMEPICKER,
    *_CHOOSERS,
)
