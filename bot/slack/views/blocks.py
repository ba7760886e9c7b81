"""The few blocks and elements that the views are made of."""

from typing import Literal

from pydantic import JsonValue

from bot.slack.views.data import Block


def section(mrkdwn: str) -> Block:
    """A paragraph in Slack's formatting; what is untrusted in it has been escaped."""
    return {"type": "section", "text": _mrkdwn(mrkdwn)}


def context(mrkdwn: str) -> Block:
    """A small grey line."""
    return {"type": "context", "elements": [_mrkdwn(mrkdwn)]}


def button(
    text: str, action_id: str, value: str, style: Literal["", "primary", "danger"] = ""
) -> Block:
    """A button that carries nothing but `value`, a call's public id."""
    drawn: Block = {
        "type": "button",
        "text": plain(text),
        "action_id": action_id,
        "value": value,
    }
    return drawn | {"style": style} if style else drawn


def actions(*buttons: Block) -> Block:
    """A row of buttons."""
    return {"type": "actions", "elements": list[JsonValue](buttons)}


def reason_input(label: str, most: int, *, least: int = 0) -> Block:
    """A text field that may stay empty, unless it takes at `least` some characters."""
    element: Block = {
        "type": "plain_text_input",
        "action_id": "reason",
        "multiline": True,
        "max_length": most,
    }
    return {
        "type": "input",
        "block_id": "reason",
        "optional": not least,
        "label": plain(label),
        "element": element | ({"min_length": least} if least else {}),
    }


def plain(text: str) -> Block:
    """A label of ours, without formatting."""
    return {"type": "plain_text", "text": text, "emoji": False}


def _mrkdwn(text: str) -> Block:
    # verbatim: Slack does not go looking for names and links of its own in what we wrote.
    return {"type": "mrkdwn", "text": text, "verbatim": True}
