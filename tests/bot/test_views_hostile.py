"""Whatever the data, Slack takes every view, nothing in it pings, and every path is there."""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, cast, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.core.text import visible
from bot.guard.provenance import Origin
from bot.sandbox.validate import Surface, validate
from bot.slack import limits
from bot.slack.views import answer, batch, card, modals, notices, progress, words
from bot.slack.views.data import (
    AnswerData,
    CallState,
    CardData,
    Message,
    ProgressData,
    RunState,
    Step,
    StepState,
    VerdictWord,
    View,
)

AT = datetime(2026, 11, 25, 14, 6, tzinfo=UTC)
FRAGMENTS = st.sampled_from(
    [
        *("a", "web", " ", "\n", "\t", "\r\n", "`", "```", "*", "_", "~", "&", "<", ">", "|"),
        *("<!channel>", "<@U0EVIL>", "<!subteam^S0EVIL>", "<!date^1^{time}|x>", "<https://e|y>"),
        *("✅ approved by Alice", ":white_check_mark:", ":white_✅check_mark:", "⚠️", "⛔", "↩️"),
        *(
            "&lt;!channel&gt;",
            "&amp;",
            "\u202e",
            "\u200b",
            "\x00",
            "\ud800",
            "😀",
            "日本",
            "пaypal",
        ),
        *("x" * 300, "&" * 900, "<" * 3_000, "😀" * 1_500, "line\n" * 400),
    ]
)
TEXT = st.lists(FRAGMENTS | st.text(max_size=6), max_size=8).map("".join)
TIMES = st.integers(0, 10_000).map(lambda seconds: AT + timedelta(seconds=seconds))
USERS = st.sampled_from(["U0BOB", "U0ALICE", "W0DAVE"]) | TEXT
GROUPS = st.sampled_from(["S0SRE", "S0OPS"]) | TEXT
PUBLIC_ID = st.text("0123456789abcdef", min_size=16, max_size=32)


def several(of: st.SearchStrategy[Any], most: int) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(of, max_size=most).map(tuple)


CALLS = st.builds(
    CardData,
    public_id=PUBLIC_ID,
    tool=TEXT,
    arguments=st.dictionaries(TEXT, TEXT | st.integers() | st.lists(TEXT, max_size=2), max_size=3),
    target=TEXT,
    risk=st.sampled_from(["write", "danger"]),
    state=st.sampled_from(get_args(CallState)),
    summary=TEXT,
    requester=USERS,
    expires_at=TIMES,
    effect=TEXT,
    changes=several(st.tuples(TEXT, TEXT, TEXT), 12),
    diff=TEXT,
    warnings=several(TEXT, 9),
    origins=st.dictionaries(TEXT, st.sampled_from([*Origin]), max_size=12),
    notes=several(TEXT, 6),
    locked=st.booleans(),
    way_back=TEXT,
    no_way_back=TEXT,
    needs=st.integers(1, 3),
    approver_users=several(USERS, 12),
    approver_groups=several(GROUPS, 12),
    anyone=st.booleans(),
    not_contributors=st.booleans(),
    contributors=several(USERS, 12),
    nobody_may_approve=st.booleans(),
    approvals=several(st.tuples(USERS, TIMES), 12),
    denied_by=USERS,
    deny_reason=TEXT,
    decided_at=st.none() | TIMES,
    started_at=st.none() | TIMES,
    finished_at=st.none() | TIMES,
    progress=several(TEXT, 12),
    verdict=st.sampled_from(get_args(VerdictWord)),
    verdict_reason=TEXT,
    error=TEXT,
    can_undo=st.booleans(),
    undoes=st.sampled_from(["", "c0ffee"]),
    superseded_by=st.sampled_from(["", "beef"]),
    superseded_reason=TEXT,
    model_says=TEXT,
    short_id=st.sampled_from(["", "K7QF"]),
    after=st.integers(0, 3),
    edited_by=st.just("") | USERS,
    withdrawn_by=st.just("") | USERS,
    can_ask_again=st.booleans(),
    thread_link=st.sampled_from(["", "https://acme.slack.com/archives/C1/p1", "javascript:x|y>"]),
)
OURS = re.compile(
    r"<@[UW](?:0BOB|0ALICE|0DAVE)>|<!subteam\^S(?:0SRE|0OPS)>"
    r"|<https://acme\.slack\.com/archives/C1/p1\|The conversation>"
    r"|<!date\^\d+\^\{time(?:_secs)?\}\|\d\d:\d\d(?::\d\d)? UTC>"
)
LINK = re.compile(r"<https?://[^<>|\s]+\|[^<>]*>")


def texts(block: object) -> Iterator[str]:
    """Every text that Slack would format."""
    if isinstance(block, Mapping):
        if block.get("type") == "mrkdwn":
            yield str(block["text"])
        for value in block.values():
            yield from texts(value)
    elif isinstance(block, list):
        for value in block:
            yield from texts(value)


def harmless(text: str, links: bool = False) -> None:
    """Nothing but our own mentions, times and links is more than text."""
    rest = OURS.sub("", text)
    rest = re.sub(r"^> ", "", LINK.sub("", rest), flags=re.MULTILINE) if links else rest
    assert not set("<>") & set(rest), rest
    assert not re.search(r"&(?!amp;|lt;|gt;)", text), text
    assert text.count("```") % 2 == 0, text
    assert not re.search("[\u202e\u200b\x00\ud800-\udfff]", text), text


def taken(message: Message, *, links: bool = False) -> None:
    """Slack takes it as a new message, as an edit, as a reply; and it keeps to its plan."""
    payload = {"text": message.text, "blocks": message.blocks}
    surfaces: tuple[Surface, ...] = ("message", "update", "ephemeral", "response_url")
    for surface in surfaces:
        assert validate(payload, surface) == []
    shown = list(texts(message.blocks))
    assert message.text.strip()
    assert words.size(message.text) <= limits.FALLBACK
    assert sum(map(words.size, shown)) <= limits.MESSAGE
    assert len(message.blocks) <= limits.MESSAGE_BLOCKS
    for text in (message.text, *shown):
        harmless(text, links)
    json.dumps(payload).encode()


def taken_view(view: View) -> None:
    """Slack takes it as a modal, and it carries nothing but the call's public id."""
    assert validate(view, "modal") == []
    assert re.fullmatch("[0-9a-f]*", str(view["private_metadata"]))
    for text in texts(view):
        harmless(text)


def path_in(path: str, shown: str) -> bool:
    """Whether a path stands whole in a view; a very long one goes on in the next section."""
    return words.code(path, 10**9)[0].strip("`") in shown


# A text may be generated slowly while the machine is busy with other tests.
HARD = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))


@HARD
@given(CALLS)
def test_every_card(call: CardData) -> None:
    message = card.card(call)
    taken(message)
    shown = "\n".join(texts(message.blocks)).replace("`\n`", "")
    joined = "".join(texts(message.blocks))
    if "more path" not in shown:
        assert all(path_in(path, shown) or path_in(path, joined) for path, _, _ in call.changes)
    elif call.state == "proposed":
        assert message.opens_modal
    # A file that Slack keeps says it all, whatever else was cut.
    if message.file is not None:
        assert message.file[1].count("\n    - ") >= len(call.changes)


@settings(HARD, max_examples=12)  # each draws several cards
@given(st.lists(CALLS, min_size=2, max_size=10))
@pytest.mark.long
def test_every_shared_card(calls: list[CardData]) -> None:
    message = batch.batch(calls)
    taken(message)
    shown = "\n".join(texts(message.blocks)).replace("`\n`", "")
    joined = "".join(texts(message.blocks))
    if "more path" not in shown:
        for call in calls:
            assert all(path_in(path, shown) or path_in(path, joined) for path, _, _ in call.changes)
    is_open = {call.public_id for call in calls if call.state == "proposed"}
    assert message.cut <= is_open
    assert message.opens_modal == bool(message.cut)
    pressed = [
        (button["action_id"], button["value"])
        for block in message.blocks
        if block["type"] == "actions"
        for button in cast("list[dict[str, str]]", block["elements"])
    ]
    assert {value for action, value in pressed if action == "approve_open"} == message.cut
    assert {value for action, value in pressed if action == "deny"} == is_open
    taken_view(modals.approve_all(calls))


@HARD
@given(CALLS)
def test_what_the_model_says_is_in_one_block_and_without_marks(call: CardData) -> None:
    said = "SAID ✅ :white_check_mark: approved"
    message = card.card(replace(call, state="proposed", model_says=said + call.model_says))
    holding = [text for text in texts(message.blocks) if "SAID" in text]
    assert len(holding) == 1
    assert holding[0].startswith("_The model says:_ SAID")
    assert not set("✅⚠⛔⏳↩") & set(holding[0])
    assert not re.search(r":[a-z_]*check_mark:", re.sub("`[^`]*`", "", holding[0]))
    assert "SAID" not in message.text


@HARD
@given(CALLS, TEXT)
@pytest.mark.long
def test_every_modal(call: CardData, text: str) -> None:
    view = modals.approve_full(call)
    taken_view(view)
    shown = "".join(texts(view))
    if "needs you to read the file" not in shown:
        lines = "\n".join(texts(view))
        assert all(path_in(path, lines) or path_in(path, shown) for path, _, _ in call.changes)
    else:
        assert call.state != "proposed" or card.card(call).file is not None
    taken_view(modals.more(call))
    taken_view(modals.undo(call, may_approve=True))
    taken_view(modals.undo(call, may_approve=False, why_not=text))
    taken_view(modals.deny_reason(call.public_id, text))
    taken_view(modals.working("Undo this change?", call.public_id))
    taken_view(modals.told("Undo this change?", text))


STEPS = st.builds(Step, text=TEXT, state=st.sampled_from(get_args(StepState)), detail=TEXT)


@HARD
@given(
    st.builds(
        ProgressData,
        steps=several(STEPS, 20),
        state=st.sampled_from(get_args(RunState)),
        seconds=st.integers(-5, 100_000),
        headline=TEXT,
    )
)
def test_every_progress(run: ProgressData) -> None:
    taken(progress.progress(run))
    folded = progress.folded(run)
    taken(folded)
    assert "\n" not in folded.text


@HARD
@given(
    st.builds(
        AnswerData,
        markdown=st.lists(TEXT, max_size=12).map("\n\n".join),
        cost=st.none() | st.decimals(0, 100, places=4),
        tokens=st.integers(0, 10**7),
        model=TEXT,
        truncated=st.booleans(),
    )
)
def test_every_answer(given_answer: AnswerData) -> None:
    plan = answer.answer(given_answer)
    assert 1 <= len(plan.messages) <= limits.MESSAGES
    for message in plan.messages:
        taken(message, links=True)
    if plan.file is not None:
        assert visible(given_answer.markdown) == plan.file[1]


@HARD
@given(TEXT, TEXT)
def test_every_notice(one: str, two: str) -> None:
    said: list[Callable[[], Message]] = [
        lambda: notices.failure(one),
        lambda: notices.refused(one),
        lambda: notices.notice(one),
        lambda: notices.may_not_ask(one),
        lambda: notices.unknown_outcome(one, two),
        lambda: notices.declined(one),
        lambda: notices.instead(one),
        lambda: notices.stopped("U0BOB", 12, 3, 0),
        lambda: notices.reminder([one, two] * 3, AT, "<@U0BOB>", ["K7QF"]),
    ]
    for make in said:
        taken(make())


CALM = CardData(
    public_id="c0ffee7d2a914b5e",
    tool="k8s_apply",
    arguments={},
    target="demo/shop/configmap/web",
    risk="write",
    state="proposed",
    summary="Apply `configmap/web`",
    requester="U0BOB",
    expires_at=AT,
)
HUGE = {
    "letters": "x" * 250_000,
    "lines": "line of a log\n" * 17_500,
    "fences": "```\n" * 62_000,
    "brackets": "[![" * 83_000,
    "angles": "<!channel>" * 25_000,
    "emoji": "✅😀" * 125_000,
    "cyrillic": "пaypal " * 35_000,
    "hidden": "\u202e\u200b" * 125_000,
    "names": ":white_check_mark:" * 14_000,
    "spaces": " " * 250_000,
}


def timed(make: Callable[[], Any]) -> Any:
    """What `make` gives. Whatever looks at every pair of a huge text's letters takes minutes."""
    began = time.process_time()
    made = make()
    assert time.process_time() - began < 10
    return made


@pytest.mark.long
@pytest.mark.parametrize("name", HUGE)
def test_what_is_huge_is_planned_in_a_time_that_grows_with_it_alone(name: str) -> None:
    huge = HUGE[name]
    for call in (
        replace(CALM, diff=huge),
        replace(CALM, changes=((huge[:900], huge, "short"),)),
        replace(CALM, summary=huge),
        replace(CALM, warnings=(huge,)),
        replace(CALM, state="failed", error=huge),
    ):
        message = timed(partial(card.card, call))
        taken(message)
        if name != "spaces":  # which are nothing, as a sentence
            assert (message.file is not None) == (call.state == "proposed")
        taken_view(timed(partial(modals.approve_full, call)))
    assert timed(lambda: card.card(replace(CALM, model_says=huge))).file is None
    plan = timed(lambda: answer.answer(AnswerData(markdown=huge, cost=Decimal(1))))
    for each in plan.messages:
        taken(each, links=True)
    taken(timed(lambda: notices.failure(huge)))


@pytest.mark.long
def test_ten_thousand_paths_are_planned_at_once() -> None:
    changes = tuple((f"data.key{number}", "", "<new>") for number in range(10_000))
    message = timed(lambda: card.card(replace(CALM, changes=changes)))
    taken(message)
    assert message.file is not None
    assert all(path in message.file[1] for path, _, _ in changes)
