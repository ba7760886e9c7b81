"""The views' own table of Slack's limits, held against the one that the local Slack checks by."""

import pytest

from bot.sandbox.validate import LIMITS
from bot.slack import limits


@pytest.mark.parametrize("name", limits.MOST)
def test_both_tables_say_the_same(name: str) -> None:
    assert LIMITS[name].most == limits.MOST[name]


def test_what_is_planned_for_is_below_what_slack_takes() -> None:
    most = limits.MOST
    assert most["section.text"] > limits.SECTION
    assert limits.MESSAGE <= 11_500
    assert limits.MESSAGE + limits.FALLBACK <= 12_500 < most["message.text_total"]
    assert limits.MESSAGE_BLOCKS <= 45 < most["message.blocks"]
    assert most["update.text"] > limits.FALLBACK
    assert most["view.blocks"] > limits.VIEW_BLOCKS
    assert most["view.size"] > limits.VIEW_BYTES
    assert most["plain_text_input.max_length"] >= limits.REASON
