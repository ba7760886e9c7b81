"""Reads: permitted, made, masked, recorded and cut to what the model can take."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal, Self

from pydantic import JsonValue

from bot.core.errors import LostClaim
from bot.core.ids import uuid7
from bot.core.text import one_line, visible
from bot.core.values import Event
from bot.guard import audit, budget, masking, search
from bot.guard.gathering import Wanted
from bot.guard.house import House
from bot.guard.policy import Effect
from bot.guard.records import Place, Run, stored_identity
from bot.guard.refusals import Refusal
from bot.guard.rendering import render
from bot.identity_file import ITSELF
from bot.store.database import Transaction
from tools import (
    Finding,
    Identity,
    JsonObject,
    NotFound,
    ReadCall,
    Refused,
    ToolError,
    gathered,
    kept_within,
    sha256_of,
)

_READ_SECONDS = 60.0
SEARCH = "artifact_search"
SEARCH_SUMMARY = "Search a result that was too long to show, by regular expression (RE2)."
SEARCH_SCHEMA: dict[str, JsonValue] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["id", "pattern"],
    "properties": {
        "id": {"type": "string", "description": "the artifact's id as the cut result named it"},
        "pattern": {"type": "string", "description": "an RE2 regular expression"},
        "context": {"type": "integer", "minimum": 0, "maximum": 20, "default": 2},
    },
}
_SAME_TWICE = "You already have this: you asked twice before, with the same arguments."


@dataclass(frozen=True)
class Looked:
    """What a read gave: the text for the model, and whether it worked."""

    text: str
    failed: bool = False


@dataclass(frozen=True)
class _Made:
    """A read that was permitted and made, not yet cut or stored."""

    text: str
    arguments: JsonObject
    target: str
    acting: str  # empty: nobody, as who asked is not mapped
    error: str | None = None
    gist: str = ""  # for people who watch: what was looked at, not what it said
    refused: tuple[Refusal, ...] = ()  # by the policy; of several clusters one for each


@dataclass(frozen=True)
class _Search:
    """The arguments of a search, checked."""

    id: str
    pattern: str
    context: int

    @classmethod
    def of(cls, arguments: JsonObject) -> Self:
        found, pattern = arguments.get("id"), arguments.get("pattern")
        context = arguments.get("context", 2)
        if not isinstance(found, str) or not re.fullmatch(r"[0-9a-f-]{8,36}", found):
            raise Refused("id: the artifact's id as the cut result named it is expected.")
        if not isinstance(pattern, str) or not 0 < len(pattern) <= 500:
            raise Refused("pattern: a regular expression of 1 to 500 characters is expected.")
        if not isinstance(context, int) or not 0 <= context <= 20:
            raise Refused("context: a number of lines from 0 to 20 is expected.")
        return cls(found, pattern, context)


def _shown(finding: Finding) -> str:
    """A finding as masked text."""
    masked, count = masking.mask_finding(finding)
    text = visible(render(masked))
    return f"{text}\n{masking.MASK_NOTE}" if count else text


def _short(arguments: JsonObject) -> str:
    """The arguments as one line of progress, without defaults nobody chose."""
    shown = " ".join(str(value) for value in arguments.values() if value not in ("", None, False))
    return one_line(masking.safe(shown), 80)


def _told(refusal: Refusal) -> str:
    why = (refusal.ruling.reason or refusal.ruling.rule).removesuffix(".")
    return f"The policy does not allow this read: {why}. {refusal.how}"


def _target(calls: Sequence[ReadCall]) -> str:
    """What several looks in one are about: "demo,prod/shop/pod,service"."""
    first = calls[0]
    clients = ",".join(dict.fromkeys(call.client for call in calls))
    kinds = ",".join(dict.fromkeys(call.part for call in calls))
    rest = first.target.removeprefix(first.client)
    return clients + rest.replace(f"/{first.part}", f"/{kinds}", 1)


class Reads:
    """Runs read tools for a run. Nothing here changes the world."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def look(
        self, run: Run, place: Place, tool: str, arguments: JsonObject, window: int
    ) -> Looked:
        """Make one read and store it; `window` is the model's, in tokens.

        Repeated after a crash, it finds its row and does not look again.
        """
        async with self._house.database.statement() as tx:
            row = await tx.one(
                "call_of_wish", run_id=run.id, reply=place.reply, ordinal=place.ordinal
            )
        if row is not None:
            return Looked(row["result"] or "", failed=row["state"] == "failed")
        started = datetime.now(UTC)
        self._tell(run, place, "looking", f"{tool} {_short(arguments)}")
        made = await self._make(run, place, tool, arguments)
        looked = await self._store(run, place, tool, made, window, started)
        gist = made.error or masking.safe(made.gist)
        self._tell(run, place, "looked", f"{tool} {made.target}", gist, failed=looked.failed)
        return looked

    async def _make(self, run: Run, place: Place, tool: str, arguments: JsonObject) -> _Made:
        """Permit, bound, call, mask. What a tool says it could not do is a result as well."""
        as_whom = ""
        try:
            acting = await self._house.acting(run.thread.org, run.requester)
            as_whom = stored_identity(acting)
            if tool == SEARCH:
                return await self._search(run, arguments, acting)
            placed = self._house.placed(run.thread.channel, tool, arguments)
            calls = self._house.catalog.reads(tool, placed, acting=acting)
            as_whom = stored_identity(calls[0].acting)
            if len(calls) > 1:
                return await self._across(run, place, calls, placed)
            (call,) = calls
            if (refusal := await self._refusal(run, call)) is not None:
                reason, refused = _told(refusal), (refusal,)
                return _Made(reason, call.arguments, call.target, as_whom, reason, refused=refused)
            if reason := await self._why_not(run, place, call):
                return _Made(reason, call.arguments, call.target, as_whom, reason)
            finding = await self._run(run, call)
        except ToolError as error:
            text = masking.safe(str(error))
            return _Made(text, arguments, "", as_whom, text)
        except TimeoutError:
            text = f"{tool} did not answer within {_READ_SECONDS:.0f} s."
            return _Made(text, arguments, "", as_whom, text)
        # a megabyte of logs takes its time: not on the loop that acks Slack
        text = await asyncio.to_thread(_shown, finding)
        return _Made(text, call.arguments, call.target, as_whom, gist=finding.note)

    async def _run(self, run: Run, call: ReadCall) -> Finding:
        with kept_within(self._house.is_bound(run.thread.channel)):
            async with asyncio.timeout(_READ_SECONDS):
                return await call.run()

    async def _across(
        self, run: Run, place: Place, calls: Sequence[ReadCall], given: JsonObject
    ) -> _Made:
        """One read of several clusters or kinds; each permitted by itself, none hides another."""

        refused: list[Refusal] = []

        async def look(call: ReadCall) -> Finding | str:
            if (refusal := await self._refusal(run, call)) is not None:
                refused.append(refusal)
                return _told(refusal)
            if reason := await self._why_not(run, place, call):
                return reason
            try:
                return await self._run(run, call)
            except ToolError as error:
                return str(error)
            except TimeoutError:
                return f"it did not answer within {_READ_SECONDS:.0f} s."

        answers = await asyncio.gather(*(look(call) for call in calls))
        each = [
            (call.part, (call.client, answer)) for call, answer in zip(calls, answers, strict=True)
        ]
        first = calls[0]
        arguments, as_whom = {**first.arguments, **given}, stored_identity(first.acting)
        target = _target(calls)
        try:
            finding = gathered(each, first.client_argument)
        except Refused as error:
            text = masking.safe(str(error))
            return _Made(text, arguments, target, as_whom, text, refused=tuple(refused))
        text = await asyncio.to_thread(_shown, finding)
        return _Made(text, arguments, target, as_whom, gist=finding.note, refused=tuple(refused))

    async def _search(self, run: Run, arguments: JsonObject, acting: Identity | None) -> _Made:
        wanted = _Search.of(arguments)
        async with self._house.database.statement() as tx:
            rows = await tx.all(
                "artifact_of_thread",
                org=run.thread.org,
                channel=run.thread.channel,
                thread_ts=run.thread.ts,
                prefix=wanted.id,
                acting=None if acting is None else str(acting),
            )
        if len(rows) != 1:
            raise NotFound("There is no such artifact in this thread.")
        try:
            found = await search.search_artifact(
                rows[0]["content"], wanted.pattern, context=wanted.context
            )
        except search.BadPattern as error:
            raise Refused(str(error)) from error
        return _Made(str(found), arguments, rows[0]["title"], stored_identity(acting))

    async def _refusal(self, run: Run, call: ReadCall) -> Refusal | None:
        """What the policy has against it."""
        wanted = Wanted(
            tool=call.tool.name,
            kind=call.tool.kind,
            risk=call.tool.risk.value,
            target=call.target,
            arguments=dict(call.arguments),
            cluster=call.client,
            namespace=call.namespace,
        )
        asked = await self._house.policy_input(run, wanted)
        ruling = self._house.rules.book.decide(asked)
        if ruling.effect is Effect.ALLOW:
            return None
        # what is kept for ever holds nothing that a row of a read would not
        masked, _ = masking.mask_json(asked.arguments)
        kept = masked if isinstance(masked, dict) else {}
        return Refusal(replace(asked, arguments=kept), ruling)

    async def _why_not(self, run: Run, place: Place, call: ReadCall) -> str:
        async with self._house.database.statement() as tx:
            row = await tx.one(
                "identical_reads",
                run_id=run.id,
                tool=call.tool.name,
                arguments=dict(call.arguments),
                reply=place.reply,
                ordinal=place.ordinal,
            )
        return _SAME_TWICE if row is not None and row["made"] >= 2 else ""

    async def _store(
        self, run: Run, place: Place, tool: str, made: _Made, window: int, started: datetime
    ) -> Looked:
        call_id, artifact = uuid7(), uuid7()
        cut = budget.cut(made.text, window, str(artifact))
        arguments, _ = masking.mask_json(dict(made.arguments))
        where = {
            "org": run.thread.org,
            "channel": run.thread.channel,
            "thread_ts": run.thread.ts,
            "run_id": run.id,
        }
        async with self._house.database.relaxed() as tx:
            stored = await tx.one(
                "insert_read",
                **where,
                id=call_id,
                reply=place.reply,
                ordinal=place.ordinal,
                model_call_id=place.model_call_id,
                tool=tool,
                arguments=arguments,
                target=made.target,
                requester=run.requester,
                contributors=list(run.contributors),
                acting=made.acting,
                state="failed" if made.error else "done",
                result=cut.text,
                artifact=artifact if cut.cut else None,
                error=made.error,
                attempt=run.attempt,
                started_at=started,
            )
            if stored is None:
                return await self._theirs(tx, run, place)
            if cut.cut:
                title = f"{tool} {made.target}"
                await tx.run(
                    "insert_artifact", **where, id=artifact, title=title, content=made.text
                )
            for refusal in made.refused:
                data: dict[str, JsonValue] = {"tool": tool, "reason": _told(refusal)}
                data |= refusal.stored()
                audit.append(tx, run.thread.org, "refused", run.requester, data, run_id=run.id)
            audit.append(
                tx,
                run.thread.org,
                "read",
                run.requester,
                {
                    "tool": tool,
                    "target": made.target,
                    "arguments": sha256_of(dict(made.arguments)),
                    "failed": made.error is not None,
                    **({} if made.acting == ITSELF else {"acting": made.acting}),
                },
                run_id=run.id,
                call_id=call_id,
            )
        return Looked(cut.text, failed=made.error is not None)

    async def _theirs(self, tx: Transaction, run: Run, place: Place) -> Looked:
        """What another worker stored for this wish; without any, the run is not ours any more."""
        row = await tx.one("call_of_wish", run_id=run.id, reply=place.reply, ordinal=place.ordinal)
        if row is None:
            raise LostClaim(str(run.id))
        return Looked(row["result"] or "", failed=row["state"] == "failed")

    def _tell(
        self,
        run: Run,
        place: Place,
        kind: Literal["looking", "looked"],
        text: str,
        detail: str = "",
        *,
        failed: bool = False,
    ) -> None:
        self._house.bus.publish(
            Event(
                run.thread,
                run.id,
                kind,
                key=place.model_call_id,
                text=text,
                detail=one_line(detail, 120),
                failed=failed,
            )
        )
