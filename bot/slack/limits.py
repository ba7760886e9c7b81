"""Slack's sizes as the views know them, and the smaller ones that they plan for."""

from collections.abc import Mapping

# What Slack takes at most, by the names that its rules go by. Characters are counted as UTF-16
# units here, which is never fewer than code points: Slack does not say which of the two it counts.
MOST: Mapping[str, int] = {
    "message.blocks": 50,
    "message.text": 40_000,
    "message.text_total": 13_200,  # not documented; measured by several projects from 13,170 on
    "update.text": 4_000,
    "section.text": 3_000,
    "context.elements": 10,
    "actions.elements": 25,
    "text": 3_000,
    "action_id": 255,
    "button.text": 75,
    "button.value": 2_000,
    "input.label": 2_000,
    "placeholder": 150,
    "plain_text_input.max_length": 3_000,
    "view.blocks": 100,
    "view.title": 24,
    "view.submit": 24,
    "view.close": 24,
    "view.callback_id": 255,
    "view.private_metadata": 3_000,
    "view.size": 250_000,  # bytes of JSON
}

# What is planned for: below the limits, since some are only measured and all of them move.
CALLED = 200  # of that, for the mentions of those who may decide
FALLBACK = 1_000  # `text` beside blocks: what a notification shows
SECTION = 2_790  # four of them and a footer make a message
MESSAGE = 11_500  # text of all blocks of one message; with its fallback at most 12,500
MESSAGE_BLOCKS = 45
MESSAGES = 4  # one answer; what does not fit goes into a file
VIEW_BLOCKS = 95
VIEW_BYTES = 230_000
REASON = 500  # why somebody denied
