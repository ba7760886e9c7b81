"""What a proposal says beside its own preview: whether a way back still is exact, and what would
take the change back.
"""

from uuid import UUID

from bot.core.text import visible_json
from bot.guard import masking
from bot.guard.house import House, load_call
from tools import ChangeCall, Identity, NoWayBack, Preview, ToolError

# the masker hid a part of what it would have to restore
HIDDEN = "what was there before holds a secret that I do not keep"


class Foresight:
    """Looks at the world for what the card of a proposal says more. Nothing here changes it."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def noted(self, back: ChangeCall, preview: Preview, undoes: UUID | None) -> Preview:
        """The preview of a way back says what was written since the change that it takes back."""
        said = await self._no_longer_exact(undoes, back.acting) if undoes is not None else ""
        if not said:
            return preview
        return preview.model_copy(update={"cautions": (said, *preview.cautions)})

    async def _no_longer_exact(self, undoes: UUID, acting: Identity | None) -> str:
        call = await load_call(self._house.database, undoes)
        if call.receipt is None:
            return ""
        try:
            change = self._house.catalog.change(call.tool, call.arguments, acting=acting)
            drift = await change.drift(call.preview, call.receipt)
        except ToolError:
            return "Whether this is still exactly the way back could not be seen"
        if drift.outcome == "cannot tell":
            return masking.safe(
                f"Whether this is still exactly the way back is not known: {drift.reason}"
            )
        return masking.safe(f"No longer exact: {'; '.join(drift.differs)}") if drift.differs else ""

    async def rollback(
        self, change: ChangeCall, preview: Preview
    ) -> tuple[ChangeCall, Preview] | str:
        """What would take a change back from exactly the state that it leaves, and what that would
        do then, masked; or why that is not known before it runs.
        """
        try:
            wish = change.undo(preview)
            if isinstance(wish, NoWayBack):
                return wish.reason
            if not preview.way_back:
                return HIDDEN
            foreseen = await change.foresee(preview)
            if isinstance(foreseen, NoWayBack):
                return foreseen.reason
            back = self._house.catalog.change(wish.tool, wish.arguments, acting=change.acting)
        except ToolError as error:
            return masking.safe(str(error))
        seen = Preview.model_validate(visible_json(foreseen.model_dump(mode="json")))
        return back, masking.mask_preview(seen)[0]
