"""What the browser page's people do: wishes in JSON, each done as the person it names."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from bot.sandbox.slack.model import Envelope, Json
from bot.sandbox.slack.people import People
from bot.sandbox.slack.state import State
from bot.sandbox.slack.text import compose

Deed: TypeAlias = Callable[[Json], Awaitable[Json]]
"""Does what a wish says. Raises KeyError for what is missing, else ValueError or SlackError."""


class Deeds:
    """Acts as any person of the workspace."""

    def __init__(self, state: State, people: People) -> None:
        self._state = state
        self._people = people

    def by_name(self) -> Mapping[str, Deed]:
        """All deeds by the name that the page gives them."""
        return {
            "post": self._post,
            "click": self._click,
            "suggest": self._suggest,
            "submit": self._submit,
            "close": self._close,
            "slash": self._slash,
            "shortcut": self._shortcut,
            "open-home": self._open_home,
            "react": self._react,
            "edit": self._edit,
            "delete": self._delete,
        }

    async def _post(self, wish: Json) -> Json:
        text = self._typed(wish)
        files = [(str(file["name"]), str(file["text"]).encode()) for file in wish.get("files", ())]
        ts = await self._people.post(
            wish["user"], wish["channel"], text, wish.get("thread_ts"), files
        )
        return {"ts": ts}

    async def _click(self, wish: Json) -> Json:
        wanted = {k: wish[k] for k in ("action_id", "text", "block_id", "value") if k in wish}
        if "view_id" in wish:
            envelope = await self._people.click_view(wish["user"], wish["view_id"], **wanted)
        else:
            place = wish["channel"], wish["ts"]
            envelope = await self._people.click(wish["user"], *place, **wanted)
        return _shown(envelope)

    async def _suggest(self, wish: Json) -> Json:
        """What a select that asks the app offers for what was typed."""
        place = {"where": str(wish.get("channel", "")), "ts": str(wish.get("ts", ""))}
        found = await self._people.suggest(
            wish["user"], str(wish["action_id"]), str(wish["typed"]), **place
        )
        return {"options": found}

    async def _submit(self, wish: Json) -> Json:
        values = wish.get("values", {})
        envelope = await self._people.submit(wish["user"], wish.get("view_id"), values)
        return _shown(envelope)

    async def _close(self, wish: Json) -> Json:
        everything = bool(wish.get("all"))
        envelope = await self._people.close_view(
            wish["user"], wish.get("view_id"), everything=everything
        )
        return {} if envelope is None else _shown(envelope)

    async def _slash(self, wish: Json) -> Json:
        text = self._typed(wish) if wish.get("text") else ""
        envelope = await self._people.slash(wish["user"], wish["channel"], wish["command"], text)
        return _shown(envelope)

    async def _shortcut(self, wish: Json) -> Json:
        place = wish.get("channel"), wish.get("ts")
        envelope = await self._people.shortcut(wish["user"], wish["callback_id"], *place)
        return _shown(envelope)

    async def _open_home(self, wish: Json) -> Json:
        await self._people.open_home(wish["user"], wish.get("tab", "home"))
        return {}

    async def _react(self, wish: Json) -> Json:
        place = wish["channel"], wish["ts"], wish["name"]
        await self._people.react(wish["user"], *place, remove=bool(wish.get("remove")))
        return {}

    async def _edit(self, wish: Json) -> Json:
        await self._people.edit(wish["user"], wish["channel"], wish["ts"], self._typed(wish))
        return {}

    async def _delete(self, wish: Json) -> Json:
        await self._people.delete(wish["user"], wish["channel"], wish["ts"])
        return {}

    def _typed(self, wish: Json) -> str:
        """The text as sent: composed from what was typed, unless `raw` says it is ready."""
        text = str(wish["text"])
        if wish.get("raw"):
            return text
        state = self._state
        names = {f"@{user.name}": f"<@{user.id}>" for user in state.users.values()}
        names |= {f"@{g.handle}": f"<!subteam^{g.id}>" for g in state.groups.values()}
        names |= {
            f"#{c.name}": f"<#{c.id}|{c.name}>" for c in state.channels.values() if c.kind != "im"
        }
        return compose(text, names | {"@here": "<!here>", "@channel": "<!channel>"})


def _shown(envelope: Envelope) -> Json:
    return {
        "id": envelope.id,
        "type": envelope.type,
        "event": envelope.event.get("type") or envelope.payload.get("type"),
        "attempt": envelope.attempt,
        "socket": envelope.socket,
        "acked": envelope.acked,
        "outcome": envelope.outcome,
        "ack_seconds": envelope.ack_seconds,
        "response": envelope.response,
        "at": envelope.at,
    }
