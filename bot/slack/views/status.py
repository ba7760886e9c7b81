"""What runs and what waits, and how the bot itself is: one message."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

from bot.core.text import amount
from bot.slack.links import link
from bot.slack.views import words
from bot.slack.views.blocks import context, section
from bot.slack.views.data import Message

_SECTION = 2_900
_SHOWN = 10  # runs and cards each; who has more of them looks into the threads


@dataclass(frozen=True)
class Stored:
    """How much is stored, with the tables that are largest; and how much was, on a day before."""

    bytes: int
    tables: Sequence[tuple[str, int]] = ()
    then: date | None = None
    bytes_then: int = 0


@dataclass(frozen=True)
class Facts:
    """How the bot is. `clusters` says of each client why it does not answer, or nothing. `stored`
    is None where nobody asked.
    """

    version: str
    models: tuple[str, ...] = ()
    model_trouble: str = ""
    clusters: Mapping[str, str] = field(default_factory=dict)
    nobody_may_approve: bool = False
    everybody_may_approve: bool = False
    read_only: bool = False
    stored: Stored | None = None


@dataclass(frozen=True)
class RunLine:
    """One run under way."""

    thread_ts: str
    state: str
    requester: str
    asked: str
    since: datetime
    stopping: bool = False
    unasked: bool = False  # we took it up: to take back what the requester had asked for


@dataclass(frozen=True)
class CardLine:
    """One proposal that waits for people. `users` and `groups` may approve, less the `barred`."""

    short_id: str
    summary: str
    requester: str
    thread_ts: str
    card_ts: str
    expires_at: datetime
    needs: int
    given: int = 0
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    anyone: bool = False
    barred: tuple[str, ...] = ()
    unasked: bool = False  # as a run


@dataclass(frozen=True)
class StatusData:
    """All that `status` shows. `names` are those of people where everybody reads it: a mention
    there would call them.
    """

    facts: Facts
    runs: Sequence[RunLine]
    cards: Sequence[CardLine]
    workspace: str
    channel: str
    scope: Literal["thread", "channel"]
    names: Mapping[str, str] | None = None


def status(data: StatusData) -> Message:
    """The whole message."""
    headline = _headline(data)
    lines = [f"*{headline}*"]
    # whoever waits is named by what he waits for
    asking = {card.thread_ts for card in data.cards}
    runs = [run for run in data.runs if run.state != "waiting" or run.thread_ts not in asking]
    lines += [_run(data, run) for run in runs[:_SHOWN]]
    lines += _more(len(runs), "run")
    lines += [_card(data, card) for card in data.cards[:_SHOWN]]
    lines += _more(len(data.cards), "card")
    blocks = [section(text) for text in words.packed(lines, _SECTION)]
    return Message(headline, [*blocks, *(context(one) for one in _self(data.facts))])


def which(runs: Sequence[RunLine], workspace: str, channel: str) -> Message:
    """To who said stop where several threads work: what he may stop, and how."""
    data = StatusData(Facts(""), runs, (), workspace, channel, "channel")
    first = f"{words.count(len(runs), 'run').capitalize()} work here; I stopped none"
    how = "Say `stop` in the thread that you mean, or press its Stop."
    lines = [f"{first}. {how}", *(_run(data, run) for run in runs[:_SHOWN])]
    lines += _more(len(runs), "run")
    blocks = [section(text) for text in words.packed(lines, _SECTION)]
    return Message(f"{first}. {how}", blocks)


def _headline(data: StatusData) -> str:
    where = "in this thread" if data.scope == "thread" else "in this channel"
    working = sum(run.state != "waiting" for run in data.runs)
    runs = f"{words.count(working, 'run')} working" if working else "nothing is running"
    verb = "waits" if len(data.cards) == 1 else "wait"
    cards = words.count(len(data.cards), "card")
    waits = f"{cards} {verb} for a decision" if data.cards else "nothing waits for a decision"
    return f"{runs[0].upper()}{runs[1:]} {where}, {waits}"


def _run(data: StatusData, run: RunLine) -> str:
    doing = {"queued": "about to begin", "waiting": "waiting for a decision"}
    what = "stopping" if run.stopping else doing.get(run.state, "working")
    asked = f": “{words.line(run.asked, 80)}”" if run.asked else ""
    where = link(data.workspace, data.channel, run.thread_ts, "thread")
    return (
        f"{words.WORKING} {what} since {words.clock(run.since, exact=True)}, "
        f"{_asked_by(data, run)}{asked} · {where}"
    )


def _card(data: StatusData, card: CardLine) -> str:
    where = link(data.workspace, data.channel, card.card_ts, "card", card.thread_ts)
    given = f" ({card.given} given)" if card.given else ""
    return (
        f"{words.NEEDS_YOU} `{card.short_id or '?'}` waits: {words.line(card.summary, 150)} · "
        f"needs {words.count(card.needs, 'approval')}{given}: {_whom(data, card)} · "
        f"{_asked_by(data, card)} · until {words.clock(card.expires_at)} · {where}"
    )


def _asked_by(data: StatusData, line: RunLine | CardLine) -> str:
    whose = _person(data, line.requester)
    if line.unasked:
        return f"proposed by me, to take back what {whose} asked for"
    return f"asked by {whose}"


def _whom(data: StatusData, card: CardLine) -> str:
    left = [user for user in card.users if user not in card.barred]
    people = [_person(data, user) for user in left]
    if data.names is None:
        people += [words.group(one) for one in card.groups]
    elif card.groups:
        people.append("a member of the approvers' groups")
    if card.anyone:
        people = ["anyone here"]
    barred = words.either([_person(data, one) for one in card.barred], last="and", most=3)
    whom = words.either(people, most=5) or "nobody yet, no approver is left"
    return f"{whom} but {barred}" if barred and (card.anyone or card.groups) else whom


def _person(data: StatusData, user: str) -> str:
    if data.names is None:
        return words.mention(user)
    return words.line(data.names.get(user) or "somebody", 60)


def _more(number: int, noun: str) -> list[str]:
    left = number - _SHOWN
    return [f"and {amount(left, f'more {noun}')}"] if left > 0 else []


def _self(facts: Facts) -> Iterator[str]:
    if not facts.models:
        yield "Model: none is set, I understand commands only"
    else:
        trouble = f"; last trouble: {words.line(facts.model_trouble, 200)}"
        named = words.either([words.code(one, 80)[0] for one in facts.models], last="then")
        yield f"Model: {named}{trouble if facts.model_trouble else ', no trouble'}"
    shown = [_client(name, why) for name, why in sorted(facts.clusters.items())]
    yield f"Clusters: {words.either(shown, last='and', most=12) or 'none is configured'}"
    if facts.read_only:
        yield "Changes: switched off here (`COUNTERSIGN_READ_ONLY`), I only look"
    elif facts.nobody_may_approve:
        yield "Approvers: nobody may approve yet, `COUNTERSIGN_APPROVERS` names no one"
    else:
        yield f"Approvers: {'every full member' if facts.everybody_may_approve else 'set'}"
    if facts.stored is not None:
        yield _stored(facts.stored)
    yield f"Version: {words.line(facts.version, 40)}"


def _stored(stored: Stored) -> str:
    grown = ""
    if stored.then is not None:
        by = stored.bytes - stored.bytes_then
        more = f"{_size(abs(by))} {'more' if by >= 0 else 'less'} than on"
        grown = f", {more} {stored.then:%Y-%m-%d}"
    parts = [f"{words.line(name, 60)} {_size(size)}" for name, size in stored.tables[:3]]
    largest = f"; most of it: {', '.join(parts)}" if parts else ""
    return f"Database: {_size(stored.bytes)}{grown}{largest}"


def _size(number: int) -> str:
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if number >= unit:
            return f"{number / unit:.1f} {name}"
    return f"{number / 1000:.0f} kB"


def _client(name: str, why: str) -> str:
    shown = words.code(name, 80)[0]
    return f"{shown} does not answer ({words.line(why, 120)})" if why else f"{shown} answers"
