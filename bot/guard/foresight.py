"""What a proposal says beside its own preview: whether a way back still is exact, and why not."""

from uuid import UUID

from bot.guard import masking
from bot.guard.house import House, load_call
from tools import Preview, ToolError


class Foresight:
    """Looks at the world for what the card of a proposal says more. Nothing here changes it."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def noted(self, preview: Preview, undoes: UUID | None) -> Preview:
        """The preview of a way back says what was written since the change that it takes back."""
        note = await self._no_longer_exact(undoes) if undoes is not None else ""
        if not note:
            return preview
        return preview.model_copy(update={"notes": (note, *preview.notes)})

    async def _no_longer_exact(self, undoes: UUID) -> str:
        call = await load_call(self._house.database, undoes)
        if call.receipt is None:
            return ""
        try:
            change = self._house.catalog.change(call.tool, call.arguments)
            drift = await change.drift(call.preview, call.receipt)
        except ToolError:
            return ""  # the preview itself was possible: it shows what is there now
        return masking.safe(f"No longer exact: {'; '.join(drift.differs)}") if drift.differs else ""
