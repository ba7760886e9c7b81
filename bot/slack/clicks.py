"""Buttons and modals: authority comes from the row; what is answered at once is answered from
the row as well.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any
from uuid import UUID

import structlog
from slack_bolt import BoltResponse

from bot.core.bus import Bus
from bot.core.errors import DatabaseAway
from bot.core.tasks import Tasks
from bot.core.values import Event, Thread
from bot.guard.again import Again
from bot.guard.house import House
from bot.guard.lost import Became, became
from bot.guard.records import Call
from bot.guard.requests import cleaned
from bot.guard.settling import How, Settling
from bot.guard.sight import Sight
from bot.guard.stops import Stops
from bot.guard.votes import MIN_REASON, Answer, Click, Code, Together, Vote, Votes
from bot.guard.wayback import WayBack
from bot.slack import speech
from bot.slack.api import SlackApi, SlackProblem
from bot.slack.cards import Cards
from bot.slack.dialogs import Dialogs
from bot.slack.editing import Editing
from bot.slack.incoming import Pressed, Submitted
from bot.slack.views import form, modals, notices
from bot.slack.views.data import View
from bot.slack.views.why import why_of

log = structlog.get_logger()

_RECORD_SECONDS = 2.0
_LOOK_SECONDS = 0.6  # what is left of Slack's three for a modal's answer
_UNDO_SECONDS = 20.0  # how long the modal of an undo waits for its preview
_NOTING = (0.05, 0.15, 0.4, 0.0)  # seconds between looks for a progress message
_DEED_FIRST = 0.05  # seconds by which drawing gives way to what was approved just now
_DONE = BoltResponse(status=200)
_CALLBACKS = {
    *(modals.APPROVE, modals.APPROVE_ALL, modals.DENY),
    *(modals.GLASS, modals.GRANT, form.EDIT),
}
_ALL_CLOSED = {"response_action": "clear"}


class Clicks:
    """What happens when somebody presses a button or sends off a modal."""

    def __init__(
        self,
        house: House,
        votes: Votes,
        cards: Cards,
        api: SlackApi,
        tasks: Tasks,
        *,
        model: bool,
    ) -> None:
        """`model`: whether one is configured, which hears why something is denied."""
        self._house = house
        self._model = model
        self._votes = votes
        self._way_back = WayBack(house)
        self._settling = Settling(house, votes)
        self._again = Again(house)
        self._stops = Stops(house)
        self._cards = cards
        self._api = api
        self._tasks = tasks
        self._dialogs = Dialogs(cards, api, tasks)
        self._editing = Editing(house)
        self._sight = Sight(house)
        self._proposals = Proposed(house.bus)

    async def pressed(self, pressed: Pressed) -> BoltResponse:
        """Always acked: Slack never repeats a click, so the person is told when it was lost."""
        try:
            async with asyncio.timeout(_RECORD_SECONDS):
                await self._press(pressed)
        except (DatabaseAway, TimeoutError) as error:
            log.warning("click_not_recorded", action=pressed.action, error=_why(error))
            self._tasks.start("lost click", self._lost(pressed, error), heard=True)
        return _DONE

    async def _lost(self, pressed: Pressed, error: DatabaseAway | TimeoutError) -> None:
        """The connection may have been lost while it was being recorded: say only what is true."""
        came = await became(self._house.database, self._org, pressed.trigger_id, error)
        if came != Became.RECORDED:  # which shows on its card, or in its thread
            await self._dialogs.whisper(pressed, notices.lost(came))

    def stranger(self, pressed: Pressed) -> BoltResponse:
        """Somebody of another organisation: told so, and nothing else."""
        self._dialogs.refuse(pressed, speech.sentence("outsider", None))
        return _DONE

    async def submitted(self, submitted: Submitted) -> dict[str, Any] | None:
        """The modal's answer: None closes it; otherwise what it shows instead."""
        if submitted.callback not in _CALLBACKS:
            return None
        click = Click(
            org=self._org,
            key=submitted.key,
            person=submitted.user,
            public_id=submitted.public_id,
            view_id=submitted.view_id,
            reason=cleaned(submitted.reason)[:500],
        )
        try:
            async with asyncio.timeout(_RECORD_SECONDS):
                if submitted.callback == form.EDIT:
                    return await self._edited(submitted, click)
                if submitted.callback == modals.GLASS:
                    return await self._broke_glass(click)
                sentence = await self._submit(submitted.callback, click)
                if submitted.callback == modals.GRANT and not sentence:
                    return _ALL_CLOSED
        except (DatabaseAway, TimeoutError) as error:
            log.warning(
                "click_not_recorded", action=f"submit {submitted.callback}", error=_why(error)
            )
            database, key = self._house.database, submitted.key
            came = await became(database, self._org, key, error, _LOOK_SECONDS)
            if came == Became.RECORDED:
                return None  # its card shows what came of it
            title = "Not known" if came == Became.UNKNOWN else "Not done"
            return _instead(notices.lost(came).text, title)
        return _instead(sentence) if sentence else None

    async def _edited(self, submitted: Submitted, click: Click) -> dict[str, Any]:
        call = await self._votes.find(click)
        if call is None:
            return _instead(speech.sentence("unknown_card", None))
        if errors := await self._editing.submit(submitted, call):
            return {"response_action": "errors", "errors": dict(errors)}
        log.info("edited", actor=submitted.user, call=str(call.id))
        return _ALL_CLOSED

    async def _broke_glass(self, click: Click) -> dict[str, Any]:
        answer = await self._votes.vote(click, "break glass")
        self._after_vote(answer)
        if answer.code == "say_why":
            errors = {"reason": speech.sentence(answer.code, answer.call)}
            return {"response_action": "errors", "errors": errors}
        sentence = speech.not_counted(answer)
        return _instead(sentence) if sentence else _ALL_CLOSED

    async def _submit(self, callback: str, click: Click) -> str:
        """Record what a modal decides; why it did not count, or nothing."""
        if callback == modals.APPROVE_ALL:
            done = await self._votes.vote_all(click)
            self._after_all(done)
            return speech.not_all(done)
        granting = callback == modals.GRANT
        vote: Vote = "deny" if callback == modals.DENY else "approve"
        answer = await self._votes.vote(click, vote, grants_more=granting)
        self._after_vote(answer)
        return speech.not_counted(answer)

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
        others = {
            "approve_open": self._open,
            "approve_all_open": self._open_all,
            "deny": self._open,
            "more": self._read,
            "why": self._why,
            "edit": self._edit,
            "glass": self._glass,
            "grant": self._grant,
            "revoke": self._revoke,
            "ask_again": self._ask_again,
            "undo": self._undo,
            "settle_done": self._settle,
            "settle_failed": self._settle,
        }
        match pressed.action:
            case "approve":
                answer = await self._votes.vote(click, "approve")
                self._after_vote(answer, pressed)
                self._dialogs.refuse(pressed, speech.not_counted(answer), self._whom(answer))
            case "approve_all":
                done = await self._votes.vote_all(click)
                self._after_all(done, pressed)
                whom = next((said for one in done.answers if (said := self._whom(one))), "")
                self._dialogs.refuse(pressed, speech.not_all(done), whom)
            case "stop":
                await self._stop(pressed)
            case action if action in others:
                await others[action](pressed, click)
            case _:
                log.info("action_unknown", action=pressed.action)

    def _refuse(self, pressed: Pressed, answer: Answer) -> None:
        """Say why it did nothing, and who may instead."""
        sentence = speech.sentence(answer.code, answer.call)
        self._dialogs.refuse(pressed, sentence, self._whom(answer))

    def _whom(self, answer: Answer) -> str:
        return speech.whom(answer, self._house.rules.approvers)

    def _after_vote(self, answer: Answer, pressed: Pressed | None = None) -> None:
        if answer.call is not None and answer.code in {"approved", "counted", "denied"}:
            log.info(
                "vote", code=answer.code, call=str(answer.call.id), run=str(answer.call.run_id)
            )
            self._redraw(answer.call, pressed, after=_DEED_FIRST * (answer.code == "approved"))

    def _after_all(self, done: Together, pressed: Pressed | None = None) -> None:
        if done.counted:
            log.info("vote_all", calls=[str(call.id) for call in done.counted])
            self._redraw(done.counted[0], pressed, after=_DEED_FIRST)

    def _redraw(self, call: Call, pressed: Pressed | None, *, after: float = 0.0) -> None:
        """Where the click says how; the outbox holds a redraw of every other place."""
        clicked = (pressed.channel, pressed.ts) if pressed else ("", "")
        url = pressed.response_url if pressed else ""

        async def draw() -> None:
            await asyncio.sleep(after)
            await self._cards.redraw(call.id, url, clicked=clicked)

        self._tasks.start("redraw", draw())

    async def _open(self, pressed: Pressed, click: Click) -> None:
        """A modal that will be the vote; who could not vote is told so instead."""
        vote: Vote = "deny" if pressed.action == "deny" else "approve"
        call = await self._seen(pressed, click)
        if call is None:
            return
        code = speech.not_open(call) or await self._votes.why_not(call, pressed.user, vote)
        if code:
            self._refuse(pressed, Answer(code, call))
            return
        if vote == "deny":
            view = modals.deny_reason(call.public_id, call.preview.summary, model=self._model)
        else:
            view = modals.approve_full(await self._cards.data(call.id))
        self._dialogs.open(pressed, [call], view)

    async def _open_all(self, pressed: Pressed, click: Click) -> None:
        """A modal with all of those that this person may approve; it will be the votes."""
        if await self._votes.find(click) is None:
            self._dialogs.refuse(pressed, speech.sentence("unknown_card", None))
            return
        shown = [one for one in await self._votes.shown_with(click) if one.state == "proposed"]
        why = {one.id: await self._votes.why_not(one, pressed.user, "approve") for one in shown}
        may = [one for one in shown if why[one.id] is None]
        barred = [Answer(code, one) for one in shown if (code := why[one.id]) is not None]
        if barred or not shown:
            open_ones = [Answer("approved", one) for one in may]
            told = speech.not_all(Together((*open_ones, *barred)), later=bool(may))
            whom = next((said for one in barred if (said := self._whom(one))), "")
            self._dialogs.refuse(pressed, told, whom)
        if may:
            view = modals.approve_all(await self._cards.all_data([one.id for one in may]))
            self._dialogs.open(pressed, may, view)

    async def _seen(self, pressed: Pressed, click: Click) -> Call | None:
        """What was pressed, if he may see all of it; else he is told why not."""
        call = await self._votes.find(click)
        code: Code | None = "unknown_card"
        if call is not None:
            places = {call.thread.channel, self._house.rules.approvals_channel}
            code = await self._sight.why_not(
                self._org, pressed.user, places, present=bool(pressed.channel)
            )
        self._dialogs.refuse(pressed, speech.sentence(code, None) if code else "")
        return None if code else call

    async def _read(self, pressed: Pressed, click: Click) -> None:
        """All of a change, to read."""
        call = await self._seen(pressed, click)
        if call is None:
            return
        may = bool(call.ruling.break_glass) and (
            await self._votes.why_not(call, pressed.user, "break glass") is None
        )
        data = await self._cards.data(call.id)
        again = data.can_grant and (
            await self._votes.why_not(call, pressed.user, "approve") is None
        )
        view = modals.more(data, may_break_glass=may, may_grant=again)
        self._dialogs.open(pressed, [call], view)

    async def _grant(self, pressed: Pressed, click: Click) -> None:
        """A modal that will be the vote, and one for the same again."""
        call = await self._seen(pressed, click)
        if call is None:
            return
        not_now = speech.not_open(call)
        if code := not_now or await self._votes.why_not(call, pressed.user, "approve"):
            self._refuse(pressed, Answer(code, call))
            return
        self._dialogs.open(pressed, [call], modals.grant(await self._cards.data(call.id)))

    async def _revoke(self, pressed: Pressed, click: Click) -> None:
        answer = await self._votes.revoke(click)
        if answer.call is not None and answer.code == "revoked":
            log.info("revoked", actor=pressed.user, call=str(answer.call.id))
            self._redraw(answer.call, pressed)
        elif answer.code != "duplicate":
            self._refuse(pressed, answer)

    async def _settle(self, pressed: Pressed, click: Click) -> None:
        how: How = "done" if pressed.action == "settle_done" else "failed"
        answer = await self._settling.press(click, how)
        if answer.call is not None and answer.code == "settled":
            log.info("settled", how=how, actor=pressed.user, call=str(answer.call.id))
            self._redraw(answer.call, pressed)
        elif answer.code != "duplicate":
            self._refuse(pressed, answer)

    async def _glass(self, pressed: Pressed, click: Click) -> None:
        """A modal that will be the vote of one for all."""
        call = await self._seen(pressed, click)
        if call is None:
            return
        not_now = speech.not_open(call)
        code = not_now or await self._votes.why_not(call, pressed.user, "break glass")
        if code:
            self._refuse(pressed, Answer(code, call))
            return
        waits = await self._votes.waits_for_others(call)
        view = modals.break_glass(await self._cards.data(call.id), MIN_REASON, waits=waits)
        self._dialogs.open(pressed, [call], view)

    async def _why(self, pressed: Pressed, click: Click) -> None:
        call = await self._seen(pressed, click)
        if call is None:
            return
        view = modals.reason(why_of(call, self._house.rules.book), call.public_id)
        self._dialogs.open(pressed, [], view)

    async def _edit(self, pressed: Pressed, click: Click) -> None:
        """A form that will be a request of who fills it in."""
        call = await self._seen(pressed, click)
        if call is None:
            return
        view = await self._editing.view(call, await self._cards.data(call.id), pressed.user)
        if isinstance(view, str):
            self._dialogs.refuse(pressed, view)
        else:
            self._dialogs.open(pressed, [call], view)

    async def _ask_again(self, pressed: Pressed, click: Click) -> None:
        call = await self._votes.find(click)
        if call is None:
            self._dialogs.refuse(pressed, speech.sentence("unknown_card", None))
            return
        if code := await self._why_not_ask(pressed, call):
            self._dialogs.tell(pressed, speech.may_not_ask(code))
            return
        made = await self._again.ask(click, call)
        if isinstance(made, str):
            self._dialogs.refuse(pressed, made)
            return
        if made is None:
            self._dialogs.tell(pressed, notices.notice("It was asked again already; look below"))
        else:
            log.info("asked_again", run=str(made), actor=pressed.user, call=str(call.id))
        self._redraw(call, pressed)

    async def _why_not_ask(self, pressed: Pressed, call: Call) -> str | None:
        thread = call.thread
        return await self._house.why_not_ask(thread.org, thread.channel, pressed.user)

    async def _undo(self, pressed: Pressed, click: Click) -> None:
        call = await self._votes.find(click)
        if call is None:
            self._dialogs.refuse(pressed, speech.sentence("unknown_card", None))
            return
        if code := await self._why_not_ask(pressed, call):
            self._dialogs.tell(pressed, speech.may_not_ask(code))
            return
        made = await self._way_back.press(click, call)
        if isinstance(made, str):
            self._dialogs.refuse(pressed, f"There is no way back by a button: {made}")
        elif made is not None:
            log.info("undo", run=str(made), actor=pressed.user, undoes=str(call.id))
            rules = self._house.rules
            person = await self._house.directory.person(call.thread.org, pressed.user)
            if rules.self_approval and rules.approvers.include(person):
                self._tasks.start("undo modal", self._undo_modal(pressed, made))

    async def _stop(self, pressed: Pressed) -> None:
        """Only from that run's own progress message."""
        thread = await self._stoppable(pressed)
        if thread is None:
            self._dialogs.refuse(pressed, speech.sentence("unknown_card", None))
            return
        run_id, key = UUID(pressed.value), pressed.trigger_id
        stopped = await self._stops.stop(thread, pressed.user, key, run_id)
        if stopped.code == "nothing":
            self._dialogs.refuse(pressed, "It has ended already")
        elif stopped.code not in {"stopped", "duplicate"}:
            self._dialogs.tell(pressed, speech.may_not_ask(stopped.code))

    async def _stoppable(self, pressed: Pressed) -> Thread | None:
        try:
            run_id = UUID(pressed.value)
        except ValueError:
            return None
        for pause in _NOTING:
            async with self._house.database.statement() as tx:
                row = await tx.one("run", id=run_id)
            if row is None or (row["org"], row["channel"]) != (self._org, pressed.channel):
                return None
            if row["progress_ts"] == pressed.ts:
                return Thread(row["org"], row["channel"], row["thread_ts"])
            # it may just have been posted, and its place not be stored yet
            await asyncio.sleep(pause)
        return None

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


def _instead(sentence: str, title: str = "Not done") -> dict[str, Any]:
    """A submitted modal that stays open and says why nothing came of it, as far as is known."""
    return {"response_action": "update", "view": modals.told(title, sentence)}


def _why(error: DatabaseAway | TimeoutError) -> str:
    """For the log: a time limit says nothing of itself."""
    return str(error) or f"not within {_RECORD_SECONDS:g} s"
