"""What the inspector shows: the newest calls and envelopes, short in lists and whole on request."""

import json
from typing import Final

from bot.sandbox.slack.feed import Entry, Feed
from bot.sandbox.slack.model import Json

KEPT: Final = 500
"""How many calls, and how many envelopes, can be asked for whole."""

_LISTED = 200
_LONG = 2_000  # characters of JSON: a page that follows a stream of answers stays quick
_PARTS = ("args", "payload", "response")


class Inspection:
    """Notes calls, envelopes and the budgets they used, from what the feed says."""

    def __init__(self, feed: Feed) -> None:
        self.budgets: dict[str, Json] = {}
        """The newest budget of each method that was called, with the time of that call."""
        self._calls: dict[str, Json] = {}
        self._envelopes: dict[str, Json] = {}
        feed.listeners.append(self._note)

    def calls(self) -> list[Json]:
        """The newest calls in short, oldest first."""
        return [short(data) for data in list(self._calls.values())[-_LISTED:]]

    def envelopes(self) -> list[Json]:
        """The newest envelopes in short, oldest first."""
        return [short(data) for data in list(self._envelopes.values())[-_LISTED:]]

    def call(self, number: str) -> Json | None:
        """A call as it was, or None when it is no longer kept."""
        return self._calls.get(number)

    def envelope(self, name: str) -> Json | None:
        """An envelope as it was, or None when it is no longer kept."""
        return self._envelopes.get(name)

    def _note(self, entry: Entry) -> None:
        if entry.kind == "call":
            _keep(self._calls, str(entry.data["n"]), entry.data)
            if budget := entry.data.get("budget"):
                self.budgets[entry.data["method"]] = budget | {"at": entry.data["at"]}
        elif entry.kind == "envelope":
            _keep(self._envelopes, entry.data["id"], entry.data)


def short(data: Json) -> Json:
    """The same without what is long: in its place stands `{"…": true}`."""
    long = [part for part in _PARTS if data.get(part) and len(json.dumps(data[part])) > _LONG]
    return data | {part: {"…": True} for part in long} if long else data


def _keep(kept: dict[str, Json], key: str, data: Json) -> None:
    kept[key] = data
    if len(kept) > KEPT:
        del kept[next(iter(kept))]
