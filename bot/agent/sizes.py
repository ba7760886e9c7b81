"""How large messages are, in about so many tokens: of what was estimated before, from memory."""

from collections import OrderedDict
from collections.abc import Sequence

from bot.agent.model import Message
from bot.guard.budget import estimate

_MOST = 8_000  # texts whose size is known
_AROUND = 8  # tokens of a message besides its text


class Sizes:
    """A long thread's turns are told to the model with each call, and estimates are dear. A text is
    known by its hash and length: of two that share both, one is only estimated wrongly.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[int, int], int] = OrderedDict()

    def of(self, messages: Sequence[Message]) -> int:
        """The size of all of them together."""
        return sum(self._of(one) + _AROUND for one in messages)

    def _of(self, message: Message) -> int:
        text = f"{message.get('content') or ''}{message.get('tool_calls') or ''}"
        key = (hash(text), len(text))
        size = self._known.get(key)
        if size is None:
            size = self._known[key] = estimate(text)
            if len(self._known) > _MOST:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(key)
        return size
