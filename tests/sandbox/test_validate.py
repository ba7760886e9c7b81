"""Slack's limits: every one at its boundary and beyond, every block in use, and hostile input."""

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.sandbox.validate import LIMITS, Surface, Violation, validate, validate_blocks
from bot.sandbox.validate import elements as element_tables
from bot.sandbox.validate.blocks import BLOCK
from bot.sandbox.validate.kinds import MOST_REPORTED

Json = dict[str, object]
Call = tuple[Surface, Json]
Make = Callable[[int], Call]

# --- building payloads -------------------------------------------------------------------------


def plain(size: int = 1) -> Json:
    return {"type": "plain_text", "text": "x" * size}


def mrkdwn(size: int = 1) -> Json:
    return {"type": "mrkdwn", "text": "x" * size}


def link(size: int = 20) -> str:
    return "https://example.com/".ljust(size, "x")


def option(text: int = 1, value: int = 1, **more: object) -> Json:
    return {"text": plain(text), "value": "v" * value, **more}


def button(**more: object) -> Json:
    return {"type": "button", "text": plain(), **more}


def divider(**more: object) -> Json:
    return {"type": "divider", **more}


def raw(size: int = 1) -> Json:
    return {"type": "raw_text", "text": "x" * size}


def rich(*elements: Json) -> Json:
    return {"type": "rich_text", "elements": list(elements)}


def line(*elements: Json) -> Json:
    return {"type": "rich_text_section", "elements": list(elements)}


def words(size: int = 1) -> Json:
    return {"type": "text", "text": "x" * size}


def bullets(**more: object) -> Json:
    item = line(words())
    return rich({"type": "rich_text_list", "style": "bullet", "elements": [item], **more})


def message(*blocks: Json) -> Call:
    return "message", {"channel": "C1", "text": "fallback", "blocks": list(blocks)}


def modal(*blocks: Json, **more: object) -> Call:
    view = {"type": "modal", "title": plain(), "submit": plain(), "blocks": list(blocks)}
    return "modal", {**view, **more}


def actions(*elements: Json) -> Call:
    return message({"type": "actions", "elements": list(elements)})


def context_actions(*elements: Json) -> Call:
    return message({"type": "context_actions", "elements": list(elements)})


def asks(element: Json) -> Call:
    return modal({"type": "input", "label": plain(), "element": element})


def section(**more: object) -> Call:
    return message({"type": "section", **more})


def select(**more: object) -> Call:
    return actions({"type": "static_select", **more})


def image(**more: object) -> Call:
    return message({"type": "image", "image_url": link(), "alt_text": "a", **more})


def video(**more: object) -> Call:
    needs = {"alt_text": "a", "title": plain(), "thumbnail_url": link(), "video_url": link()}
    return message({"type": "video", **needs, **more})


def card(**more: object) -> Call:
    return message({"type": "card", "title": plain(), **more})


def container(**more: object) -> Call:
    return message({"type": "container", "title": plain(), "child_blocks": [divider()], **more})


def table(**more: object) -> Call:
    return message({"type": "table", "rows": [[raw()]], **more})


def data_table(**more: object) -> Call:
    rows = [[raw()], [raw()]]
    return message({"type": "data_table", "caption": "c", "rows": rows, **more})


def chart(title: int = 1, **more: object) -> Json:
    return {"type": "data_visualization", "title": "t" * title, "chart": more}


def pie(segments: int = 1, label: int = 1) -> Json:
    return chart(type="pie", segments=[{"label": "l" * label, "value": 1}] * segments)


def bars(series: int = 1, points: int = 1, axis: int = 1) -> Json:
    names = [f"c{n}" for n in range(points)]
    data = [{"label": name, "value": 0} for name in names]
    axes = {"categories": names, "x_label": "x" * axis}
    return chart(type="bar", series=[{"name": "s", "data": data}] * series, axis_config=axes)


def provider(**more: object) -> Call:
    needs = {"value": "v", "name": plain(), "is_connected": True}
    return message({"type": "auth_provider", **needs, **more})


def task(**more: object) -> Json:
    return {"type": "task_card", "task_id": "t", "title": "t", "status": "complete", **more}


def confirm(**more: object) -> Json:
    return {"title": plain(), "text": mrkdwn(), "confirm": plain(), "deny": plain(), **more}


def feedback(**more: object) -> Call:
    good = {"text": plain(), "value": "v"}
    both = {"positive_button": {**good, **more}, "negative_button": good}
    return context_actions({"type": "feedback_buttons", **both})


def icon_button(**more: object) -> Json:
    return {"type": "icon_button", "icon": "trash", "text": plain(), **more}


def icon(**more: object) -> Call:
    return context_actions(icon_button(**more))


def workflow(**more: object) -> Call:
    run = {"trigger": {"url": link()}}
    return actions({"type": "workflow_button", "text": plain(), "workflow": run, **more})


def markdown(size: int) -> Json:
    return {"type": "markdown", "text": "x" * size}


def texts(size: int) -> list[Json]:
    """Sections with `size` characters altogether."""
    sizes = [3_000] * (size // 3_000) + [size % 3_000] * (size % 3_000 > 0)
    return [{"type": "section", "text": mrkdwn(n)} for n in sizes]


def metadata_of(size: int) -> Call:
    empty = {"event_type": "e", "event_payload": {"k": ""}}
    fill = size - len(json.dumps(empty, separators=(",", ":")))
    return "message", {"text": "t", "metadata": {**empty, "event_payload": {"k": "x" * fill}}}


def view_of(size: int) -> Call:
    """A modal of exactly `size` bytes: sections, and private metadata for the rest."""

    def length(view: Json) -> int:
        return len(json.dumps(view, separators=(",", ":")))

    def build(fill: int) -> Json:
        sections: list[Json] = [{"type": "section", "text": mrkdwn(fill)} for _ in range(90)]
        return modal(*sections, private_metadata="")[1]

    view = build((size - length(build(1))) // 90)
    view["private_metadata"] = "x" * (size - length(view))
    return "modal", view


# --- every limit at its boundary ---------------------------------------------------------------

AT: dict[str, Make] = {
    "message.text": lambda n: ("message", {"text": "x" * n}),
    "update.text": lambda n: ("update", {"ts": "1.1", "text": "x" * n}),
    "message.markdown_text": lambda n: ("message", {"markdown_text": "x" * n}),
    "message.blocks": lambda n: message(*[divider()] * n),
    "message.attachments": lambda n: ("message", {"attachments": [{"text": "a"}] * n}),
    "message.markdown_total": lambda n: message(markdown(6_000), markdown(n - 6_000)),
    "message.text_total": lambda n: message(*texts(n)),
    "message.charts": lambda n: message(*[pie()] * n),
    "metadata.size": metadata_of,
    "view.blocks": lambda n: modal(*[divider()] * n),
    "view.title": lambda n: modal(divider(), title=plain(n)),
    "view.submit": lambda n: modal(divider(), submit=plain(n)),
    "view.close": lambda n: modal(divider(), close=plain(n)),
    "view.private_metadata": lambda n: modal(divider(), private_metadata="x" * n),
    "view.callback_id": lambda n: modal(divider(), callback_id="x" * n),
    "view.external_id": lambda n: modal(divider(), external_id="x" * n),
    "view.size": view_of,
    "block_id": lambda n: message(divider(block_id="b" * n)),
    "action_id": lambda n: actions(button(action_id="a" * n)),
    "file.external_id": lambda n: message(
        {"type": "file", "external_id": "f" * n, "source": "remote"}
    ),
    "text": lambda n: message({"type": "context", "elements": [mrkdwn(n)]}),
    "rich_text.text": lambda n: message(rich(line(words(n)))),
    "cell.text": lambda n: table(rows=[[raw(n)]]),
    "confirm.title": lambda n: actions(button(confirm=confirm(title=plain(n)))),
    "confirm.text": lambda n: actions(button(confirm=confirm(text=mrkdwn(n)))),
    "confirm.confirm": lambda n: actions(button(confirm=confirm(confirm=plain(n)))),
    "confirm.deny": lambda n: actions(button(confirm=confirm(deny=plain(n)))),
    "option.text": lambda n: select(options=[option(text=n)]),
    "option.value": lambda n: select(options=[option(value=n)]),
    "option.description": lambda n: select(options=[option(description=plain(n))]),
    "option.url": lambda n: actions({"type": "overflow", "options": [option(url=link(n))]}),
    "option_group.label": lambda n: select(
        option_groups=[{"label": plain(n), "options": [option()]}]
    ),
    "option_group.options": lambda n: select(
        option_groups=[{"label": plain(), "options": [option()] * n}]
    ),
    "filter.include": lambda n: actions(
        {"type": "conversations_select", "filter": {"include": ["public"] * n}}
    ),
    "dispatch_action_config.trigger_actions_on": lambda n: asks(
        {
            "type": "plain_text_input",
            "dispatch_action_config": {"trigger_actions_on": ["on_enter_pressed"] * n},
        }
    ),
    "button.text": lambda n: actions(button(text=plain(n))),
    "button.value": lambda n: actions(button(value="x" * n)),
    "button.url": lambda n: actions(button(url=link(n))),
    "button.accessibility_label": lambda n: actions(button(accessibility_label="x" * n)),
    "button.agent_prompt": lambda n: actions(button(agent_prompt="x" * n)),
    "workflow_button.text": lambda n: workflow(text=plain(n)),
    "workflow_button.accessibility_label": lambda n: workflow(accessibility_label="x" * n),
    "feedback_button.text": lambda n: feedback(text=plain(n)),
    "feedback_button.value": lambda n: feedback(value="x" * n),
    "feedback_button.accessibility_label": lambda n: feedback(accessibility_label="x" * n),
    "icon_button.value": lambda n: icon(value="x" * n),
    "icon_button.accessibility_label": lambda n: icon(accessibility_label="x" * n),
    "icon_button.visible_to_user_ids": lambda n: icon(visible_to_user_ids=["U1"] * n),
    "placeholder": lambda n: select(options=[option()], placeholder=plain(n)),
    "select.options": lambda n: select(options=[option()] * n),
    "select.option_groups": lambda n: select(
        option_groups=[{"label": plain(), "options": [option()]}] * n
    ),
    "select.max_selected_items": lambda n: actions(
        {"type": "multi_users_select", "max_selected_items": n}
    ),
    "select.min_query_length": lambda n: actions(
        {"type": "external_select", "min_query_length": n}
    ),
    "overflow.options": lambda n: actions({"type": "overflow", "options": [option()] * n}),
    "radio_buttons.options": lambda n: actions(
        {"type": "radio_buttons", "options": [option()] * n}
    ),
    "checkboxes.options": lambda n: actions({"type": "checkboxes", "options": [option()] * n}),
    "plain_text_input.min_length": lambda n: asks({"type": "plain_text_input", "min_length": n}),
    "plain_text_input.max_length": lambda n: asks({"type": "plain_text_input", "max_length": n}),
    "plain_text_input.initial_value": lambda n: asks(
        {"type": "plain_text_input", "initial_value": "x" * n}
    ),
    "rich_text_input.min_lines": lambda n: asks({"type": "rich_text_input", "min_lines": n}),
    "rich_text_input.max_lines": lambda n: asks({"type": "rich_text_input", "max_lines": n}),
    "file_input.max_files": lambda n: asks({"type": "file_input", "max_files": n}),
    "section.text": lambda n: section(text=mrkdwn(n)),
    "section.fields": lambda n: section(fields=[mrkdwn()] * n),
    "section.field": lambda n: section(fields=[mrkdwn(n)]),
    "header.text": lambda n: message({"type": "header", "text": plain(n)}),
    "context.elements": lambda n: message({"type": "context", "elements": [mrkdwn()] * n}),
    "actions.elements": lambda n: actions(*[button()] * n),
    "context_actions.elements": lambda n: context_actions(*[icon_button()] * n),
    "input.label": lambda n: modal(
        {"type": "input", "label": plain(n), "element": {"type": "plain_text_input"}}
    ),
    "input.hint": lambda n: modal(
        {
            "type": "input",
            "label": plain(),
            "hint": plain(n),
            "element": {"type": "plain_text_input"},
        }
    ),
    "markdown.text": lambda n: message(markdown(n)),
    "image.image_url": lambda n: image(image_url=link(n)),
    "image.alt_text": lambda n: image(alt_text="x" * n),
    "image.title": lambda n: image(title=plain(n)),
    "video.title": lambda n: video(title=plain(n)),
    "video.author_name": lambda n: video(author_name="x" * n),
    "video.alt_text": lambda n: video(alt_text="x" * n),
    "video.description": lambda n: video(description=plain(n)),
    "video.provider_name": lambda n: video(provider_name="x" * n),
    "video.url": lambda n: video(title_url=link(n)),
    "rich_text_list.indent": lambda n: message(bullets(indent=n)),
    "rich_text_list.offset": lambda n: message(bullets(offset=n)),
    "rich_text.border": lambda n: message(bullets(border=n)),
    "card.title": lambda n: card(title=mrkdwn(n)),
    "card.subtitle": lambda n: card(subtitle=mrkdwn(n)),
    "card.body": lambda n: card(body=mrkdwn(n)),
    "card.subtext": lambda n: card(subtext=mrkdwn(n)),
    "card.actions": lambda n: card(actions=[button()] * n),
    "carousel.elements": lambda n: message(
        {"type": "carousel", "elements": [{"type": "card", "title": plain()}] * n}
    ),
    "container.title": lambda n: container(title=plain(n)),
    "container.subtitle": lambda n: container(subtitle=mrkdwn(n)),
    "container.child_blocks": lambda n: container(child_blocks=[divider()] * n),
    "alert.text": lambda n: modal({"type": "alert", "text": mrkdwn(n)}),
    "plan.tasks": lambda n: message({"type": "plan", "title": "t", "tasks": [task()] * n}),
    "table.rows": lambda n: table(rows=[[raw()]] * n),
    "table.columns": lambda n: table(rows=[[raw()] * n]),
    "table.column_settings": lambda n: table(column_settings=[None] * n),
    "data_table.rows": lambda n: data_table(rows=[[raw()]] * n),
    "data_table.columns": lambda n: data_table(rows=[[raw()] * n] * 2),
    "data_table.content": lambda n: data_table(rows=[[raw()], [raw(n - 1)]]),
    "data_table.page_size": lambda n: data_table(page_size=n),
    "data_table.row_header_column_index": lambda n: data_table(
        rows=[[raw()] * 20] * 2, row_header_column_index=n
    ),
    "chart.title": lambda n: message({**pie(), "title": "t" * n}),
    "chart.segments": lambda n: message(pie(segments=n)),
    "chart.series": lambda n: message(bars(series=n)),
    "chart.data": lambda n: message(bars(points=n)),
    "chart.categories": lambda n: message(bars(points=n)),
    "chart.label": lambda n: message(pie(label=n)),
    "chart.axis_label": lambda n: message(bars(axis=n)),
    "stream.blocks": lambda n: (
        "stream",
        {"channel": "C1", "chunks": [{"type": "blocks", "blocks": [divider()] * n}]},
    ),
    "auth_provider.value": lambda n: provider(value="x" * n),
    "auth_provider.name": lambda n: provider(name=plain(n)),
    "auth_provider.description": lambda n: provider(description=plain(n)),
    "auth_provider.connected_identity": lambda n: provider(connected_identity=plain(n)),
    "auth_provider.connected_context": lambda n: provider(connected_context=plain(n)),
    "auth_provider.url": lambda n: provider(auth_url=link(n)),
}


def bounds() -> Iterator[tuple[str, int, int]]:
    """Each limit's last good size and the first bad one beyond it."""
    for name, limit in LIMITS.items():
        if limit.most is not None:
            yield name, limit.most, limit.most + 1
        if limit.least > 0 or limit.unit == "":
            yield name, limit.least, limit.least - 1


def test_each_limit_has_a_payload_that_breaks_it() -> None:
    assert set(AT) == set(LIMITS), "add the limit's payload to AT"
    assert {name for name, _, _ in bounds()} == set(LIMITS), (
        "a limit without a bound limits nothing"
    )


@pytest.mark.parametrize(("name", "good", "bad"), list(bounds()))
def test_a_limit_holds_at_its_boundary(name: str, good: int, bad: int) -> None:
    surface, payload = AT[name](good)
    assert validate(payload, surface) == []

    surface, payload = AT[name](bad)
    named = [fault for fault in validate(payload, surface) if fault.message.startswith(f"{name}: ")]
    assert named, f"{bad} passes"
    usual = "invalid_arguments" if surface == "modal" else "invalid_blocks"
    assert {fault.code for fault in named} == {LIMITS[name].code or usual}
    assert str(bad) in named[0].message
    assert str(good) in named[0].message


PUBLISHED = {  # the table of sizes, as Slack's pages and the SDK give it
    "message.text": 40_000,
    "update.text": 4_000,
    "message.markdown_text": 12_000,
    "message.markdown_total": 12_000,
    "message.blocks": 50,
    "view.blocks": 100,
    "message.attachments": 100,
    "section.text": 3_000,
    "section.fields": 10,
    "section.field": 2_000,
    "header.text": 150,
    "context.elements": 10,
    "actions.elements": 25,
    "context_actions.elements": 5,
    "button.text": 75,
    "button.value": 2_000,
    "button.url": 3_000,
    "action_id": 255,
    "button.accessibility_label": 75,
    "button.agent_prompt": 4_000,
    "block_id": 255,
    "view.callback_id": 255,
    "view.external_id": 255,
    "confirm.title": 100,
    "confirm.text": 300,
    "confirm.confirm": 30,
    "confirm.deny": 30,
    "select.options": 100,
    "select.option_groups": 100,
    "option.text": 75,
    "option.value": 150,
    "option.description": 75,
    "overflow.options": 5,
    "radio_buttons.options": 10,
    "checkboxes.options": 10,
    "placeholder": 150,
    "input.label": 2_000,
    "input.hint": 2_000,
    "plain_text_input.max_length": 3_000,
    "card.title": 150,
    "card.subtitle": 150,
    "card.body": 200,
    "card.subtext": 200,
    "card.actions": 3,
    "carousel.elements": 10,
    "container.title": 150,
    "container.child_blocks": 10,
    "alert.text": 200,
    "table.rows": 100,
    "table.columns": 20,
    "data_table.rows": 201,
    "data_table.columns": 20,
    "data_table.content": 20_000,
    "data_table.page_size": 100,
    "chart.title": 50,
    "message.charts": 2,
    "plan.tasks": 50,
    "image.image_url": 3_000,
    "image.alt_text": 2_000,
    "image.title": 2_000,
    "view.title": 24,
    "view.submit": 24,
    "view.close": 24,
    "view.private_metadata": 3_000,
    "view.size": 250_000,
    "feedback_button.text": 75,
    "feedback_button.value": 2_000,
    "icon_button.visible_to_user_ids": 10,
}


@pytest.mark.parametrize(("name", "most"), list(PUBLISHED.items()))
def test_a_limit_is_the_published_one(name: str, most: int) -> None:
    assert LIMITS[name].most == most


# --- what else is refused ----------------------------------------------------------------------

Fault = tuple[Call, str, str]  # the call, the pointer, the code where it is not invalid_blocks

FAULTS: dict[str, Fault] = {
    # Neither the SDK's models nor the published types notice these.
    "empty section text": (section(text=mrkdwn(0)), "/blocks/0/text/text", ""),
    "field over 2,000": (section(fields=[plain(2_001)]), "/blocks/0/fields/0/text", ""),
    "duplicate action_id": (
        actions(button(action_id="a"), button(action_id="a")),
        "/blocks/0/elements/1/action_id",
        "",
    ),
    "empty actions": (actions(), "/blocks/0/elements", ""),
    "duplicate block_id": (
        message(divider(block_id="b"), divider(block_id="b")),
        "/blocks/1/block_id",
        "",
    ),
    "51 blocks": (message(*[divider()] * 51), "/blocks", "msg_blocks_too_many"),
    "markdown over 12,000 in total": (
        message(markdown(6_001), markdown(6_000)),
        "/blocks",
        "msg_blocks_too_long",
    ),
    "table over 100 rows": (table(rows=[[raw()]] * 101), "/blocks/0/rows", ""),
    "table over 20 columns": (table(rows=[[raw()] * 21]), "/blocks/0/rows/0", ""),
    "bad status inside plan": (
        message({"type": "plan", "title": "t", "tasks": [task(status="done")]}),
        "/blocks/0/tasks/0/status",
        "",
    ),
    "option text over 75": (
        select(options=[option(text=76)]),
        "/blocks/0/elements/0/options/0/text/text",
        "",
    ),
    "option value over 150": (
        select(options=[option(value=151)]),
        "/blocks/0/elements/0/options/0/value",
        "",
    ),
    # What the models drop with a log line.
    "unknown block": (message({"type": "sectoin"}), "/blocks/0/type", ""),
    "unknown element": (actions({"type": "buton"}), "/blocks/0/elements/0/type", ""),
    "unknown key": (section(text=plain(), txet="x"), "/blocks/0/txet", ""),
    "unknown key with a slash": (section(text=plain(), **{"a/b~c": 1}), "/blocks/0/a~1b~0c", ""),
    "no type": (message({"text": plain()}), "/blocks/0/type", ""),
    "a type that is no string": (message({"type": ["section"]}), "/blocks/0/type", ""),
    "a block that is no object": (("message", {"blocks": ["x"]}), "/blocks/0", ""),
    "blocks that are no array": (("message", {"blocks": "x"}), "/blocks", ""),
    # What the types notice.
    "missing key": (message({"type": "header"}), "/blocks/0", ""),
    "a string for a text": (section(text="x"), "/blocks/0/text", ""),
    "a number for a string": (actions(button(value=1)), "/blocks/0/elements/0/value", ""),
    "a string for true": (section(text=plain(), expand="true"), "/blocks/0/expand", ""),
    "true for a number": (data_table(page_size=True), "/blocks/0/page_size", ""),
    "mrkdwn header": (message({"type": "header", "text": mrkdwn()}), "/blocks/0/text/type", ""),
    "mrkdwn on a button": (actions(button(text=mrkdwn())), "/blocks/0/elements/0/text/type", ""),
    "emoji on mrkdwn": (section(text={**mrkdwn(), "emoji": True}), "/blocks/0/text/emoji", ""),
    "verbatim on plain_text": (
        section(text={**plain(), "verbatim": True}),
        "/blocks/0/text/verbatim",
        "",
    ),
    "unknown style": (actions(button(style="default")), "/blocks/0/elements/0/style", ""),
    "unknown status": (message(task(status="done")), "/blocks/0/status", ""),
    "unknown level": (
        modal({"type": "alert", "text": plain(), "level": "bad"}),
        "/blocks/0/level",
        "invalid_arguments",
    ),
    "unknown width": (container(width="huge"), "/blocks/0/width", ""),
    "unknown cell": (table(rows=[[mrkdwn()]]), "/blocks/0/rows/0/0/type", ""),
    "unknown chart": (message(chart(type="radar")), "/blocks/0/chart/type", ""),
    "unknown rich text": (message(rich({"type": "text"})), "/blocks/0/elements/0/type", ""),
    # What does not stand there.
    "button in context": (
        message({"type": "context", "elements": [button()]}),
        "/blocks/0/elements/0/type",
        "",
    ),
    "image in actions": (
        actions({"type": "image", "image_url": link(), "alt_text": "a"}),
        "/blocks/0/elements/0/type",
        "",
    ),
    "button as an input": (asks(button()), "/blocks/0/element/type", "invalid_arguments"),
    "text input in actions": (
        actions({"type": "plain_text_input"}),
        "/blocks/0/elements/0/type",
        "",
    ),
    "feedback in actions": (actions({"type": "feedback_buttons"}), "/blocks/0/elements/0/type", ""),
    "menu on a card": (
        card(actions=[{"type": "overflow", "options": [option()]}]),
        "/blocks/0/actions/0/type",
        "",
    ),
    "container in a container": (
        container(child_blocks=[container()[1]]),
        "/blocks/0/child_blocks/0/type",
        "",
    ),
    "divider in a carousel": (
        message({"type": "carousel", "elements": [divider()]}),
        "/blocks/0/elements/0/type",
        "",
    ),
    "alert in a message": (message({"type": "alert", "text": plain()}), "/blocks/0", ""),
    "markdown in a modal": (modal(markdown(1)), "/blocks/0", "invalid_arguments"),
    "table in a modal": (
        modal({"type": "table", "rows": [[raw()]]}),
        "/blocks/0",
        "invalid_arguments",
    ),
    "alert in a Home": (
        ("home", {"type": "home", "blocks": [{"type": "alert", "text": plain()}]}),
        "/blocks/0",
        "invalid_arguments",
    ),
    "pending outside a plan": (message(task(status="pending")), "/blocks/0/status", ""),
    # What must agree.
    "section with nothing": (section(), "/blocks/0", ""),
    "empty fields": (section(fields=[]), "/blocks/0/fields", ""),
    "card with only a subtitle": (message({"type": "card", "subtitle": plain()}), "/blocks/0", ""),
    "image without a source": (message({"type": "image", "alt_text": "a"}), "/blocks/0", ""),
    "image with two sources": (image(slack_file={"id": "F1"}), "/blocks/0", ""),
    "file with two names": (
        message({"type": "image", "alt_text": "a", "slack_file": {"id": "F1", "url": link()}}),
        "/blocks/0/slack_file",
        "",
    ),
    "menu without options": (select(), "/blocks/0/elements/0", ""),
    "options and groups": (
        select(options=[option()], option_groups=[{"label": plain(), "options": [option()]}]),
        "/blocks/0/elements/0",
        "",
    ),
    "chosen but not offered": (
        select(options=[option()], initial_option=option(value=2)),
        "/blocks/0/elements/0/initial_option",
        "",
    ),
    "ticked but not offered": (
        actions(
            {"type": "checkboxes", "options": [option()], "initial_options": [option(value=2)]}
        ),
        "/blocks/0/elements/0/initial_options/0",
        "",
    ),
    "container without a title": (
        message({"type": "container", "child_blocks": [divider()]}),
        "/blocks/0",
        "",
    ),
    "divider under a title that collapses": (
        container(is_collapsible=True, has_header_divider=True),
        "/blocks/0",
        "",
    ),
    "collapsed but not collapsible": (container(default_collapsed=True), "/blocks/0", ""),
    "ragged data table": (data_table(rows=[[raw()], [raw()] * 2]), "/blocks/0/rows/1", ""),
    "row header beyond the columns": (
        data_table(row_header_column_index=1),
        "/blocks/0/row_header_column_index",
        "",
    ),
    "a category without a point": (
        message(
            chart(
                type="line",
                series=[{"name": "s", "data": [{"label": "a", "value": 1}]}],
                axis_config={"categories": ["a", "b"]},
            )
        ),
        "/blocks/0/chart/series/0/data",
        "",
    ),
    "a slice of nothing": (
        message(chart(type="pie", segments=[{"label": "a", "value": 0}])),
        "/blocks/0/chart/segments/0/value",
        "",
    ),
    "not a number": (
        message(chart(type="pie", segments=[{"label": "a", "value": float("nan")}])),
        "/blocks/0/chart/segments/0/value",
        "",
    ),
    "minimum above maximum": (
        asks(
            {
                "type": "number_input",
                "is_decimal_allowed": True,
                "min_value": "10",
                "max_value": "9.5",
            }
        ),
        "/blocks/0/element/min_value",
        "invalid_arguments",
    ),
    "shortest above longest": (
        asks({"type": "plain_text_input", "min_length": 5, "max_length": 4}),
        "/blocks/0/element/min_length",
        "invalid_arguments",
    ),
    "a filter of nothing": (
        actions({"type": "conversations_select", "filter": {}}),
        "/blocks/0/elements/0/filter",
        "",
    ),
    "an impossible time": (
        actions({"type": "timepicker", "initial_time": "24:00"}),
        "/blocks/0/elements/0/initial_time",
        "",
    ),
    "a date in words": (
        actions({"type": "datepicker", "initial_date": "tomorrow"}),
        "/blocks/0/elements/0/initial_date",
        "",
    ),
    # Addresses.
    "javascript button": (
        actions(button(url="javascript:alert(1)")),
        "/blocks/0/elements/0/url",
        "",
    ),
    "relative link": (actions(button(url="/logs")), "/blocks/0/elements/0/url", ""),
    "address without a host": (actions(button(url="https:///x")), "/blocks/0/elements/0/url", ""),
    "address with a space": (actions(button(url="https://a b")), "/blocks/0/elements/0/url", ""),
    "image from a file": (image(image_url="file:///etc/passwd"), "/blocks/0/image_url", ""),
    "video over http": (video(video_url="http://example.com"), "/blocks/0/video_url", ""),
    "script in rich text": (
        message(rich(line({"type": "link", "url": "data:text/html,x"}))),
        "/blocks/0/elements/0/elements/0/url",
        "",
    ),
    # The call itself.
    "nothing to say": (("message", {"channel": "C1"}), "", "no_text"),
    "nothing but emptiness": (("ephemeral", {"text": "", "blocks": []}), "", "no_text"),
    "nothing to answer": (("response_url", {"replace_original": True}), "", "no_text"),
    "markdown and text": (
        ("message", {"text": "a", "markdown_text": "b"}),
        "/markdown_text",
        "markdown_text_conflict",
    ),
    "markdown and blocks": (
        ("update", {"blocks": [divider()], "markdown_text": "b"}),
        "/markdown_text",
        "markdown_text_conflict",
    ),
    "an edit over 4,000": (("update", {"text": "x" * 4_001}), "/text", "msg_too_long"),
    "text that is a number": (("message", {"text": 1}), "/text", "invalid_arguments"),
    "unknown argument": (("message", {"text": "a", "txt": "b"}), "/txt", "invalid_arguments"),
    "an argument of another call": (
        ("ephemeral", {"text": "a", "metadata": 1, "ts": "1"}),
        "/ts",
        "invalid_arguments",
    ),
    "attachment that is no object": (
        ("message", {"attachments": ["x"]}),
        "/attachments/0",
        "invalid_attachments",
    ),
    "bad block in an attachment": (
        ("message", {"attachments": [{"blocks": [{"type": "x"}]}]}),
        "/attachments/0/blocks/0/type",
        "",
    ),
    "same block_id in an attachment": (
        (
            "message",
            {
                "blocks": [divider(block_id="b")],
                "attachments": [{"blocks": [divider(block_id="b")]}],
            },
        ),
        "/attachments/0/blocks/0/block_id",
        "",
    ),
    "metadata without a payload": (
        ("message", {"text": "a", "metadata": {"event_type": "e"}}),
        "/metadata",
        "invalid_metadata_format",
    ),
    "metadata too large": (metadata_of(16_001), "/metadata", "metadata_too_large"),
    # Views.
    "a message is no view": (("modal", message()[1]), "/type", "invalid_arguments"),
    "a Home opened as a modal": (
        ("modal", {"type": "home", "blocks": []}),
        "/type",
        "invalid_arguments",
    ),
    "modal without a title": (("modal", {"type": "modal", "blocks": []}), "", "invalid_arguments"),
    "Home with a title": (
        ("home", {"type": "home", "blocks": [], "title": plain()}),
        "/title",
        "invalid_arguments",
    ),
    "inputs without submit": (
        (
            "modal",
            {
                "type": "modal",
                "title": plain(),
                "blocks": [
                    {"type": "input", "label": plain(), "element": {"type": "plain_text_input"}}
                ],
            },
        ),
        "",
        "invalid_arguments",
    ),
    "view over 250 KB": (view_of(250_001), "", "view_too_large"),
}


@pytest.mark.parametrize(("call", "pointer", "code"), list(FAULTS.values()), ids=list(FAULTS))
def test_a_fault_is_found_where_it_is(call: Call, pointer: str, code: str) -> None:
    surface, payload = call
    found = validate(payload, surface)
    assert (pointer, code or "invalid_blocks") in {(fault.pointer, fault.code) for fault in found}
    assert all(fault.message.endswith(".") for fault in found)


def test_the_first_violation_is_what_the_api_would_answer() -> None:
    bad = {"text": "x" * 4_001, "markdown_text": "m", "blocks": [{"type": "x"}]}
    assert [fault.code for fault in validate(bad, "update")] == [
        "markdown_text_conflict",
        "msg_too_long",
        "invalid_blocks",
    ]


def test_a_message_says_limit_and_value() -> None:
    surface, payload = message({"type": "header", "text": plain(151)})
    assert validate(payload, surface) == [
        Violation(
            "/blocks/0/text/text", "invalid_blocks", "header.text: 151 characters, at most 150."
        )
    ]


def test_characters_are_code_points() -> None:
    surface, payload = message(
        {"type": "header", "text": {"type": "plain_text", "text": "😀" * 150}}
    )
    assert validate(payload, surface) == []


def test_the_same_action_id_in_two_blocks_is_fine() -> None:
    row: Json = {"type": "actions", "elements": [button(action_id="a")]}
    assert validate_blocks([row, row], "message") == []
    cards = [{"type": "card", "title": plain(), "actions": [button(action_id="a")]}] * 2
    assert validate_blocks([{"type": "carousel", "elements": cards}], "message") == []


def test_a_data_table_does_not_count_towards_the_message() -> None:
    _, payload = data_table(rows=[[raw()], [raw(19_999)]])
    blocks = payload["blocks"]
    assert isinstance(blocks, list)
    assert validate_blocks([*texts(13_200), *blocks], "message") == []


def test_blocks_alone_are_checked_like_blocks_in_a_message() -> None:
    for (surface, payload), _, _ in FAULTS.values():
        blocks = payload.get("blocks")
        if isinstance(blocks, list):
            whole = [f for f in validate(payload, surface) if f.pointer.startswith("/blocks")]
            assert validate_blocks(blocks, surface) == whole


@pytest.mark.parametrize(
    ("surface", "payload"),
    [
        ("message", {"channel": "C1", "text": "hello", "unfurl_links": False}),
        ("message", {"channel": "C1", "markdown_text": "**hello**"}),
        ("message", {"channel": "C1", "attachments": [{"color": "#f00", "blocks": [divider()]}]}),
        (
            "message",
            {"text": "t", "metadata": {"event_type": "e", "event_payload": {"any": [1, None]}}},
        ),
        ("update", {"channel": "C1", "ts": "1.1", "text": "x", "blocks": []}),
        ("update", {"channel": "C1", "ts": "1.1", "file_ids": "F1"}),
        ("ephemeral", {"channel": "C1", "user": "U1", "text": "x"}),
        ("response_url", {"delete_original": True}),
        ("response_url", {"replace_original": True, "blocks": [divider()]}),
        ("stream", {"channel": "C1", "ts": "1.1"}),
        (
            "stream",
            {
                "channel": "C1",
                "thread_ts": "1.1",
                "recipient_user_id": "U1",
                "recipient_team_id": "T1",
                "task_display_mode": "dense",
                "session_status": "suspended",
                "chunks": [
                    {"type": "markdown_text", "text": "**hello**"},
                    {"type": "plan_update", "title": "Plan"},
                    {
                        "type": "task_update",
                        "id": "1",
                        "title": "Look",
                        "status": "pending",
                        "details": "soon",
                        "sources": [{"type": "url", "url": "https://x.example", "text": "x"}],
                    },
                    {"type": "blocks", "blocks": [divider()]},
                ],
                "blocks": [divider()],
            },
        ),
        ("home", {"type": "home", "blocks": [divider()]}),
        ("modal", {"type": "modal", "title": plain(), "blocks": [divider()]}),
    ],
)
def test_an_ordinary_call_passes(surface: Surface, payload: Json) -> None:
    assert validate(payload, surface) == []


# --- every block in use ------------------------------------------------------------------------

OPTIONS = [option(description=plain()), option(value=2)]
GROUPS = [{"label": plain(), "options": OPTIONS}]
PICTURE: Json = {"type": "image", "image_url": link(), "alt_text": "a"}
STYLED = {"style": {"bold": True, "italic": False}}
EVERY_INLINE: list[Json] = [
    {**words(), **STYLED},
    {"type": "link", "url": "mailto:a@example.com", "text": "mail"},
    {"type": "user", "user_id": "U1"},
    {"type": "usergroup", "usergroup_id": "S1"},
    {"type": "channel", "channel_id": "C1"},
    {"type": "team", "team_id": "T1"},
    {"type": "emoji", "name": "wave", "unicode": "1f44b", "skin_tone": 2},
    {"type": "date", "timestamp": 1, "format": "{date}", "fallback": "then"},
    {"type": "broadcast", "range": "here"},
    {"type": "color", "value": "#F00"},
]
RICH = rich(
    line(*EVERY_INLINE),
    {"type": "rich_text_list", "style": "ordered", "elements": [line(words())], "indent": 1},
    {"type": "rich_text_preformatted", "elements": [words()], "border": 1},
    {"type": "rich_text_quote", "elements": [words()]},
)
EVERY_BUTTON: list[Json] = [
    button(action_id="a", style="primary", value="v", confirm=confirm(style="danger")),
    button(url="slack://open", visible_to_user_ids=["U1"], agent_prompt="p"),
    {
        "type": "workflow_button",
        "text": plain(),
        "workflow": {
            "trigger": {
                "url": link(),
                "customizable_input_parameters": [{"name": "n", "value": "v"}],
            }
        },
    },
    {"type": "overflow", "options": [option(url=link())]},
]
EVERY_CHOOSER: list[Json] = [
    {"type": "radio_buttons", "options": OPTIONS, "initial_option": OPTIONS[0]},
    {"type": "checkboxes", "options": [{"text": mrkdwn(), "value": "v"}]},
    {"type": "datepicker", "initial_date": "2026-11-25", "placeholder": plain()},
    {"type": "timepicker", "initial_time": "23:59", "timezone": "Europe/Berlin"},
    {"type": "static_select", "options": OPTIONS, "initial_option": OPTIONS[1]},
    {"type": "multi_static_select", "option_groups": GROUPS, "initial_options": [OPTIONS[0]]},
    {"type": "users_select", "initial_user": "U1"},
    {"type": "multi_users_select", "initial_users": ["U1"], "max_selected_items": 1},
    {"type": "conversations_select", "filter": {"include": ["public"]}},
    {"type": "multi_conversations_select", "default_to_current_conversation": True},
    {"type": "channels_select", "initial_channel": "C1", "response_url_enabled": True},
    {"type": "multi_channels_select", "initial_channels": ["C1"]},
    {"type": "external_select", "min_query_length": 0, "initial_option": OPTIONS[0]},
    {"type": "multi_external_select", "initial_options": OPTIONS},
]
DISPATCH = {"dispatch_action_config": {"trigger_actions_on": ["on_character_entered"]}}
EVERY_INPUT: list[Json] = [
    *EVERY_CHOOSER,
    {
        "type": "plain_text_input",
        "multiline": True,
        "min_length": 0,
        "max_length": 3_000,
        **DISPATCH,
    },
    {"type": "email_text_input", "initial_value": "a@example.com"},
    {"type": "url_text_input", "focus_on_load": True},
    {"type": "number_input", "is_decimal_allowed": False, "min_value": "-1", "max_value": "10"},
    {"type": "file_input", "filetypes": ["png"], "max_files": 3},
    {"type": "rich_text_input", "initial_value": RICH},
    {"type": "datetimepicker", "initial_date_time": 1_764_000_000},
]

VALID: list[Call] = [
    section(text=mrkdwn(), accessory=PICTURE, expand=True, block_id="b"),
    section(fields=[plain(), {**mrkdwn(), "verbatim": True}], text={**plain(), "emoji": False}),
    *(section(text=plain(), accessory=chooser) for chooser in EVERY_CHOOSER),
    message(divider()),
    image(title=plain()),
    message({"type": "image", "slack_file": {"id": "F1"}, "alt_text": "a"}),
    actions(*EVERY_BUTTON, *EVERY_CHOOSER),
    message({"type": "context", "elements": [PICTURE, mrkdwn(), plain()]}),
    feedback(accessibility_label="good"),
    icon(confirm=confirm(), visible_to_user_ids=["U1"]),
    *(asks(element) for element in EVERY_INPUT),
    message({"type": "file", "external_id": "f", "source": "remote"}),
    message({"type": "call", "call_id": "R1", "call": {"v1": {}}}),
    message({"type": "header", "text": plain()}),
    message(markdown(12_000)),
    video(title_url=link(), provider_name="p", author_name="a", provider_icon_url=link()),
    message(RICH),
    table(
        rows=[[raw(), RICH], [{"type": "raw_number", "value": 1.5, "text": "1.5"}]],
        column_settings=[{"align": "right", "is_wrapped": True}, None],
    ),
    data_table(page_size=5, row_header_column_index=0),
    message(pie(6), bars(6, 20)),
    message(task(details=RICH, output=RICH, sources=[{"type": "url", "url": link(), "text": "t"}])),
    message({"type": "plan", "title": "t", "tasks": [task(status="pending"), task()]}),
    card(hero_image=PICTURE, icon=PICTURE, slack_icon={"type": "icon", "name": "bot"}),
    message({"type": "carousel", "elements": [card()[1]["blocks"][0]]}),  # type: ignore[index]
    modal({"type": "alert", "text": mrkdwn(), "level": "warning"}),
    container(is_collapsible=True, default_collapsed=True, width="full", icon=PICTURE),
    provider(
        accessory={"type": "overflow", "options": [option()]},
        fallback=[{"type": "section", "text": plain()}],
        disconnect_url=link(),
    ),
]


def nodes(value: object, at: str = "") -> Iterator[tuple[str, Json]]:
    """Every object inside `value` with its pointer; not those whose content is free."""
    if isinstance(value, dict):
        yield at, value
        for key, item in value.items():
            if key != "call":
                yield from nodes(item, f"{at}/{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from nodes(item, f"{at}/{index}")


@pytest.mark.parametrize(("surface", "payload"), VALID)
def test_a_good_example_passes(surface: Surface, payload: Json) -> None:
    assert validate(payload, surface) == []


def test_every_block_and_element_has_a_good_example() -> None:
    used = {node["type"] for _, payload in VALID for _, node in nodes(payload) if "type" in node}
    shapes = (*element_tables.IN_ACTIONS, *element_tables.IN_INPUT, *element_tables.IN_SECTION)
    known = {shape.name for shape in (*shapes, *element_tables.IN_CONTEXT_ACTIONS)}
    assert used >= known | set(BLOCK.shapes)


@pytest.mark.parametrize(("surface", "payload"), VALID)
def test_an_unknown_key_is_noticed_in_every_corner(surface: Surface, payload: Json) -> None:
    for pointer, _ in nodes(payload):
        spoilt = deepcopy(payload)
        dict(nodes(spoilt))[pointer]["bogus"] = 1
        assert f"{pointer}/bogus" in {fault.pointer for fault in validate(spoilt, surface)}


@pytest.mark.parametrize(("surface", "payload"), VALID)
def test_a_wrong_type_is_noticed_in_every_corner(surface: Surface, payload: Json) -> None:
    for pointer, node in nodes(payload):
        for key in node:
            spoilt = deepcopy(payload)
            dict(nodes(spoilt))[pointer][key] = {"neither": "this"} if key == "call_id" else 1.25
            found = validate(spoilt, surface)
            if not isinstance(node[key], int | float) or key != "value":  # where 1.25 is right
                assert any(fault.pointer.startswith(pointer) for fault in found), f"{pointer}/{key}"


# --- hostile input -----------------------------------------------------------------------------

KEYS = sorted({key for _, payload in VALID for _, node in nodes(payload) for key in node})
TYPES = sorted({*BLOCK.shapes, "plain_text", "mrkdwn", "modal", "home", "button", "overflow"})
WORDS = st.sampled_from(KEYS) | st.text(max_size=8)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(TYPES)
    | st.text(max_size=20)
    | st.text(st.characters(categories=["Cs", "Cc", "Cf"]), max_size=5)
)
JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(WORDS, inner, max_size=5)
        | st.builds(
            lambda named, rest: {**rest, "type": named},
            st.sampled_from(TYPES),
            st.dictionaries(WORDS, inner, max_size=4),
        )
    ),
    max_leaves=30,
)
SURFACES = st.sampled_from(get_args(Surface))


@settings(max_examples=300, deadline=None)
@given(value=JSON, surface=SURFACES)
@pytest.mark.long
def test_any_json_is_answered(value: object, surface: Surface) -> None:
    for payload in (value, {"blocks": value}, {"type": surface, "blocks": [value]}):
        found = validate(payload, surface)  # type: ignore[arg-type]
        assert all(isinstance(fault, Violation) and len(fault.message) < 300 for fault in found)
    validate_blocks(value, surface)  # type: ignore[arg-type]


def deep(levels: int) -> object:
    value: object = "end"
    for _ in range(levels):
        value = [value]
    return value


def nested(levels: int) -> object:
    value: object = divider()
    for _ in range(levels):
        value = {
            "type": "container",
            "title": plain(),
            "child_blocks": [value],
            "fallback": [value],
        }
    return value


HOSTILE: list[object] = [
    deep(5_000),
    nested(500),
    "x" * 1_000_000,
    "https://" + "x" * 100_000 + " ",
    "\ud800\u202e\u0000",
    float("nan"),
    float("-inf"),
    10**5_000,
    -1,
    True,
    None,
    {},
    [],
    [[]] * 1_000,
    {"type": {"type": "section"}},
    {"type": "plain_text", "text": None},
    {f"k{n}": n for n in range(1_000)},
    {"~/": {"~1": "~0"}},
]


def test_a_thousand_spoilt_payloads_are_answered_shortly() -> None:
    chance = random.Random(7)
    spoilt = 0
    for turn in range(1_000):
        surface, good = chance.choice(VALID)
        payload = deepcopy(good)
        _, node = chance.choice(list(nodes(payload)))
        node[chance.choice([*node, "extra"])] = HOSTILE[turn % len(HOSTILE)]
        found = validate(payload, surface)
        spoilt += bool(found)
        assert len(found) <= MOST_REPORTED
        assert all(len(fault.message) < 300 for fault in found)
    assert spoilt > 900


@pytest.mark.parametrize("value", HOSTILE, ids=list(range(len(HOSTILE))))
@pytest.mark.parametrize("surface", get_args(Surface))
def test_a_hostile_value_in_any_place_of_the_call_is_answered(
    surface: Surface, value: object
) -> None:
    for key in ("text", "blocks", "attachments", "metadata", "markdown_text", "title", "type"):
        validate({"text": "t", key: value}, surface)
    metadata = {"event_type": "e", "event_payload": {"k": value}}
    validate({"text": "t", "metadata": metadata}, surface)


def test_metadata_that_cannot_be_written_is_refused() -> None:
    metadata = {"event_type": "e", "event_payload": {"k": deep(200_000)}}
    found = validate({"text": "t", "metadata": metadata}, "message")
    assert [fault.code for fault in found] == ["invalid_metadata_format"]


def test_the_payload_is_left_as_it_was() -> None:
    for surface, payload in VALID:
        before = deepcopy(payload)
        validate(payload, surface)
        assert payload == before


def test_speed_of_a_full_message(record_property: Callable[[str, object], None]) -> None:
    full = [
        {"type": "section", "text": mrkdwn(200), "accessory": button(action_id=f"a{n}")}
        for n in range(50)
    ]
    payload: Mapping[str, object] = {"channel": "C1", "text": "t", "blocks": full}
    began = time.perf_counter()
    for _ in range(20):
        assert validate(payload, "message") == []
    record_property("milliseconds for 50 blocks", (time.perf_counter() - began) / 20 * 1_000)
