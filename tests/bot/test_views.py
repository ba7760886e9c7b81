"""What the bot says, word for word: each view against the text that a reader sees.

After a change that is meant: `python tests/bot/test_views.py` writes the texts anew; read the diff.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue

from bot.guard.lost import Became
from bot.slack import limits
from bot.slack.views import answer, batch, card, changes, modals, notices, progress, words
from bot.slack.views.data import (
    AnswerData,
    CardData,
    Message,
    Plan,
    ProgressData,
    Step,
    View,
)

SNAPSHOTS = Path(__file__).parent / "snapshots" / "views"
AT = datetime(2026, 11, 25, 14, 6, tzinfo=UTC)

PROPOSED = CardData(
    public_id="c0ffee7d2a914b5e",
    tool="k8s_rollout_undo",
    arguments={"namespace": "shop", "name": "checkout", "to_revision": 6, "cluster": "demo"},
    target="demo/shop/deployment/checkout",
    risk="write",
    state="proposed",
    summary="Roll back `deployment/checkout` in `shop` (cluster demo) to revision 6",
    effect="image 1.9.0 → 1.8.0 · 3 pods",
    changes=(
        (
            "spec.template.spec.containers[checkout].image",
            "shop/checkout:1.9.0",
            "shop/checkout:1.8.0",
        ),
    ),
    diff="-        image: shop/checkout:1.9.0\n+        image: shop/checkout:1.8.0\n",
    warnings=("no PodDisruptionBudget",),
    notes=("0 of 3 pods are ready as of 14:05:40 UTC",),
    way_back="roll forward to revision 7",
    requester="U0BOB",
    needs=1,
    rule="a change needs one",
    is_default=True,
    approver_groups=("S0SRE",),
    contributors=("U0BOB",),
    expires_at=AT + timedelta(minutes=30),
    model_says='every pod of revision 7 exits with code 1, "missing PAYMENTS_URL"; '
    "revision 6 ran for 9 days.",
)
APPROVED = replace(PROPOSED, state="approved", approvals=(("U0ALICE", AT + timedelta(minutes=3)),))
RUNNING = replace(
    APPROVED,
    state="executing",
    started_at=AT + timedelta(minutes=3, seconds=1),
    progress=("1 of 3 pods ready on 1.8.0", "2 of 3 pods ready on 1.8.0"),
)
VERIFIED = replace(
    RUNNING,
    state="done",
    verdict="holds",
    verdict_reason="3 of 3 pods ready on 1.8.0, no restarts for 20 s",
    finished_at=AT + timedelta(minutes=3, seconds=29),
    can_undo=True,
)
UNKNOWN = replace(RUNNING, state="unknown")
SETTLED = replace(
    UNKNOWN,
    verdict="cannot tell",
    verdict_reason="the cluster does not answer",
    settled_by="U0ALICE",
    settled_at=AT + timedelta(minutes=9),
    settled_because="I saw it in the cluster's log",
)
UNDO = replace(
    PROPOSED, undoes="c0ffee", summary="Roll `deployment/checkout` forward to revision 7"
)
RUN = ProgressData(
    steps=(
        Step("rollout history", "done", "revision 7, 14:02, image 1.8.0 → 1.9.0"),
        Step("events", "done", "14 × BackOff since 14:03"),
        Step("logs of 3 pods", "working"),
    ),
    state="working",
    seconds=12,
    headline="Looking into `checkout` in `shop`",
)
ANSWER = AnswerData(
    markdown="`checkout` is healthy again since 14:09:41. Revision 7 lacked `PAYMENTS_URL` [1].\n\n"
    "Not checked: whether orders placed 14:02–14:09 were retried.",
    reads=3,
    changes=1,
    seconds=28,
    tokens=9410,
    cost=Decimal("0.0312"),
)

ROLLBACK = replace(
    PROPOSED,
    public_id="c0ffee7d2a914b5f",
    state="standby",
    summary="Roll back `deployment/checkout` in `shop` (cluster demo) to revision 7",
    changes=tuple((path, after, before) for path, before, after in PROPOSED.changes),
    diff="-        image: shop/checkout:1.8.0\n+        image: shop/checkout:1.9.0\n",
    undoes=PROPOSED.public_id,
)
CARDS: dict[str, CardData] = {
    "proposed": PROPOSED,
    "proposed-danger": replace(
        PROPOSED,
        risk="danger",
        needs=2,
        approvals=(("U0ALICE", AT + timedelta(minutes=3)),),
        approver_groups=(),
        approver_users=("U0ALICE", "U0CAROL", "W0DAVE"),
        contributors=("U0BOB", "U0ERIN"),
        locked=False,
        way_back="",
        no_way_back="the volume's data is gone",
    ),
    "proposed-anyone": replace(PROPOSED, anyone=True, approver_groups=(), not_contributors=False),
    "proposed-nobody": replace(PROPOSED, nobody_may_approve=True),
    "proposed-undo": UNDO,
    "proposed-no-diff": replace(PROPOSED, changes=(), diff="", tool="jenkins_build"),
    "proposed-cut": replace(PROPOSED, changes=(("data.script", "x" * 400, ""),)),
    "approved": APPROVED,
    "executing": RUNNING,
    "done-verifying": replace(RUNNING, state="done"),
    "done-holds": VERIFIED,
    "done-holds-no-undo": replace(VERIFIED, can_undo=False),
    "done-cannot-tell": replace(
        VERIFIED, verdict="cannot tell", verdict_reason="somebody else scaled it to 4"
    ),
    "done-did-not-happen": replace(
        VERIFIED, verdict="did not happen", verdict_reason="it is as before"
    ),
    "proposed-rollback": replace(PROPOSED, rollback=ROLLBACK, rollback_minutes=10),
    "done-rolled-back": replace(
        APPROVED,
        state="done",
        verdict="failed",
        verdict_reason="pod checkout-1 exits with code 1",
        rollback_minutes=10,
        rollback=replace(
            ROLLBACK,
            state="done",
            verdict="holds",
            verdict_reason="3 of 3 pods ready on 1.9.0",
            finished_at=AT + timedelta(minutes=5),
        ),
    ),
    "done-rollback-unknown": replace(
        APPROVED,
        state="done",
        verdict="failed",
        verdict_reason="pod checkout-1 exits with code 1",
        rollback_minutes=10,
        rollback=replace(
            ROLLBACK,
            state="unknown",
            short_id="K7QX",
            verdict="cannot tell",
            verdict_reason="the cluster does not answer",
        ),
    ),
    "done-not-rolled-back": replace(
        APPROVED,
        state="done",
        verdict="failed",
        verdict_reason="pod checkout-1 exits with code 1",
        rollback_minutes=10,
        rollback=replace(
            ROLLBACK,
            state="superseded",
            superseded_reason="deployment/checkout was written again (generation 9, ours was 8)",
        ),
    ),
    "done-failed": replace(
        VERIFIED, verdict="failed", verdict_reason="pod checkout-1 exits with code 1"
    ),
    "done-undone": replace(VERIFIED, undoes="c0ffee", can_undo=False),
    "failed": replace(RUNNING, state="failed", error="the cluster refused: 403", progress=()),
    "failed-stale": replace(
        RUNNING,
        state="failed",
        error="replicas are 4, not 3; nothing was sent",
        progress=(),
        superseded_by="beef",
    ),
    "unknown-looking": UNKNOWN,
    "unknown-holds": replace(
        UNKNOWN, verdict="holds", verdict_reason="it has 5 replicas, as asked"
    ),
    "unknown-cannot-tell": replace(
        UNKNOWN, verdict="cannot tell", verdict_reason="the cluster does not answer"
    ),
    "settled-done": replace(SETTLED, state="done", can_undo=True),
    "settled-failed": replace(SETTLED, state="failed", settled_because=""),
    "denied": replace(
        PROPOSED, state="denied", denied_by="U0ALICE", deny_reason="wait", decided_at=AT
    ),
    "denied-without-reason": replace(PROPOSED, state="denied", denied_by="U0ALICE", decided_at=AT),
    "expired": replace(PROPOSED, state="expired"),
    "expired-after-approval": replace(
        APPROVED, state="expired", finished_at=AT + timedelta(minutes=3)
    ),
    "expired-after-glass": replace(
        PROPOSED,
        state="expired",
        broken_by="U0ALICE",
        broken_at=AT,
        broken_because="nobody answers",
        decided_at=AT,
        finished_at=AT + timedelta(minutes=3),
    ),
    "superseded": replace(
        PROPOSED,
        state="superseded",
        superseded_by="beef",
        superseded_reason="somebody scaled `web` from 3 to 4 since",
    ),
    "proposed-typed": replace(PROPOSED, short_id="K7QF"),
    "proposed-revised": replace(
        PROPOSED, requester="U0ERIN", asked_by="U0BOB", edited_by="U0ERIN", short_id="K7QF"
    ),
    "proposed-elsewhere": replace(
        PROPOSED, short_id="K7QF", thread_link="https://acme.slack.com/archives/C1/p1"
    ),
    "expired-ask-again": replace(PROPOSED, state="expired", can_ask_again=True),
    "superseded-revised": replace(
        PROPOSED,
        state="superseded",
        superseded_by="beef",
        superseded_reason="edited by <@U0ERIN>",
    ),
    "withdrawn-by": replace(
        PROPOSED,
        state="superseded",
        withdrawn_by="U0BOB",
        superseded_reason="withdrawn by <@U0BOB>",
    ),
    "withdrawn": replace(PROPOSED, state="superseded", superseded_reason="not needed any more"),
}

SCALE = replace(
    PROPOSED,
    public_id="5ca1e",
    summary="Scale `web` in `shop` from 3 to 5 replicas",
    effect="replicas 3 → 5",
    target="demo/shop/deployment/web",
    changes=(("spec.replicas", "3", "5"),),
    diff="-  replicas: 3\n+  replicas: 5\n",
    way_back="scale back to 3",
    short_id="M3TA",
)
STOP = replace(
    SCALE,
    public_id="5709",
    summary="Scale `web` in `shop` from 3 to 0 replicas",
    effect="replicas 3 → 0",
    changes=(("spec.replicas", "3", "0"),),
    diff="-  replicas: 3\n+  replicas: 0\n",
    risk="danger",
    needs=2,
    after=1,
    short_id="X4RD",
)
BATCHES: dict[str, tuple[CardData, ...]] = {
    "proposed": (replace(PROPOSED, short_id="K7QF"), SCALE),
    "mixed": (SCALE, STOP),
    "cut": (SCALE, replace(CARDS["proposed-cut"], short_id="K7QF")),
    "half-decided": (
        replace(VERIFIED, short_id="K7QF"),
        replace(SCALE, state="executing", approvals=APPROVED.approvals, decided_at=AT),
        replace(STOP, state="proposed", after=2),
    ),
    "over": (
        replace(SCALE, state="denied", denied_by="U0ALICE", deny_reason="wait", decided_at=AT),
        replace(STOP, state="expired", can_ask_again=True),
    ),
}

NOTICES: dict[str, Message] = {
    "failure": notices.failure(
        "The model did not answer (3 tries, 40 s: overloaded). Nothing was changed. "
        'Say "try again", or use commands: `get pods -n shop`.'
    ),
    "refused": notices.refused("This one needs somebody from <sre> other than you."),
    "notice": notices.notice("Nothing to do: `web` has 5 replicas"),
    "may-not-ask": notices.may_not_ask("you are a guest"),
    "shared-channel": notices.shared_channel(),
    "not-recorded": notices.lost(Became.SHUT_OUT),
    "not-known": notices.lost(Became.UNKNOWN),
    "command-not-known": notices.lost(Became.UNKNOWN, "command"),
    "command-recorded": notices.lost(Became.RECORDED, "command"),
    "refused-unheard": notices.lost(Became.REFUSED),
    "stopped": notices.stopped("U0ALICE", 12, 3, 0),
    "stopped-after-a-change": notices.stopped("U0ALICE", 75, 1, 2),
    "declined": notices.declined("You have used today's 200k tokens"),
    "instead": notices.instead("somebody scaled `web` from 3 to 4"),
    "instead-rest": notices.instead("an earlier change did not end well: Scale `web`", rest=True),
    "way-back": notices.way_back("Scale `web` to 5 does not work: 2 of 5 pods crash", 2),
    "reminder": notices.reminder(
        ["Scale `web` to 5"], AT + timedelta(minutes=30), "<!subteam^S0SRE>", ["K7QF"]
    ),
    "reminder-many": notices.reminder(
        [f"Scale `web` to {n}" for n in range(6)], AT, "", ["K7QF", "M3TA"]
    ),
    "settled": notices.settled(replace(SETTLED, state="done", can_undo=True)),
    "unknown-outcome": notices.unknown_outcome("Scale `web` to 5", "it has 5 replicas, as asked"),
}

VIEWS: dict[str, View] = {
    "approve-full": modals.approve_full(PROPOSED),
    "approve-all": modals.approve_all([PROPOSED, SCALE]),
    "approve-all-too-long": modals.approve_all([replace(PROPOSED, diff="x\n" * 200_000), SCALE]),
    "more": modals.more(PROPOSED),
    "deny-reason": modals.deny_reason(PROPOSED.public_id, PROPOSED.summary),
    "working": modals.working("Undo this change?", PROPOSED.public_id),
    "told": modals.told("Undo this change?", "The cluster does not answer."),
    "undo": modals.undo(UNDO, may_approve=True),
    "undo-not-you": modals.undo(UNDO, may_approve=False, why_not="You asked for it yourself."),
}


def _block(block: Any) -> str:
    match block["type"]:
        case "section":
            return str(block["text"]["text"])
        case "context":
            return "\n".join(f"({element['text']})" for element in block["elements"])
        case "actions":
            return " ".join(
                f"[{each['text']['text']} {each['action_id']}={each['value']}]"
                for each in block["elements"]
            )
        case _:
            return f"<{block['type']}: {block['label']['text']}>"


def shown(thing: Message | View | Plan) -> str:
    """A message or a modal as text."""
    if isinstance(thing, Plan):
        return "\n=====\n".join(map(shown, thing.messages))
    if isinstance(thing, Message):
        head = [f"notification: {thing.text}"]
        blocks: Sequence[Any] = thing.blocks
    else:
        view: Any = thing
        submit = view["submit"]["text"] if "submit" in view else "-"
        title, close = view["title"]["text"], view["close"]["text"]
        carried = f"{view.get('callback_id', '-')}={view['private_metadata']}"
        head = [f"title: {title} | submit: {submit} | close: {close} | {carried}"]
        blocks = view["blocks"]
    return "\n---\n".join([*head, *map(_block, blocks)]) + "\n"


@cache
def _all() -> dict[str, str]:
    texts = {f"card-{name}": shown(card.card(data)) for name, data in CARDS.items()}
    texts |= {f"batch-{name}": shown(batch.batch(calls)) for name, calls in BATCHES.items()}
    texts |= {f"notice-{name}": shown(message) for name, message in NOTICES.items()}
    texts |= {f"modal-{name}": shown(view) for name, view in VIEWS.items()}
    waiting, failed = replace(RUN, state="waiting"), replace(RUN, state="failed")
    return texts | {
        "progress-working": shown(progress.progress(RUN)),
        "progress-waiting": shown(progress.progress(waiting)),
        "progress-failed": shown(progress.progress(failed)),
        "progress-many": shown(progress.progress(replace(RUN, steps=RUN.steps * 6))),
        "progress-folded": shown(progress.folded(replace(RUN, state="done", seconds=128))),
        "progress-folded-failed": shown(progress.folded(failed)),
        "answer": shown(answer.answer(ANSWER)),
        "answer-empty": shown(answer.answer(AnswerData(markdown=" \n"))),
        "answer-cut": shown(answer.answer(replace(ANSWER, truncated=True, reads=1))),
    }


@pytest.mark.parametrize("name", _all())
def test_a_view_reads_as_it_did(name: str) -> None:
    kept = SNAPSHOTS / f"{name}.txt"
    assert kept.exists(), "new view: run `python tests/bot/test_views.py`, read what it wrote"
    assert _all()[name] == kept.read_text("utf-8"), "meant? run `python tests/bot/test_views.py`"


def test_no_snapshot_is_left_over() -> None:
    assert {path.stem for path in SNAPSHOTS.glob("*.txt")} == set(_all())


def _buttons(message: Message) -> dict[str, str]:
    found = re.findall(r"\[([\w ]+)…? (\w+)=(\w+)\]", shown(message).replace("] [", "]\n["))
    return {text: action for text, action, _ in found}


@pytest.mark.parametrize("name", CARDS)
def test_buttons_stand_only_where_a_click_can_mean_something(name: str) -> None:
    buttons = _buttons(card.card(CARDS[name]))
    if CARDS[name].state == "proposed":
        assert set(buttons) == {"Approve", "Deny", "More"}
    elif name == "expired-ask-again":
        assert buttons == {"Ask again": "ask_again"}
    elif name in {"done-holds", "done-failed", "settled-done"}:
        assert buttons == {"Undo": "undo"}
    elif name == "unknown-cannot-tell":
        assert buttons == {"It happened": "settle_done", "It did not": "settle_failed"}
    else:
        assert buttons == {}


def test_the_notification_says_what_the_card_says() -> None:
    """Who asked, what, on what, how many approvals, until when, and every warning."""
    open_cards = [call for call in CARDS.values() if call.state == "proposed"]
    assert len(open_cards) > 5
    for call in open_cards:
        message = card.card(call)
        many = "one approval" if call.needs == 1 else "two approvals"
        said = [
            *(call.target, f"<@{call.requester}>", f"needs {many}: "),
            words.sentence(call.summary, 300)[0],
            f"expires {words.clock(call.expires_at)}",
            *([f"rule “{call.rule}”"] if call.rule else []),
            *(words.sentence(one, 200)[0] for one in call.warnings),
        ]
        assert [one for one in said if one not in message.text] == []
        assert words.size(message.text) <= limits.FALLBACK - limits.CALLED
        assert call.warnings == () or call.warnings[0] in shown(message)
    path, before, after = SCALE.changes[0]
    acting = replace(SCALE, acting="dave@corp.example sre", needs=2, approvals=(("U0BOB", AT),))
    for one in (
        f"`{path}`: `{before}` → `{after}`",
        "runs as `dave@corp.example` with `sre`",
        "So far approved by <@U0BOB>",
        "one more approval needed",
    ):
        assert one in card.card(acting).text
    both = batch.batch([SCALE, replace(SCALE, public_id="b", warnings=("No budget",), needs=2)])
    needs = ("1. `demo/shop/deployment/web` needs one", "2. `demo/shop/deployment/web` needs two")
    for one in (*needs, "Heads-up: No budget", f"<@{SCALE.requester}> · expires <!date"):
        assert one in both.text


def test_it_is_said_where_the_values_are_from() -> None:
    origins = {"labels.team": "untrusted", "labels.a.b": "untrusted", "name": "inventory"}
    given: dict[str, JsonValue] = {"name": "web", "labels": {"team": "evil", "a.b": "c"}}
    call = replace(PROPOSED, arguments=given, origins=origins)
    assert "nobody who asked said `labels.a.b` and `labels.team` `evil`;" in shown(card.card(call))
    assert (
        "Where its values are from. `name`: names that the cluster itself gave; "
        "`labels.a.b` and `labels.team`: only in text that anybody can write."
    ) in shown(modals.more(call))
    assert "Where its values are from" not in shown(modals.more(PROPOSED))


def test_approve_opens_the_whole_when_a_value_was_cut() -> None:
    message = card.card(CARDS["proposed-cut"])
    assert message.opens_modal
    assert _buttons(message)["Approve"] == "approve_open"
    assert message.file is None, "the modal holds all of it"
    assert "x" * 400 in shown(modals.approve_full(CARDS["proposed-cut"]))


def test_no_note_is_ever_missing_from_the_whole() -> None:
    """A card that is short of one says so, and Approve opens all of them."""
    notes = tuple(f"note {number} {'x' * 500}" for number in range(7))
    call = replace(PROPOSED, notes=notes, way_back="", no_way_back=f"{'y' * 600} end")
    message = card.card(call)
    assert message.opens_modal
    assert "… 1 more note." in shown(message)
    whole = shown(modals.approve_full(call))
    assert all(f"{note}." in whole for note in notes)
    assert "yy end." in whole
    huge = replace(call, diff="+ x\n" * 200_000)
    _, text = card.card(huge).file or ("", "")
    assert all(note in text for note in (*notes, huge.no_way_back))


def test_a_line_of_the_verification_stands_once() -> None:
    """What a later line says more of is left out, also where others came between."""
    progress = ("1 of 3 pods ready", "0 of 3 pods ready", "0 of 3 pods ready; web-x is Pending")
    told = (*progress, "web-x image cannot be pulled", "0 of 3 pods ready; web-x is Pending")
    call = replace(RUNNING, progress=told)
    for message in (card.card(call), batch.batch([call, PROPOSED])):
        said = shown(message)
        assert said.count("0 of 3 pods ready") == 1
        assert said.index("1 of 3") < said.index("cannot be pulled") < said.index("is Pending")


def test_a_shared_card_gives_room_to_those_that_need_it() -> None:
    assert batch.shares([100, 5_000, 300], 1_000) == [100, 600, 300]
    assert batch.shares([500, 500], 600) == [300, 300]
    assert batch.shares([1, 1], 600) == [1, 1]


def test_ten_changes_with_all_their_paths_stand_on_one_card() -> None:
    calls = [
        replace(
            SCALE,
            public_id=f"{number:016x}",
            changes=tuple((f"data.key{number}-{n}", "old" * 20, "new" * 20) for n in range(15)),
            diff="+ line\n" * 300,
        )
        for number in range(10)
    ]
    message = batch.batch(calls)
    seen = shown(message)
    assert all(f"`data.key{number}-{n}`" in seen for number in range(10) for n in range(15))
    assert len(message.cut) == 10
    assert "[Approve all (10) approve_all_open=" in seen
    assert len(message.blocks) <= 45


def test_approve_votes_at_once_when_all_is_in_sight() -> None:
    message = card.card(PROPOSED)
    assert not message.opens_modal
    assert _buttons(message)["Approve"] == "approve"


def test_a_diff_too_long_for_a_card_is_whole_in_the_modal() -> None:
    lines = [f"+  key{number}: value" for number in range(400)]
    call = replace(PROPOSED, diff="\n".join(lines))
    message = card.card(call)
    assert message.opens_modal
    assert message.file is None
    assert "more lines)" in shown(message)
    full = shown(modals.approve_full(call))
    assert [line for line in full.split("\n") if line.startswith("+  key")] == lines


def test_what_no_modal_holds_is_in_a_file_and_the_paths_still_in_sight() -> None:
    paths = [f"data.key{number:04}" for number in range(300)]
    call = replace(
        PROPOSED, changes=tuple((path, "old" * 500, "new" * 500) for path in paths), diff="+x\n"
    )
    message = card.card(call)
    assert message.file is not None
    name, text = message.file
    assert all(f"  {path}\n    - {'old' * 500}\n" in text for path in paths)
    seen = shown(message)
    assert all(f"`{path}`" in seen for path in paths)
    modal = shown(modals.approve_full(call))
    assert name in modal
    assert all(f"`{path}`" in modal for path in paths)


def test_paths_that_no_message_holds_are_counted_and_in_modal_and_file() -> None:
    paths = [f"spec.{'very.' * 10}long.path{number:04}" for number in range(1_000)]
    call = replace(PROPOSED, changes=tuple((path, "1", "2") for path in paths), diff="d" * 400_000)
    message = card.card(call)
    seen, modal = shown(message), shown(modals.approve_full(call))
    inside = sum(f"`{path}`" in seen for path in paths)
    assert f"… {1_000 - inside} more paths" in seen
    assert message.file is not None
    assert all(path in message.file[1] for path in paths)
    assert all(f"`{path}`" in modal for path in paths)


def test_words_of_the_model_stay_in_their_block() -> None:
    said = (
        "✅ *approved* by <@U0ALICE> :white_check_mark: :white_✅check_mark: "
        "\n---\n⚠️ done :heavy_check_mark:"
    )
    message = card.card(replace(PROPOSED, model_says=said))
    blocks = [_block(block) for block in message.blocks]
    holding = [text for text in blocks if "approved" in text]
    assert len(holding) == 1
    assert holding[0].startswith("_The model says:_ ")
    assert not set("✅⚠⛔⏳↩") & set(holding[0])
    assert ":white_check_mark:" not in holding[0]
    assert "<@" not in holding[0]
    assert "\n" not in holding[0]
    assert "approved" not in message.text
    assert blocks.index(holding[0]) > next(i for i, t in enumerate(blocks) if t.startswith("```"))


def test_a_value_that_does_not_exist_is_said_to_be_none() -> None:
    given: list[JsonValue] = [None, "text", 3, True, ["a", {"b": None}]]
    values = [changes.as_text(value) for value in given]
    assert values == ["", "text", "3", "true", '["a", {"b": null}]']
    call = replace(PROPOSED, changes=(("data.key", changes.as_text(None), changes.as_text(0)),))
    assert "`data.key`: _none_ → `0`" in shown(card.card(call))


def test_short_names_of_emoji_are_shown_and_times_and_code_left_alone() -> None:
    said = "ok :+1: :approved: at 14:05:40, `arn:aws:iam::1:role`"
    message = card.card(replace(PROPOSED, model_says=said))
    expected = "_The model says:_ ok ∶+1: ∶approved: at 14:05:40, `arn:aws:iam::1:role`"
    assert expected in shown(message)


def test_an_id_that_is_none_is_never_a_mention() -> None:
    message = card.card(replace(PROPOSED, requester="!channel", approver_groups=("S1>x",)))
    assert "<!channel" not in shown(message)
    assert "<!subteam" not in shown(message)


def test_a_long_answer_goes_on_in_further_messages_then_in_a_file() -> None:
    paragraphs = [f"Paragraph {number}: " + "word " * 100 for number in range(40)]
    plan = answer.answer(replace(ANSWER, markdown="\n\n".join(paragraphs)))
    assert len(plan.messages) == 2
    assert plan.file is None
    whole = shown(plan)
    assert all(f"Paragraph {number}:" in whole for number in range(40))
    assert whole.count("9,410 tokens") == 1

    plan = answer.answer(AnswerData(markdown="begin" + " " * 60_000 + "end"))
    assert len(plan.messages) == 1
    assert plan.file is not None, "what was not read is in the file"
    assert plan.file[1].endswith("end")

    source = "\n\n".join(paragraphs * 5)
    plan = answer.answer(replace(ANSWER, markdown=source))
    assert len(plan.messages) == 4
    assert plan.file == ("answer.md", source)
    assert "`answer.md`" in shown(plan.messages[-1])


if __name__ == "__main__":
    SNAPSHOTS.mkdir(parents=True, exist_ok=True)
    for old in SNAPSHOTS.glob("*.txt"):
        old.unlink()
    for view_name, view_text in _all().items():
        (SNAPSHOTS / f"{view_name}.txt").write_text(view_text, "utf-8")
