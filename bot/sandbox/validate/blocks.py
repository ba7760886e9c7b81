"""The blocks as tables: which keys each has, what may stand in it and on which surface."""

from collections.abc import Mapping
from dataclasses import dataclass

from bot.sandbox.validate import elements
from bot.sandbox.validate.kinds import (
    Array,
    Choice,
    Flag,
    Free,
    Nullable,
    Number,
    OneOf,
    OwnTotal,
    Shape,
    String,
    Walk,
    Whole,
    url,
)
from bot.sandbox.validate.limits import MESSAGES, Surface
from bot.sandbox.validate.objects import (
    A_RICH_TEXT,
    RICH_TEXT,
    SLACK_FILE,
    WEB,
    WORD,
    block,
    by_type,
    plain,
    text,
    typed,
)
from bot.sandbox.validate.rules import any_of, categories, container, data_table, exactly_one, items

MODAL: frozenset[Surface] = frozenset({"modal"})
NOT_MODAL: frozenset[Surface] = MESSAGES | {"home"}


# --- the classic blocks ------------------------------------------------------------------------

SECTION = block(
    "section",
    {},
    {
        "text": text("section.text"),
        "fields": Array(text("section.field"), "section.fields"),
        "accessory": by_type("section.accessory", *elements.IN_SECTION),
        "expand": Flag(),
    },
    (any_of("section", "text", "fields"),),
)
DIVIDER = block("divider")
IMAGE = block(
    "image",
    {"alt_text": String("image.alt_text")},
    {
        "image_url": url("image.image_url", *WEB),
        "slack_file": SLACK_FILE,
        "title": plain("image.title"),
    },
    (exactly_one("image", "image_url", "slack_file"),),
)
ACTIONS = block(
    "actions",
    {"elements": Array(by_type("actions.elements", *elements.IN_ACTIONS), "actions.elements")},
)
_IN_CONTEXT = OneOf("context.elements", {**text("text").shapes, "image": elements.IMAGE})
CONTEXT = block(
    "context",
    {"elements": Array(_IN_CONTEXT, "context.elements")},
)
CONTEXT_ACTIONS = block(
    "context_actions",
    {
        "elements": Array(
            by_type("context_actions.elements", *elements.IN_CONTEXT_ACTIONS),
            "context_actions.elements",
        )
    },
    surfaces=MESSAGES,
)
INPUT = block(
    "input",
    {"label": plain("input.label"), "element": by_type("input.element", *elements.IN_INPUT)},
    {"hint": plain("input.hint"), "optional": Flag(), "dispatch_action": Flag()},
)
FILE = block(
    "file",
    {"external_id": String("file.external_id"), "source": Choice(("remote",))},
    surfaces=MESSAGES,
)
CALL = block(
    "call",
    {"call_id": WORD},
    {"api_decoration_available": Flag(), "call": Free()},
    surfaces=MESSAGES,
)
HEADER = block("header", {"text": plain("header.text")})
VIDEO = block(
    "video",
    {
        "alt_text": String("video.alt_text"),
        "title": plain("video.title"),
        "thumbnail_url": url("video.url", *WEB),
        "video_url": url("video.url", "https"),
    },
    {
        "title_url": url("video.url", "https"),
        "description": plain("video.description"),
        "provider_icon_url": url("video.url", *WEB),
        "provider_name": String("video.provider_name"),
        "author_name": String("video.author_name"),
    },
)


def _adds_markdown(value: Mapping[str, object], _at: str, walk: Walk) -> None:
    """All markdown of a payload is counted together."""
    said = value.get("text")
    walk.markdown += len(said) if isinstance(said, str) else 0


MARKDOWN = block(
    "markdown",
    {"text": String("markdown.text", counts=True)},
    rules=(_adds_markdown,),
    surfaces=MESSAGES,
)

# --- tables and charts -------------------------------------------------------------------------


def _cells(what: str) -> OneOf:
    shown = String("cell.text", counts=True)
    return by_type(
        what,
        typed("raw_text", {"text": shown}),
        typed("raw_number", {"value": Number(), "text": shown}),
        RICH_TEXT,
    )


TABLE = block(
    "table",
    {"rows": Array(Array(_cells("table"), "table.columns"), "table.rows")},
    {
        "column_settings": Array(
            Nullable(
                Shape(
                    "column_settings",
                    {},
                    {"align": Choice(("left", "center", "right")), "is_wrapped": Flag()},
                )
            ),
            "table.column_settings",
        )
    },
    surfaces=NOT_MODAL,
)


_ROWS = Array(Array(_cells("data_table"), "data_table.columns"), "data_table.rows")
DATA_TABLE = block(
    "data_table",
    {"caption": WORD, "rows": OwnTotal(_ROWS, "data_table.content")},
    {
        "page_size": Whole("data_table.page_size"),
        "row_header_column_index": Whole("data_table.row_header_column_index"),
    },
    (data_table,),
    NOT_MODAL,
)

_LABEL = String("chart.label")
_POINT = Shape("chart.data", {"label": _LABEL, "value": Number()})
_AXES = Shape(
    "axis_config",
    {"categories": Array(_LABEL, "chart.categories")},
    {"x_label": String("chart.axis_label"), "y_label": String("chart.axis_label")},
)


def _axis_chart(named: str) -> Shape:
    series = Shape("chart.series", {"name": _LABEL, "data": Array(_POINT, "chart.data")})
    return typed(
        named,
        {"series": Array(series, "chart.series"), "axis_config": _AXES},
        rules=(categories,),
    )


_SEGMENT = Shape("chart.segment", {"label": _LABEL, "value": Number(positive=True)})
_CHART = by_type(
    "chart",
    typed("pie", {"segments": Array(_SEGMENT, "chart.segments")}),
    *(_axis_chart(named) for named in ("bar", "line", "area")),
)


def _adds_chart(_value: Mapping[str, object], _at: str, walk: Walk) -> None:
    """A message has few charts."""
    walk.charts += 1


DATA_VISUALIZATION = block(
    "data_visualization",
    {"title": String("chart.title"), "chart": _CHART},
    rules=(_adds_chart,),
    surfaces=NOT_MODAL,
)

# --- tasks, cards, containers ------------------------------------------------------------------

TASK_SOURCES = Array(by_type("sources", typed("url", {"url": url(None, *WEB), "text": WORD})))
TASK_CARD = block(
    "task_card",
    {
        "task_id": WORD,
        "title": WORD,
        "status": Choice(("pending", "in_progress", "complete", "error")),
    },
    {
        "details": A_RICH_TEXT,
        "output": A_RICH_TEXT,
        "sources": TASK_SOURCES,
    },
    surfaces=MESSAGES,
)
PLAN = block(
    "plan",
    {"title": WORD},
    {"tasks": Array(by_type("plan.tasks", TASK_CARD), "plan.tasks")},
    surfaces=MESSAGES,
)
_AN_IMAGE = by_type("image", elements.IMAGE)
CARD = block(
    "card",
    {},
    {
        "hero_image": _AN_IMAGE,
        "icon": _AN_IMAGE,
        "slack_icon": by_type("slack_icon", typed("icon", {"name": WORD})),
        "title": text("card.title"),
        "subtitle": text("card.subtitle"),
        "body": text("card.body"),
        "subtext": text("card.subtext"),
        "actions": Array(by_type("card.actions", elements.BUTTON), "card.actions"),
    },
    (any_of("card", "hero_image", "title", "actions", "body"),),
)
CAROUSEL = block(
    "carousel",
    {"elements": Array(by_type("carousel.elements", CARD), "carousel.elements")},
    surfaces=NOT_MODAL,
)
ALERT = block(
    "alert",
    {"text": text("alert.text")},
    {"level": Choice(("default", "info", "warning", "error", "success"))},
    surfaces=MODAL,
)
CONTAINER = block(
    "container",
    {
        "child_blocks": Array(
            by_type(
                "container.child_blocks",
                *(ACTIONS, CONTEXT, DIVIDER, FILE, HEADER, IMAGE),
                *(INPUT, RICH_TEXT, SECTION, TABLE, VIDEO),
            ),
            "container.child_blocks",
        )
    },
    {
        "title": plain("container.title"),
        "rich_text_title": A_RICH_TEXT,
        "subtitle": text("container.subtitle"),
        "icon": _AN_IMAGE,
        "width": Choice(("narrow", "standard", "wide", "full")),
        "is_collapsible": Flag(),
        "default_collapsed": Flag(),
        "has_header_divider": Flag(),
    },
    (any_of("container", "title", "rich_text_title"), container),
    NOT_MODAL,
)
_SIMPLE = (SECTION, DIVIDER, IMAGE, ACTIONS, CONTEXT, HEADER, RICH_TEXT)
AUTH_PROVIDER = block(
    "auth_provider",
    {
        "value": String("auth_provider.value"),
        "name": plain("auth_provider.name"),
        "is_connected": Flag(),
    },
    {
        "description": plain("auth_provider.description"),
        "icon_url": url("auth_provider.url", "https"),
        "auth_url": url("auth_provider.url", "https"),
        "disconnect_url": url("auth_provider.url", "https"),
        "connected_identity": plain("auth_provider.connected_identity"),
        "connected_context": plain("auth_provider.connected_context"),
        "accessory": by_type("auth_provider.accessory", elements.OVERFLOW),
        "fallback": Array(by_type("auth_provider.fallback", *_SIMPLE)),
    },
)

BLOCK = by_type(
    "block",
    *(SECTION, DIVIDER, IMAGE, ACTIONS, CONTEXT, CONTEXT_ACTIONS, INPUT, FILE, CALL, HEADER),
    *(MARKDOWN, VIDEO, RICH_TEXT, TABLE, DATA_TABLE, DATA_VISUALIZATION, TASK_CARD, PLAN),
    *(CARD, CAROUSEL, ALERT, CONTAINER, AUTH_PROVIDER),
)


@dataclass(frozen=True)
class TopLevel:
    """A block that stands by itself: only the tasks of a plan may be pending."""

    def check(self, value: object, at: str, walk: Walk) -> None:
        """Check one block of a payload."""
        BLOCK.check(value, at, walk)
        if (
            isinstance(value, Mapping)
            and value.get("type") == "task_card"
            and value.get("status") == "pending"
        ):
            walk.add(f"{at}/status", "task_card: only a task of a plan may be pending.")


def has_inputs(blocks: object) -> bool:
    """Whether a person has something to fill in and submit."""
    return any(isinstance(item, Mapping) and item.get("type") == "input" for item in items(blocks))
