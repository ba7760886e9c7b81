"""Buttons and modals: authority comes from the row; what is answered at once is answered from
the row as well.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any, Literal
from uuid import UUID

import structlog
from slack_bolt import BoltResponse

from bot.core.bus import Bus
from bot.core.errors import DatabaseAway
from bot.core.tasks import Tasks
from bot.core.values import Event
from bot.guard.house import House
from bot.guard.people import why_not_ask
from bot.guard.records import Call
from bot.guard.requests import Requests, cleaned
from bot.guard.votes import Answer, Click, Votes
from bot.slack import speech
from bot.slack.api import SlackApi, SlackProblem
from bot.slack.cards import Cards
from bot.slack.incoming import Pressed, Submitted
from bot.slack.views import modals, notices
from bot.slack.views.data import Message, View

log = structlog.get_logger()

_RECORD_SECONDS = 2.0
_LOOK_SECONDS = 0.6  # what is left of Slack's three for a modal's answer
_UNDO_SECONDS = 20.0  # how long the modal of an undo waits for its preview
_DONE = BoltResponse(status=200)


class Clicks:
    """What happens when somebody presses a button or sends off a modal."""

    def __init__(
        self, house: House, votes: Votes, cards: Cards, api: SlackApi, tasks: Tasks
    ) -> None:
        self._house = house
        self._votes = votes
        self._requests = Requests(house)
        self._cards = cards
        self._api = api
        self._tasks = tasks
        self._proposals = Proposed(house.bus)

    async def pressed(self, pressed: Pressed) -> BoltResponse:
        """Always acked: Slack never repeats a click, so the person is told when it was lost."""
        try:
            async with asyncio.timeout(_RECORD_SECONDS):
                await self._press(pressed)
        except (DatabaseAway, TimeoutError):
            log.warning("click_not_recorded", action=pressed.action)
            self._tasks.start("lost click", self._lost(pressed), heard=True)
        return _DONE

    async def _lost(self, pressed: Pressed) -> None:
        """The connection may have been lost while it was being recorded: say only what is true."""
        if not await self._was_recorded(pressed.trigger_id, _RECORD_SECONDS):
            await self._ephemeral(pressed, notices.not_recorded())

    async def _was_recorded(self, key: str, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds), self._house.database.relaxed() as tx:
                return await tx.one("event", org=self._org, key=key) is not None
        except (DatabaseAway, TimeoutError):
            return False

    def stranger(self, pressed: Pressed) -> BoltResponse:
        """Somebody of another organisation: told so, and nothing else."""
        self._tell(pressed, notices.refused(speech.sentence("outsider", None)))
        return _DONE

    async def submitted(self, submitted: Submitted) -> dict[str, Any] | None:
        """The modal's answer: None closes it; otherwise what it shows instead."""
        if submitted.callback not in {modals.APPROVE, modals.DENY}:
            return None
        click = Click(
            org=self._org,
            key=submitted.key,
            person=submitted.user,
            public_id=submitted.public_id,
            view_id=submitted.view_id,
            reason=cleaned(submitted.reason)[:500],
        )
        vote: Literal["approve", "deny"] = (
            "approve" if submitted.callback == modals.APPROVE else "deny"
        )
        try:
            async with asyncio.timeout(_RECORD_SECONDS):
                answer = await self._votes.vote(click, vote)
        except (DatabaseAway, TimeoutError):
            log.warning("click_not_recorded", action=f"submit {vote}")
            if await self._was_recorded(submitted.key, _LOOK_SECONDS):
                return None  # its card shows what came of it
            return _instead(notices.not_recorded().text)
        self._after_vote(answer, "")
        sentence = speech.not_counted(answer)
        return _instead(sentence) if sentence else None

    @property
    def _org(self) -> str:
        return self._cards.org

    async def _press(self, pressed: Pressed) -> None:
        click = Click(
            org=self._org,
            key=pressed.trigger_id,
            person=pressed.user,
            public_id=pressed.value,
            channel=pressed.channel,
            ts=pressed.ts,
            view_id=pressed.view_id,
        )
        match pressed.action:
            case "approve":
                answer = await self._votes.vote(click, "approve")
                self._after_vote(answer, pressed.response_url)
                if sentence := speech.not_counted(answer):
                    self._tell(pressed, notices.refused(sentence))
            case "approve_open" | "deny":
                await self._open(pressed, click)
            case "undo":
                await self._undo(pressed, click)
            case _:
                log.info("action_unknown", action=pressed.action)

    def _after_vote(self, answer: Answer, response_url: str) -> None:
        if answer.call is not None and answer.code in {"approved", "counted", "denied"}:
            log.info(
                "vote", code=answer.code, call=str(answer.call.id), run=str(answer.call.run_id)
            )
            self._tasks.start("redraw", self._cards.redraw(answer.call.id, response_url))

    async def _open(self, pressed: Pressed, click: Click) -> None:
        """A modal that will be the vote; who could not vote is told so instead."""
        vote: Literal["approve", "deny"] = "deny" if pressed.action == "deny" else "approve"
        call = await self._votes.find(click)
        if call is None:
            self._tell(pressed, notices.refused(speech.sentence("unknown_card", None)))
            return
        code = speech.not_open(call) or await self._votes.why_not(call, pressed.user, vote)
        if code:
            self._tell(pressed, notices.refused(speech.sentence(code, call)))
            return
        if vote == "deny":
            view = modals.deny_reason(call.public_id, call.preview.summary)
        else:
            view = modals.approve_full(await self._cards.data(call.id))
        self._tasks.start("open modal", self._show_modal(pressed, call, view))

    async def _show_modal(self, pressed: Pressed, call: Call, view: View) -> None:
        """Open it and note for whom: a submission counts only from there."""
        try:
            view_id = await self._api.views_open(pressed.trigger_id, view)
        except SlackProblem as problem:
            log.warning("modal_not_opened", error=str(problem))
            self._tell(pressed, notices.failure("Slack did not open the dialog. Press again."))
            return
        await self._cards.shown_in_modal(call.id, view_id, pressed.user)

    async def _undo(self, pressed: Pressed, click: Click) -> None:
        call = await self._votes.find(click)
        if call is None:
            self._tell(pressed, notices.refused(speech.sentence("unknown_card", None)))
            return
        person = await self._house.directory.person(call.thread.org, pressed.user)
        sharing = await self._house.directory.sharing(call.thread.org, call.thread.channel)
        if code := why_not_ask(person, sharing):
            self._tell(pressed, speech.may_not_ask(code))
            return
        made = await self._requests.undo(click, call)
        if isinstance(made, str):
            self._tell(pressed, notices.refused(f"There is no way back by a button: {made}"))
        elif made is not None:
            log.info("undo", run=str(made), actor=pressed.user, undoes=str(call.id))
            rules = self._house.rules
            if rules.self_approval and rules.approvers.include(person):
                self._tasks.start("undo modal", self._undo_modal(pressed, made))

    async def _undo_modal(self, pressed: Pressed, run_id: UUID) -> None:
        """Where one vote suffices and the clicker may give it, the modal with the diff is the
        vote.
        """
        waiting = self._proposals.of(run_id)
        try:
            view_id = await self._api.views_open(pressed.trigger_id, modals.working("Undo"))
            view = await self._undo_view(pressed, run_id, waiting, view_id)
            await self._api.views_update(view_id, view)
        except SlackProblem as problem:
            # its card in the thread asks the same
            log.info("undo_modal_failed", error=str(problem))
        finally:
            self._proposals.forget(run_id)

    async def _undo_view(
        self, pressed: Pressed, run_id: UUID, waiting: Awaitable[UUID | None], view_id: str
    ) -> View:
        try:
            async with asyncio.timeout(_UNDO_SECONDS):
                # it may have been proposed before we listened
                call_id = await self._cards.first_of(run_id) or await waiting
        except TimeoutError:
            return modals.told("Undo", "It takes longer than usual; the thread will say more.")
        call = await self._cards.call(call_id) if call_id else None
        if call is None:
            return modals.told("Undo", "There is nothing to decide; the thread says why.")
        code = await self._votes.why_not(call, pressed.user, "approve")
        await self._cards.shown_in_modal(call.id, view_id, pressed.user)
        alone = call.quorum == 1 and code is None
        why = "" if alone else "This one needs somebody else"
        data = await self._cards.data(call.id)
        return modals.undo(data, may_approve=alone, why_not=why)

    def _tell(self, pressed: Pressed, message: Message) -> None:
        self._tasks.start("tell", self._ephemeral(pressed, message), heard=True)

    async def _ephemeral(self, pressed: Pressed, message: Message) -> None:
        """Only to who clicked; he sees nothing of it if Slack does not take it."""
        try:
            await self._api.ephemeral(
                pressed.channel, pressed.user, message, thread_ts=pressed.thread_ts
            )
        except SlackProblem as problem:
            log.warning("not_told", error=str(problem))


class Proposed:
    """Waits for the call of a run that was just asked for."""

    def __init__(self, bus: Bus) -> None:
        self._waiting: dict[UUID, asyncio.Future[UUID | None]] = {}
        bus.listen(self._heard)

    def of(self, run_id: UUID) -> Awaitable[UUID | None]:
        """The call's id, as soon as it is proposed; None when the run ended without one."""
        return self._waiting.setdefault(run_id, asyncio.get_running_loop().create_future())

    def forget(self, run_id: UUID) -> None:
        """Nobody waits any more."""
        self._waiting.pop(run_id, None)

    def _heard(self, event: Event) -> None:
        waiting = self._waiting.get(event.run_id)
        if waiting is None or waiting.done():
            return
        if event.kind == "proposed" and event.call_id:
            waiting.set_result(event.call_id)
        elif event.kind == "ended":
            waiting.set_result(None)


def _instead(sentence: str) -> dict[str, Any]:
    """A submitted modal that stays open and says why nothing came of it."""
    return {"response_action": "update", "view": modals.told("Not done", sentence)}
