"""The form of an edit: shown to who may ask there, and what came of it at its fields."""

from collections.abc import Mapping

from bot.guard.edits import Edits
from bot.guard.house import House
from bot.guard.records import Call
from bot.slack import speech
from bot.slack.incoming import Submitted
from bot.slack.views import form
from bot.slack.views.data import CardData, View


class Editing:
    """Between the form and the guard."""

    def __init__(self, house: House) -> None:
        self._edits = Edits(house)

    async def view(self, call: Call, data: CardData, person: str) -> View | str:
        """The form, or why this person gets none."""
        if sentence := await self._why_not(call, person):
            return sentence
        editable = self._edits.of(call)
        if isinstance(editable, str):
            return editable
        return form.edit(data, editable.schema, editable.fixed)

    async def submit(self, submitted: Submitted, call: Call) -> Mapping[str, str]:
        """Record what was filled in; or what is wrong, by the block where it should stand.

        Raises `DatabaseAway`: see `lost.py`.
        """
        first = next(iter(submitted.values), form.block_of(""))
        if sentence := await self._why_not(call, submitted.user):
            return {first: sentence}
        editable = self._edits.of(call)
        if isinstance(editable, str):
            return {first: editable}
        wanted = form.changed(editable.schema, call.arguments, submitted.values)
        wrong = await self._edits.ask(submitted.key, submitted.user, call, wanted)
        errors = {form.block_of(name): why for name, why in wrong.items()}
        shown = {block: why for block, why in errors.items() if block in submitted.values}
        if errors and not shown:
            return {first: next(iter(errors.values()))}
        return shown

    async def _why_not(self, call: Call, person: str) -> str:
        if code := speech.not_open(call):
            return speech.sentence(code, call)
        barred = await self._edits.why_not_ask(call, person)
        return speech.may_not_ask(barred).text if barred else ""
