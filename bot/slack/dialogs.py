"""Modals and whispers to one person: what a click opens, and what it is answered with."""

from collections.abc import Sequence

import structlog

from bot.core.tasks import Tasks
from bot.guard.records import Call
from bot.slack.api import SlackApi, SlackProblem
from bot.slack.cards import Cards
from bot.slack.incoming import Pressed
from bot.slack.views import modals, notices
from bot.slack.views.data import Message, View

log = structlog.get_logger()


class Dialogs:
    """Speaks to who pressed something; a click inside a modal is answered by another on top."""

    def __init__(self, cards: Cards, api: SlackApi, tasks: Tasks) -> None:
        self._cards = cards
        self._api = api
        self._tasks = tasks

    def open(self, pressed: Pressed, calls: Sequence[Call], view: View) -> None:
        """Open it soon; a submission or a click in it counts for these calls, and for him alone."""
        self._tasks.start("open modal", self.show(pressed, calls, view))

    def tell(self, pressed: Pressed, message: Message) -> None:
        """Say it soon, only to who pressed."""
        self._tasks.start("tell", self.whisper(pressed, message), heard=True)

    def refuse(self, pressed: Pressed, sentence: str, whom: str = "") -> None:
        """Say why his click did nothing, and `whom` it waits for instead, as `speech.whom` made it;
        an empty sentence is nothing to say.
        """
        if not sentence:
            return
        if pressed.view_id and not pressed.channel:
            self.open(pressed, [], modals.told("This did nothing", sentence, whom))
        else:
            self.tell(pressed, notices.refused(sentence, whom))

    async def show(self, pressed: Pressed, calls: Sequence[Call], view: View) -> None:
        """Open it and note for whom: a submission counts only from there."""
        show = self._api.views_push if pressed.view_id else self._api.views_open
        try:
            view_id = await show(pressed.trigger_id, view)
        except SlackProblem as problem:
            log.warning("modal_not_opened", error=str(problem))
            self.tell(pressed, notices.failure("Slack did not open the dialog. Press again."))
            return
        for call in calls:
            await self._cards.shown_in_modal(call.id, view_id, pressed.user)

    async def whisper(self, pressed: Pressed, message: Message) -> None:
        """Only to who clicked; he sees nothing of it if Slack does not take it."""
        if not pressed.channel:
            log.info("not_told", why="pressed in a modal", actor=pressed.user)
            return
        in_thread = "" if pressed.thread_ts == pressed.ts else pressed.thread_ts
        try:
            await self._api.ephemeral(pressed.channel, pressed.user, message, thread_ts=in_thread)
        except SlackProblem as problem:
            log.warning("not_told", error=str(problem))
