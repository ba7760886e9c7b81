"""What messages are estimated at does not depend on whether they were seen before."""

import pytest

from bot.agent import sizes
from bot.agent.model import Message
from bot.agent.sizes import Sizes
from bot.guard.budget import estimate


def said(number: int) -> Message:
    return {"role": "user", "content": f"turn {number}: how does it look? " * (number % 7 + 1)}


@pytest.mark.long
def test_a_size_is_the_same_from_memory_and_what_is_old_goes() -> None:
    known = Sizes()
    many = [said(n) for n in range(sizes._MOST + 50)]
    expected = sum(estimate(str(one["content"])) + 8 for one in many)
    assert known.of(many) == known.of(many) == expected
    assert len(known._known) == sizes._MOST
    calling: Message = {"role": "assistant", "content": None, "tool_calls": [{"id": "a"}]}
    assert known.of([calling]) == estimate("[{'id': 'a'}]") + 8
    assert known.of([]) == 0
