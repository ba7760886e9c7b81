"""Every number that Slack bounds, by name: the table that the shapes and the tests refer to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Surface = Literal["message", "update", "ephemeral", "modal", "home", "response_url", "stream"]

MESSAGES: frozenset[Surface] = frozenset(
    {"message", "update", "ephemeral", "response_url", "stream"}
)
VIEWS: frozenset[Surface] = frozenset({"modal", "home"})
EVERYWHERE = MESSAGES | VIEWS


@dataclass(frozen=True, slots=True)
class Limit:
    """How much Slack takes: from `least` to `most`, counted in `unit`.

    An empty `unit` bounds the value itself. `code` is the Slack error where it is not the
    surface's usual one.
    """

    most: int | None
    least: int = 0
    unit: str = "characters"
    code: str | None = None


def _text(most: int) -> Limit:
    return Limit(most, least=1)


def _items(most: int, least: int = 1) -> Limit:
    return Limit(most, least, "items")


def _value(least: int, most: int | None) -> Limit:
    return Limit(most, least, "")


# Characters are Unicode code points. Where sources differ the lower bound is taken: what passes
# here passes there.
LIMITS: Mapping[str, Limit] = {
    # The arguments of a call.
    "message.text": Limit(40_000, code="msg_too_long"),
    "update.text": Limit(4_000, code="msg_too_long"),
    "message.markdown_text": Limit(12_000, code="msg_too_long"),
    "message.blocks": Limit(50, 0, "items", "msg_blocks_too_many"),
    "stream.blocks": Limit(50, 0, "items", "msg_blocks_too_many"),
    "message.attachments": Limit(100, 0, "items", "too_many_attachments"),
    "message.markdown_total": Limit(12_000, code="msg_blocks_too_long"),
    # Not documented; measured by several projects between 13,170 and 13,300.
    "message.text_total": Limit(13_200, code="msg_blocks_too_long"),
    "message.charts": Limit(2, 0, "data_visualization blocks"),
    # Slack refuses large metadata without publishing the bound; this is a careful guess.
    "metadata.size": Limit(16_000, 0, "bytes", "metadata_too_large"),
    # Views.
    "view.blocks": _items(100, least=0),
    "view.title": _text(24),
    "view.submit": _text(24),
    "view.close": _text(24),
    "view.private_metadata": Limit(3_000),
    "view.callback_id": Limit(255),
    "view.external_id": Limit(255),
    "view.size": Limit(250_000, 0, "bytes", "view_too_large"),
    # Identifiers.
    "block_id": _text(255),
    "action_id": _text(255),
    "file.external_id": _text(255),
    # Composition objects.
    "text": _text(3_000),
    "rich_text.text": Limit(None, least=1),
    "cell.text": Limit(None, least=1),
    "confirm.title": _text(100),
    "confirm.text": _text(300),
    "confirm.confirm": _text(30),
    "confirm.deny": _text(30),
    "option.text": _text(75),
    "option.value": _text(150),
    "option.description": _text(75),
    "option.url": Limit(3_000),
    "option_group.label": _text(75),
    "option_group.options": _items(100),
    "filter.include": _items(4),
    "dispatch_action_config.trigger_actions_on": _items(2),
    # Elements.
    "button.text": _text(75),
    "button.value": Limit(2_000),
    "button.url": Limit(3_000),
    "button.accessibility_label": _text(75),
    "button.agent_prompt": _text(4_000),
    "workflow_button.text": _text(75),
    "workflow_button.accessibility_label": _text(75),
    "feedback_button.text": _text(75),
    "feedback_button.value": Limit(2_000),
    "feedback_button.accessibility_label": _text(75),
    "icon_button.value": Limit(2_000),
    "icon_button.accessibility_label": _text(75),
    "icon_button.visible_to_user_ids": _items(10),
    "placeholder": _text(150),
    "select.options": _items(100),
    "select.option_groups": _items(100),
    "select.max_selected_items": _value(1, None),
    "select.min_query_length": _value(0, None),
    "overflow.options": _items(5),
    "radio_buttons.options": _items(10),
    "checkboxes.options": _items(10),
    "plain_text_input.min_length": _value(0, 3_000),
    "plain_text_input.max_length": _value(1, 3_000),
    "plain_text_input.initial_value": Limit(3_000),
    "rich_text_input.min_lines": _value(1, 100),
    "rich_text_input.max_lines": _value(1, 100),
    "file_input.max_files": _value(1, 10),
    # Blocks.
    "section.text": _text(3_000),
    "section.fields": _items(10),
    "section.field": _text(2_000),
    "header.text": _text(150),
    "context.elements": _items(10),
    "actions.elements": _items(25),
    "context_actions.elements": _items(5),
    "input.label": _text(2_000),
    "input.hint": _text(2_000),
    "markdown.text": _text(12_000),
    "image.image_url": Limit(3_000),
    "image.alt_text": _text(2_000),
    "image.title": _text(2_000),
    "video.title": _text(199),  # "must be less than 200"
    "video.author_name": _text(49),  # "must be less than 50"
    "video.alt_text": _text(2_000),
    "video.description": _text(200),
    "video.provider_name": _text(50),
    "video.url": Limit(3_000),
    "rich_text_list.indent": _value(0, 8),
    "rich_text_list.offset": _value(0, None),
    "rich_text.border": _value(0, 1),
    "card.title": _text(150),
    "card.subtitle": _text(150),
    "card.body": _text(200),
    "card.subtext": _text(200),
    "card.actions": _items(3),
    "carousel.elements": _items(10),
    "container.title": _text(150),
    "container.subtitle": _text(150),
    "container.child_blocks": _items(10),
    "alert.text": _text(200),
    "plan.tasks": _items(50, least=0),
    "table.rows": _items(100),
    "table.columns": _items(20),
    "table.column_settings": _items(20, least=0),
    "data_table.rows": _items(201, least=2),
    "data_table.columns": _items(20),
    "data_table.content": Limit(20_000),
    "data_table.page_size": _value(1, 100),
    "data_table.row_header_column_index": _value(0, 19),
    "chart.title": _text(50),
    "chart.segments": _items(6),
    "chart.series": _items(6),
    "chart.data": _items(20),
    "chart.categories": _items(20),
    "chart.label": _text(20),
    "chart.axis_label": _text(50),
    "auth_provider.value": _text(150),
    "auth_provider.name": _text(75),
    "auth_provider.description": _text(150),
    "auth_provider.connected_identity": _text(75),
    "auth_provider.connected_context": _text(75),
    "auth_provider.url": Limit(3_000),
}
