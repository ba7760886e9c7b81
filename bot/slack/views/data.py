"""What the views are told and what they give back: frozen values, nothing that does anything."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal

from pydantic import JsonValue

Block = dict[str, JsonValue]
"""One Block Kit block, as Slack's JSON."""

View = dict[str, JsonValue]
"""One modal, as Slack's JSON."""

CallState = Literal[
    "proposed",
    "standby",  # only of a rollback
    "approved",
    "executing",
    "done",
    "failed",
    "unknown",
    "denied",
    "expired",
    "superseded",
]
StepState = Literal["working", "done", "failed"]
RunState = Literal["working", "waiting", "done", "failed"]
VerdictWord = Literal["", "holds", "did not happen", "cannot tell", "failed"]


@dataclass(frozen=True)
class GrantData:
    """The same again: whose word that is, how often, until when, and where which argument lies."""

    approver: str
    times: int
    used: int
    until: datetime
    vary: Mapping[str, tuple[int, int]]
    at: datetime | None = None  # when it was given
    is_open: bool = True
    ended: str = ""  # why it covers nothing any more, other than by its number and time
    ended_by: str = ""


@dataclass(frozen=True)
class CardData:
    """Everything one call's card shows; `requester` and the like are Slack user ids.

    `changes` are (path, before, after) as text. `progress` holds the verification lines so far,
    newest last. `undoes` is the public id of the call that this one takes back, or empty. `after`
    is the place on a shared card of the call that this one waits for, counted from 1. With a
    `thread_link` the card stands in another channel than the conversation.
    """

    public_id: str
    tool: str
    arguments: Mapping[str, JsonValue]
    target: str
    risk: Literal["write", "danger"]
    state: CallState
    summary: str
    requester: str
    expires_at: datetime
    effect: str = ""
    changes: tuple[tuple[str, str, str], ...] = ()
    diff: str = ""
    warnings: tuple[str, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict)  # argument → where its value is from
    notes: tuple[str, ...] = ()
    locked: bool = True
    way_back: str = ""
    no_way_back: str = ""
    needs: int = 1
    rule: str = ""
    is_default: bool = False  # that rule is none of the operator's
    is_allowed: bool = False  # by that rule, without anybody's approval
    approver_users: tuple[str, ...] = ()
    approver_groups: tuple[str, ...] = ()
    anyone: bool = False
    not_contributors: bool = True
    contributors: tuple[str, ...] = ()
    nobody_may_approve: bool = False
    too_few: tuple[str, ...] | None = None  # who could approve, when these are too few
    another_may_ask: bool = False  # then they would be enough
    approvals: tuple[tuple[str, datetime], ...] = ()  # of an open call, those that count now
    fallen: tuple[str, ...] = ()  # who approved it and may no more
    glass_groups: tuple[str, ...] = ()  # of which one member may run it alone
    broken_by: str = ""  # who did
    broken_at: datetime | None = None
    broken_because: str = ""
    grant: "GrantData | None" = None  # that was given here, or under which it ran
    grant_use: int = 0  # the how manieth use this was; 0: given here, or none
    can_grant: bool = False  # whether one approval may be one of the same again
    denied_by: str = ""
    deny_reason: str = ""
    settled_by: str = ""  # who said what came of it, when nobody could find out
    settled_at: datetime | None = None
    settled_because: str = ""
    decided_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    progress: tuple[str, ...] = ()
    verdict: VerdictWord = ""
    verdict_reason: str = ""
    error: str = ""
    can_undo: bool = False
    undoes: str = ""
    unasked: bool = False  # we propose it; the requester asked for what it takes back
    superseded_by: str = ""
    superseded_reason: str = ""
    model_says: str = ""
    short_id: str = ""
    after: int = 0
    asked_by: str = ""  # at first; empty: the requester, who else is who edited it last
    edited_by: str = ""
    withdrawn_by: str = ""
    can_ask_again: bool = False
    thread_link: str = ""
    rollback: "CardData | None" = None  # what is approved with it, should it not work
    rollback_minutes: int = 0  # within which
    acting: str = ""  # as whom it runs on the cluster, and his groups; empty: as the bot itself
    version: int = 1


@dataclass(frozen=True)
class Step:
    """One line of a run's progress; `text` names it, `detail` is what came out."""

    text: str
    state: StepState
    detail: str = ""


@dataclass(frozen=True)
class ProgressData:
    """A run as it stands; `seconds` since its first sign."""

    steps: tuple[Step, ...]
    state: RunState
    seconds: int
    headline: str
    run_id: str = ""  # what Stop names


@dataclass(frozen=True)
class AnswerData:
    """A run's final answer in the model's Markdown, and what it took; `cost` in US dollars."""

    markdown: str
    reads: int = 0
    changes: int = 0
    seconds: int = 0
    tokens: int = 0
    cost: Decimal | None = None
    model: str = ""
    truncated: bool = False
    whole: str = ""  # what `markdown` is only a part of: goes into the file


@dataclass(frozen=True)
class Message:
    """One message to post: `text` is the notification and what a screen reader hears.

    `file` is (name, text) to put into the thread beside it, when not all of it fits.
    `opens_modal` says that Approve opens the whole diff first (action `approve_open`): of a shared
    card, for those calls whose public ids are in `cut`.
    """

    text: str
    blocks: list[Block] = field(default_factory=list)
    file: tuple[str, str] | None = None
    opens_modal: bool = False
    cut: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Plan:
    """The messages that carry one answer, in order, and the file with the rest, if any."""

    messages: tuple[Message, ...]
    file: tuple[str, str] | None = None
