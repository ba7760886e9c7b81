"""What control words are answered with: within Slack's limits, whatever it is made of."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from bot.agent.grammar import usage
from bot.sandbox.validate import validate
from bot.slack import speech
from bot.slack.links import link
from bot.slack.views.batch import batch
from bot.slack.views.card import card as drawn
from bot.slack.views.data import CardData, Message
from bot.slack.views.help import asked_by, help_text
from bot.slack.views.modals import approve_full
from bot.slack.views.replies import linked
from bot.slack.views.status import CardLine, Facts, RunLine, StatusData, Stored, status, which

NOW = datetime(2026, 11, 25, 14, 6, tzinfo=UTC)
ACME = "https://acme.slack.com/"
HOSTILE = "<!channel> *x* `y` ⚠️ \u202e " + "&<>" * 3000


def texts(message: Message) -> str:
    """All of it."""
    return str(message)


def fits(message: Message) -> None:
    """Slack takes it, as a message and as an answer to a command."""
    content = {"text": message.text, "blocks": message.blocks}
    assert validate({"channel": "C1", **content}, "message") == []
    assert validate(content, "response_url") == []


def runs(number: int, asked: str = "how is web?") -> list[RunLine]:
    return [RunLine(f"170000{n:04}.000100", "working", "U1", asked, NOW) for n in range(number)]


def card(number: int, summary: str) -> CardLine:
    return CardLine(
        short_id=f"A9{number:02}",
        summary=summary,
        requester="U1",
        thread_ts="1.2",
        card_ts="1.3",
        expires_at=NOW,
        needs=2,
        given=1,
        users=("U2",),
        groups=("S1",),
        barred=("U1",),
    )


def cards(number: int, summary: str = "Scale `deployment/web`") -> list[CardLine]:
    return [card(n, summary) for n in range(number)]


def shown(facts: Facts, number: int, text: str, names: dict[str, str] | None) -> StatusData:
    found = (runs(number, text), cards(number, text))
    return StatusData(facts, *found, ACME, "C1", "channel", names)


@pytest.mark.parametrize("number", [0, 1, 10, 50])
@pytest.mark.parametrize("names", [None, {"U1": HOSTILE, "U2": "Alice"}])
def test_status_fits_and_nothing_in_it_can_call_or_format(
    number: int, names: dict[str, str] | None
) -> None:
    clusters = {f"kubernetes/{n}": HOSTILE if n % 2 else "" for n in range(20)}
    facts = Facts("1.2.3", ("openai/a", "openai/b"), HOSTILE, clusters)
    message = status(shown(facts, number, HOSTILE, names))
    fits(message)
    said = texts(message)
    assert "<!channel>" not in said
    assert "\u202e" not in said
    if names is not None:
        assert "<@U" not in said
        assert "<!subteam" not in said
    elif number:
        assert "<!subteam^S1>" in said
    if number == 50:
        assert "and 40 more runs" in said
        assert "and 40 more cards" in said


def test_status_says_the_numbers_first() -> None:
    stored = Stored(2_100_000_000, [("messages", 1_500_000_000), ("audit", 400_000)])
    facts = Facts("1.2.3", nobody_may_approve=True, stored=stored)
    nothing = status(StatusData(facts, (), (), ACME, "C1", "thread"))
    assert nothing.text == ("Nothing is running in this thread, nothing waits for a decision")
    assert "nobody may approve yet" in texts(nothing)
    assert "Database: 2.1 GB; most of it: messages 1.5 GB, audit 400 kB" in texts(nothing)
    facts = Facts("1", stored=Stored(5_000_000, (), date(2026, 11, 19), 6_000_000))
    less = status(StatusData(facts, (), (), ACME, "C1", "thread"))
    assert "Database: 5.0 MB, 1.0 MB less than on 2026-11-19" in texts(less)
    two = status(shown(Facts("1"), 2, "x", None))
    assert two.text == "Two runs working in this channel, two cards wait for a decision"
    assert "needs two approvals (1 given): <@U2> or <!subteam^S1> but <@U1>" in texts(two)
    assert f"{ACME}archives/C1/p13?thread_ts=1.2&amp;cid=C1|card" in texts(two)


def test_the_other_answers_fit() -> None:
    for model in (True, False):
        fits(help_text(usage(), model=model))
    fits(asked_by("U1", HOSTILE))
    fits(linked(HOSTILE, link(ACME, "C1", "1.2", "Its card"), refused=True))
    fits(which(runs(50, HOSTILE), ACME, "C1"))
    fits(linked(speech.no_such_proposal("deny", "A9A9", cards(50, HOSTILE)), ""))


@pytest.mark.parametrize(
    ("workspace", "channel", "ts"),
    [("", "C1", "1.2"), (ACME, "C1>", "1.2"), (ACME, "C1", ""), ("javascript:x", "C1", "1.2")],
)
def test_a_link_that_cannot_be_made_is_only_its_label(
    workspace: str, channel: str, ts: str
) -> None:
    assert link(workspace, channel, ts, "card") == "card"


CHANGE = CardData(
    public_id="c0ffee",
    tool="k8s_scale",
    arguments={"replicas": 5},
    target="demo/shop/deployment/web",
    risk="write",
    state="proposed",
    summary="Scale web",
    requester="U1",
    expires_at=NOW,
    acting="dave@corp sre on-call",
)


def test_as_whom_a_change_runs_is_said_with_the_groups_that_go_with_him() -> None:
    """They may be what makes it possible: who approves has to see them."""
    shown = "runs as `dave@corp` with `sre` and `on-call`"
    for decided_on in (drawn(CHANGE), batch([CHANGE, CHANGE]), approve_full(CHANGE)):
        assert shown in str(decided_on)
    assert shown in texts(drawn(replace(CHANGE, state="executing", started_at=NOW)))
    alone = texts(drawn(replace(CHANGE, acting="dave@corp")))
    assert "runs as `dave@corp` ·" in alone
    assert "runs as" not in texts(drawn(replace(CHANGE, acting="")))


def test_groups_that_there_is_no_room_for_are_counted_and_approve_opens_all() -> None:
    """Names of which only the ends differ are told apart."""
    groups = [f"{'a' * 79}-{what}" for what in ("viewers", "admins", *"bcdefghijk")]
    many = replace(CHANGE, acting=f"dave@corp {' '.join(groups)}")
    message = drawn(many)
    assert f"`{groups[1]}`" in texts(message)
    assert "other groups" in texts(message)
    assert message.opens_modal
    assert all(group in str(approve_full(many)) for group in groups)
    few = drawn(replace(CHANGE, acting=f"dave@corp {' '.join(f'g{n}' for n in range(20))}"))
    assert "`g19`" in texts(few)
    assert not few.opens_modal
