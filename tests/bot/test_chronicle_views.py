"""What the audit answers in Slack, by its text: every end of a call, hostile words, many calls."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.agent.control import Word, parse_word
from bot.core.ids import uuid7
from bot.core.values import Person, Standing
from bot.guard.chronicle import Given, NotCounted, Story, Vote, may_audit
from bot.guard.people import Roles
from bot.guard.policy import Effect, Ruling
from bot.sandbox.validate import validate
from bot.slack.views.chronicle import AuditData, audit, head, what_became
from bot.slack.views.data import Message
from bot.slack.views.why import why

NOW = datetime(2026, 11, 25, 14, 6, tzinfo=UTC)
ACME = "https://acme.slack.com/"
HOSTILE = "<!channel> *x* `y` ⚠️ \u202e " + "&<>" * 3000
STORY = Story(
    org="T1",
    id=uuid7(),
    call="p1",
    short_id="K7QF",
    kind="change",
    summary="Scale `deployment/web` in `shop` from 3 to 5",
    channel="C1",
    thread_ts="1700000000.000100",
    run=uuid7(),
    asked_by="U1",
    asked_at=NOW,
    proposed_at=NOW,
    contributors=("U1", "U3"),
    rule="prod needs two",
    effect="ask",
    quorum=2,
    votes=(Vote("U2", "approve", NOW), Vote("U4", "approve", NOW + timedelta(seconds=9))),
    not_counted=(),
    tool="k8s_scale",
    arguments={"name": "web", "replicas": 5},
    target="demo/shop/deployment/web",
    risk="write",
    digest="d" * 64,
    acting="bot",
    state="done",
    started_at=NOW,
    ended_at=NOW,
    receipt="scaled",
    outcome="holds",
    verdict="5 of 5 pods ready.",
    error="",
    edited_by="",
    withdrawn_by="",
    superseded_by="",
    superseded_short="",
    replaced_by="",
    undoes="",
    unasked=False,
    rolls_back=False,
    rollback="",
    rollback_state="",
    rollback_why="",
    undone_by="p2",
    undone_short="M3TA",
    undone_by_itself=False,
    undo_state="done",
    undo_outcome="holds",
    granted_on="",
    granted_by="",
    granted_at=None,
    grant_use=0,
    granted=None,
    undone_at=NOW,
    evidence=(4, 5, 6),
    differs=(),
)


def told(*stories: Story, more: int = 0, **how: Any) -> Message:
    export = "countersign audit export --stories --since 2026-11-25"
    return audit(AuditData(stories, more, "on 2026-11-25 (UTC)", export, ACME, **how))


def text(message: Message) -> str:
    return str(message)


def fits(message: Message) -> None:
    content = {"text": message.text, "blocks": message.blocks}
    assert validate({"channel": "C1", **content}, "message") == []
    assert validate(content, "response_url") == []


def test_what_became_since_is_one_sentence() -> None:
    waits = replace(STORY, votes=(), state="proposed", started_at=None, undo_state="")
    ruling = Ruling(Effect.ASK, "a change needs one", quorum=1)
    message = why("K7QF", "Scale", ruling, (), ruling, since=what_became(waits))
    assert "Since: waits for a decision." in text(message)


def test_it_answers_all_that_an_auditor_asks() -> None:
    said = text(told(STORY, whole=True))
    itself = text(told(replace(STORY, undone_by_itself=True), whole=True))
    assert " by `M3TA`, by itself, as was approved with it" in itself
    assert ", by itself" not in said
    for part in (
        "One change on 2026-11-25 (UTC) in this channel",
        "asked by <@U1> with <@U3>",
        "approved by <@U2> <!date^1795615560^",
        "rule “prod needs two”, two approvals",
        "ran as `bot`",
        "verified: 5 of 5 pods ready · ↩️ undone",
        "undone <!date^",
        '"replicas": 5',
        "on `demo/shop/deployment/web`",
        "digest `dddd",
        "rows of the audit: 4, 5, 6",
    ):
        assert part in said, part
    assert "says otherwise" not in said


def test_it_says_what_was_allowed_in_advance_and_whose_votes_did_not_count() -> None:
    hour = timedelta(hours=1)
    given = Given("U2", NOW, 3, 1, NOW + hour, {"replicas": (1, 6)}, None, "", "")
    said = text(told(replace(STORY, granted=given)))
    assert "<@U2> allowed <@U1> the same again here <!date^1795615560^" in said
    assert ": three times until <!date^1795619160^" in said
    assert ", with `replicas` 1 to 6; 1 used" in said
    assert "revoked" not in said
    ends: dict[str, Any] = {"ended_at": NOW, "ended_by": "U4", "ended_why": "revoked"}
    assert "that was revoked by <@U4> <!date^" in text(
        told(replace(STORY, granted=replace(given, **ends)))
    )
    used = replace(STORY, granted_on="K7QF", granted_by="U2", granted_at=NOW - hour, grant_use=1)
    said = text(told(used))
    assert "under what <@U2> allowed <!date^1795611960^" in said
    assert " on `K7QF`, use 1" in said
    assert "approved by" not in said, "nobody looked at this one"
    refused = [NotCounted(f"U{n}", "approve", NOW, "own_request") for n in range(12)]
    message = told(replace(STORY, not_counted=tuple(refused)), whole=True)
    assert "UTC> (approve: took part in asking), " in text(message)
    assert ", and 2 before" in text(message)
    fits(message)


ENDS: dict[str, dict[str, Any]] = {
    "waits for a decision": {"state": "proposed"},
    "approved, not begun yet": {"state": "approved"},
    "running": {"state": "executing", "started_at": NOW},
    "sent, verifying": {"state": "done", "outcome": "", "verdict": ""},
    "it ran and does not work: no": {"state": "done", "outcome": "failed", "verdict": "no"},
    "failed: it said no": {
        "state": "failed",
        "verdict": "",
        "error": "it said no",
    },
    "it may or may not have happened": {"state": "unknown", "outcome": "", "verdict": ""},
    "expired, nothing was changed": {"state": "expired", "started_at": None},
    "replaced by a newer card": {
        "state": "superseded",
        "superseded_by": "p3",
        "started_at": None,
    },
    "withdrawn, nothing was changed: stopped": {
        "state": "superseded",
        "error": "stopped",
        "started_at": None,
    },
    "withdrawn by <@U1>": {"state": "superseded", "withdrawn_by": "U1", "started_at": None},
    "denied by <@U5> ": {
        "state": "denied",
        "votes": (Vote("U5", "deny", NOW, "not today"),),
        "started_at": None,
    },
    "its way back `M3TA` is proposed": {"undo_state": "proposed"},
    "being undone by `M3TA`": {"undo_outcome": ""},
    "its way back `M3TA` ran, but it is not verified": {"undo_outcome": "failed"},
    "its way back ran, but it is not verified": {
        "undo_state": "unknown",
        "undo_outcome": "",
        "undone_short": "",
    },
    "14:06:00 UTC> by `M3TA`": {},
    "takes an earlier change back": {"undoes": "p0"},
    "proposed by the bot, to take back what <@U1> asked for, ": {"undoes": "p0", "unasked": True},
    "a rollback stands by, should it not work": {"rollback": "x", "rollback_state": "standby"},
    "the rollback that was decided with it was not needed": {
        "rollback": "x",
        "rollback_state": "superseded",
        "rollback_why": "its change was looked at: holds",
    },
    "the rollback that was decided with it did not run: its 10 min were over": {
        "rollback": "x",
        "rollback_state": "superseded",
        "rollback_why": "its 10 min were over",
        "outcome": "failed",
    },
    "2026-11-25 14:06:00 UTC>, edited by <@U6> <!date^1795615569^": {
        "edited_by": "U6",
        "proposed_at": NOW + timedelta(seconds=9),
    },
    "edited by <@U6> <!date^1795615560^{date_short} {time_secs}|2026-11-25 14:06:00 UTC>, "
    "nothing was changed · the newer one is `M3TA`": {
        "state": "superseded",
        "replaced_by": "U6",
        "superseded_by": "p3",
        "superseded_short": "M3TA",
    },
    "says otherwise than the audit's chain: arguments and votes": {
        "differs": ("arguments", "votes")
    },
}


@pytest.mark.parametrize("says", ENDS)
def test_every_end_has_its_words(says: str) -> None:
    message = told(replace(STORY, **ENDS[says]))
    assert says in text(message)
    fits(message)


def test_nothing_is_said_to_be_nothing() -> None:
    assert told().text == "No change on 2026-11-25 (UTC) in this channel."
    assert "in any channel" in told(everywhere=True).text


def test_many_and_hostile_ones_fit() -> None:
    hostile = replace(
        STORY,
        summary=HOSTILE,
        rule=HOSTILE,
        target=HOSTILE,
        acting=HOSTILE,
        verdict=HOSTILE,
        arguments={"name": HOSTILE},
        channel="C1|<!here>",
        asked_by="<!channel>",
        evidence=tuple(range(2000)),
    )
    for whole in (False, True):
        message = told(*[hostile] * 10, more=1234, everywhere=True, whole=whole)
        fits(message)
        assert "<!channel>" not in text(message)
        assert "<!here>" not in text(message)
        assert "\u202e" not in text(message)
        assert re.search(r"1,2[34]\d more\. ", text(message))


def test_the_head_is_for_keeping() -> None:
    message = head("2026-11-25", 12_345, "a" * 64)
    fits(message)
    assert "12,345 rows" in message.text
    assert f"countersign audit verify --head {'a' * 64}" in text(message)


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("audit", Word("audit")),
        ("AUDIT  Yesterday", Word("audit", about="Yesterday")),
        ("audit 2026-11-25", Word("audit", about="2026-11-25")),
        ("audit <@U012AB3CD|dave>", Word("audit", about="<@U012AB3CD|dave>")),
        ("audit <@U012AB3CD>", Word("audit", about="<@U012AB3CD>")),
        ("audit `k7qf`", Word("audit", "K7QF")),
        ("audit the namespace shop", None),
        ("audit 2026", None),
        ("audit <!channel>", None),
    ],
)
def test_only_the_whole_word_asks_for_it(line: str, word: Word | None) -> None:
    assert parse_word(line) == word


def test_nobody_sees_all_unless_the_settings_name_him() -> None:
    dave = Person("U1", Standing.MEMBER, groups=frozenset({"S1"}))
    assert not may_audit(Roles(), dave)
    assert not may_audit(Roles({"approver": ("*",)}), dave)
    assert may_audit(Roles({"auditor": ("S1",)}), dave)
    assert not may_audit(Roles({"auditor": ("*",)}), replace(dave, standing=Standing.GUEST))
