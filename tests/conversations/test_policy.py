"""The operator's policy at work: who is asked, what is refused, what needs nobody."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.core.errors import BadSettings
from bot.guard.rehearsal import Replayed, replay, summary, told
from bot.guard.rulebook import Rulebook
from bot.policy_file import Policy
from bot.sandbox.slack import Settings as SlackSettings
from bot.settings import config_file
from bot.store.database import Database
from tests.standins.model import Json, Turn, calls, says
from tests.world import World, buttons, shown, world

WEB = {"namespace": "shop", "kind": "deployment", "name": "web"}
SCALE = "scale deployment/web --replicas 5 -n shop"
# Slack's own three seconds to answer in, not scaled ones: some of what is asked takes its time
PATIENT = SlackSettings(ack_seconds=3, delivery="round_robin")
EARLIER = "UPDATE tool_calls SET created_at = created_at - {0}, expires_at = expires_at - {0}"


@asynccontextmanager
async def ruled(
    dsn: str, folder: Path, policy: str, script: object = None, running: str = "here"
) -> AsyncIterator[World]:
    """A world whose bot has this file; bob and ada are the leads."""
    path = folder / "countersign.yaml"
    extra = {"COUNTERSIGN_CONFIG": str(path)}
    async with world(dsn, folder, script, slack=PATIENT, extra=extra, running="not yet") as chat:  # type: ignore[arg-type]
        assert chat.slack.set_group("leads", ["bob", "ada"]) == LEADS
        path.write_text(policy)
        if running == "here":
            await chat.start()
        yield chat


LEADS = "S0000000001"
# an image is not only what a container runs
VOLUME = (
    '{"spec": {"template": {"spec": {"volumes": [{"name": "m", "image": {"reference": "x/y"}}]}}}}'
)
FROZEN = """
policy:
  windows:
    - {name: holidays, kind: freeze, from: 2020-01-01T00:00:00Z, until: 2099-01-01T00:00:00Z}
"""


def read_policy(folder: Path) -> Policy:
    return config_file(str(folder / "countersign.yaml")).policy


async def test_a_rule_says_how_many_and_who_and_its_quorum_fills_up(
    dsn: str, tmp_path: Path
) -> None:
    policy = f"""
policy:
  rules:
    - {{name: far away, match: {{namespace: moon}}, deny: No.}}
    - name: web needs the leads
      match: {{namespace: shop, kind: deployment}}
      when: replicas > 4
      ask: {{approvers: 2, groups: {LEADS}, expires: 2h, reminder: 10m}}
"""
    async with ruled(dsn, tmp_path, policy) as chat:
        thread = await chat.ask(SCALE)
        card = await chat.card(thread)
        said = shown(card)
        assert "needs two approvals (rule “web needs the leads”): anyone of" in said
        assert LEADS in said
        [posted] = [c for c in chat.slack.calls_of("chat.postMessage") if "approve" in str(c.args)]
        assert posted.args["text"].endswith(f"<!subteam^{LEADS}>"), "they are called"
        [row] = await chat.rows("SELECT expires_at - created_at AS lives, policy FROM tool_calls")
        assert row["lives"].total_seconds() == 7200
        await chat.rows(EARLIER.format("interval '11 minutes'") + " RETURNING id")
        await chat.reads(thread, "still to decide until")  # long before half-time
        typed = re.search(r"approve ([A-Z0-9]{4})", said)
        assert typed is not None
        await chat.slack.slash("dave", "ops", "/ops", f"why {typed[1]}")
        why = shown(await chat.told("dave", "by the rule “web needs the leads”"))
        assert f"needs two approvals of <!subteam^{LEADS}>" in why
        assert "• far away: namespace differs" in why
        assert "→ web needs the leads" in why
        await chat.slack.slash("dave", "ops", "/ops", "status")
        waits = shown(await chat.told("dave", f"`{typed[1]}` waits"))
        assert LEADS in waits
        assert "S0SRE" not in waits, "an approver, but not of these"
        await chat.press("Approve", card, by="alice")  # an approver, but not of these
        await chat.told("alice", "not among those")
        await chat.press("Approve", card, by="bob")
        await chat.reads(thread, "So far approved by .*; one more approval needed")
        assert chat.replicas() == 3
        await chat.press("Approve", chat.cards(thread)[0], by="ada")
        await chat.reads(thread, "done and verified")
        assert chat.replicas() == 5
        await chat.slack.slash("dave", "ops", "/ops", f"why {typed[1]}")
        since = "Since: approved by .* and .* · ran as .* · verified.*[^.][.]\n"
        assert "rule “" not in shown(await chat.told("dave", since)).partition("Since: ")[2]
        await chat.slack.slash("dave", "ops", "/ops", "why ZZZZ")
        nothing = shown(await chat.told("dave", "There is no proposal `ZZZZ` in this channel"))
        assert "Nothing was decided" not in nothing
        other = await chat.ask("scale deployment/web --replicas 4 -n shop")
        asks = "needs one approval (default rule “a change needs one”): anyone"
        assert asks in shown(await chat.card(other))
        # of two who may, one asks
        short = await chat.ask("scale deployment/web --replicas 6 -n shop", by="ada")
        bob = chat.slack.user_id("bob")
        assert (
            f"(only <@{bob}> could, so it cannot be completed: add approvers or let somebody else "
            "ask)"
        ) in shown(await chat.card(short))
        assert "cannot be completed" not in said
        # what a stricter policy would have said to both
        stricter = Policy.model_validate({"rules": [{"name": "never", "deny": "Not here."}]})
        same = read_policy(tmp_path)
        async with Database(dsn).open() as database:
            found = [one async for one in replay(database, Rulebook(stricter), 10)]
            again = [one async for one in replay(database, Rulebook(same), 10)]
        leads = f"2 approvals of {LEADS}"
        read = [one for one in found if isinstance(one, Replayed)]
        assert [told(one.then) for one in read] == [leads, "one approval", leads]
        assert [told(one.now) for one in read] == ["denied: Not here."] * 3
        assert summary(found) == "3 of 3 would differ."
        assert summary(again) == "0 of 3 would differ."


async def test_a_denial_is_the_rules_sentence_and_a_preview_is_only_shown(
    dsn: str, tmp_path: Path
) -> None:
    policy = """
policy:
  limits: {replicas: 20, images: "shop/*"}
  rules:
    - {name: payments is closed, match: {namespace: payments}, deny: Ask its team}
    - {name: cart is ours, match: {namespace: shop, tool: k8s_scale}, when: object.name == 'cart',
       deny: The cart team scales it.}
    - {name: no cron jobs, match: {kind: cronjob}, deny: Ask for jobs}
    - {name: look only, match: {tool: k8s_scale}, preview_only: shop is scaled by its autoscaler}
"""
    async with ruled(dsn, tmp_path, policy) as chat:
        thread = await chat.ask("scale deployment/cart --replicas 5 -n shop")
        cart = "The policy does not allow this change here: The cart team scales"
        no = re.search(r"/ops why ([A-Z0-9]{4})", shown(await chat.reads(thread, cart)))
        assert no is not None
        await chat.slack.slash("dave", "ops", "/ops", f"why {no[1]}")
        why = shown(await chat.told("dave", f"{no[1]}.*k8s_scale demo/shop/deployment/cart"))
        assert "is denied (The cart team scales it.), by the rule “cart is ours”" in why
        assert "• payments is closed: namespace differs" in why
        assert "→ cart is ours: The cart team scales it." in why
        assert "look only" not in why, "nothing comes after what decides"
        await chat.slack.slash("bob", "ops", "/ops", f"audit {no[1]}")
        assert "by the rule “cart is ours”" in shown(await chat.told("bob", "is denied"))
        many = await chat.ask("scale deployment/web --replicas 21 -n shop")
        await chat.reads(many, "at most 20 replicas are allowed")
        # what a rule says of a namespace holds for all at once, and for the namespace itself
        for text, why in (
            ("get pods -A", "may look into any namespace, and this is about payments"),
            ("diagnose node/node-1", "may look into any namespace, and this is about payments"),
            ("delete namespace/payments", "Ask its team"),
            ("get nodes", "Ready"),
            (f"patch deployment/web -n shop -p '{VOLUME}'", "images come from shop/"),
        ):
            await chat.reads(await chat.ask(text), why)
        # of several kinds each is permitted by itself
        several = await chat.ask("get deploy,cj -nshop -lapp=web")
        said = shown(await chat.reads(several, r"web +3/3"))
        assert "cronjob: The policy does not allow this read: Ask for jobs." in said
        thread = await chat.ask(SCALE)
        said = shown(await chat.reads(thread, "Only a preview"))
        assert "shop is scaled by its autoscaler" in said
        assert "rule “look only”" in said
        assert "spec.replicas: 3 → 5" in said
        look = re.search(r"/ops why ([A-Z0-9]{4})", said)
        assert look is not None
        # elsewhere nothing is known of it, whoever asks
        await chat.slack.slash("alice", "general", "/ops", f"why {look[1]}")
        await chat.told("alice", f"There is no proposal `{look[1]}`", where="general")
        # and the audit tells who tried what, and which rule stopped it
        await chat.slack.slash("dave", "ops", "/ops", "audit")
        audit = shown(await chat.told("dave", "The policy refused"))
        assert (
            f"`k8s_scale demo/shop/deployment/web`, by the rule “look only” (`why {look[1]}`)"
            in audit
        )
        assert "No change on" in audit
        assert chat.cards(thread) == []
        assert chat.cluster.mutations == []
        assert await chat.rows("SELECT 1 FROM tool_calls WHERE kind = 'change'") == []
        # what a looser policy would have said to what this one refused
        async with Database(dsn).open() as database:
            looser = [one async for one in replay(database, Rulebook(Policy()), 10)]
            same = [one async for one in replay(database, Rulebook(read_policy(tmp_path)), 10)]
        read = [one for one in looser if isinstance(one, Replayed)]
        assert [(told(one.then), told(one.now)) for one in read] == [
            ("only a preview", "one approval"),
            ("denied: images come from shop/*", "one approval"),
            ("denied: Ask its team", "2 approvals"),
            ("denied: at most 20 replicas are allowed", "one approval"),
            ("denied: The cart team scales it.", "one approval"),
        ]
        assert (read[-1].id, read[-1].what) == (no[1], "k8s_scale demo/shop/deployment/cart")
        assert summary(same) == "0 of 5 would differ."


def by_model(request: Json) -> Turn:
    results = [m["content"] for m in request["messages"] if m["role"] == "tool"]
    if results:
        return says(" / ".join(results))
    return calls(("k8s_scale", {**WEB, "replicas": 4}), ("k8s_scale", {**WEB, "replicas": 6}))


ALLOWS = """
policy:
  rules:
    - {name: small steps, match: {tool: k8s_scale}, when: replicas <= 4, allow: true}
"""


async def test_what_a_rule_allows_runs_at_once_with_the_rule_as_its_decision(
    dsn: str, tmp_path: Path
) -> None:
    async with ruled(dsn, tmp_path, ALLOWS) as chat:
        thread = await chat.ask("scale deployment/web --replicas 4 -n shop")
        await chat.reads(thread, "done and verified")
        await chat.quiet(thread)
        assert chat.replicas() == 4
        card = await chat.reads(thread, "allowed by the rule “small steps”")
        assert buttons(card) == ["Undo"]
        rows = await chat.rows("SELECT kind, data FROM audit ORDER BY seq")
        kinds = [row["kind"] for row in rows]
        assert kinds.index("proposed") < kinds.index("allowed") < kinds.index("executing")
        [allowed] = [row["data"] for row in rows if row["kind"] == "allowed"]
        [proposed] = [row["data"] for row in rows if row["kind"] == "proposed"]
        assert allowed == {"rule": "small steps", "digest": proposed["digest"]}
        await chat.press("Undo", card, by="alice")
        await chat.slack.wait_for(lambda: chat.replicas() == 3, 20)
        await chat.quiet(thread)
        assert len(chat.cluster.mutations) == 2


async def test_a_way_back_may_be_taken_in_a_freeze_but_not_taken_back(
    dsn: str, tmp_path: Path
) -> None:
    async with ruled(dsn, tmp_path, "policy: {}\n") as chat:
        thread = await chat.ask(SCALE)
        await chat.press("Approve", await chat.card(thread), by="bob")
        await chat.reads(thread, "done and verified")
        await chat.quiet(thread)
        await chat.stop()
        (tmp_path / "countersign.yaml").write_text(FROZEN)
        await chat.start()
        await chat.press("Undo", chat.cards(thread)[0], by="alice")
        await chat.press("Approve", await chat.card(thread, 2), by="bob")
        await chat.slack.wait_for(lambda: chat.replicas() == 3, 20)
        await chat.quiet(thread)
        await chat.press("Undo", chat.cards(thread)[1], by="alice")
        await chat.reads(thread, "changes rest until 2099")
        assert len(chat.cards(thread)) == 2


async def test_of_one_reply_what_is_allowed_waits_for_what_is_asked(
    dsn: str, tmp_path: Path
) -> None:
    async with ruled(dsn, tmp_path, ALLOWS, by_model) as chat:
        thread = await chat.ask("scale web in shop to 4, then to 6")
        card = await chat.card(thread)
        assert chat.cluster.mutations == [], "they run in their order, once all is decided"
        await chat.slack.click("bob", "ops", card["ts"], text="Deny 2")
        view = await chat.slack.wait_for_view("bob")
        await chat.slack.submit("bob", view.id, {})
        await chat.reads(thread, "done and verified.* / denied by")
        await chat.quiet(thread)
        assert chat.replicas() == 4


async def test_a_freeze_that_began_after_the_approval_stops_the_deed(
    dsn: str, tmp_path: Path
) -> None:
    async with ruled(dsn, tmp_path, "policy: {}\n") as chat:
        thread = await chat.ask(SCALE)
        card = await chat.card(thread)
        await chat.stop()
        (tmp_path / "countersign.yaml").write_text(FROZEN)
        await chat.start()
        await chat.press("Approve", card, by="bob")
        await chat.reads(thread, "the policy does not allow it any more: changes rest until 2099")
        await chat.quiet(thread)
        assert chat.cluster.mutations == []


async def test_when_nobody_decides_others_are_called_and_may(dsn: str, tmp_path: Path) -> None:
    policy = f"""
policy:
  rules:
    - name: escalating
      match: {{tool: k8s_scale}}
      ask: {{groups: S0SRE0000, reminder: false, escalate: {{after: 20m, to: [{LEADS}]}}}}
"""
    async with ruled(dsn, tmp_path, policy) as chat:
        thread = await chat.ask(SCALE)
        card = await chat.card(thread)
        assert LEADS not in shown(card)
        await chat.rows(EARLIER.format("interval '19 minutes'") + " RETURNING id")
        await asyncio.sleep(1.5)
        assert "still to decide" not in chat.thread(thread), "no reminder, no escalation yet"
        await chat.rows(EARLIER.format("interval '2 minutes'") + " RETURNING id")
        said = shown(await chat.reads(thread, "still to decide until"))
        assert f"<!subteam^{LEADS}>: the card is above" in said
        await chat.press("Approve", card, by="ada")
        await chat.reads(thread, "done and verified")
        messages = chat.slack.app_messages("ops", thread)
        assert sum("still to decide" in shown(one) for one in messages) == 1


async def test_a_group_that_slack_does_not_tell_of_counts_for_nobody_and_against_all(
    dsn: str, tmp_path: Path
) -> None:
    policy = f"""
policy:
  rules:
    - {{name: leads only look, match: {{groups: {LEADS}, risk: write}}, deny: "Leads only look"}}
"""
    async with ruled(dsn, tmp_path, policy) as chat:
        faults = chat.slack.faults
        faults.fail("usergroups.users.list", "error", times=100)
        thread = await chat.ask(SCALE, by="ada")
        said = shown(await chat.reads(thread, "does not allow"))
        assert f"who is in {LEADS} could not be looked up; try again (“leads only look”)" in said
        faults.methods.clear()
        await chat.reads(await chat.ask(SCALE, by="ada"), "Leads only look")
        card = await chat.card(await chat.ask(SCALE))
        chat.slack.set_group("sre", ["bob", "ada"])
        faults.fail("usergroups.users.list", "error", times=100)
        await chat.press("Approve", card, by="ada")
        await chat.slack.wait_for(lambda: bool(chat.slack.ephemerals("ada", "ops")), 15)
        said = shown(chat.slack.ephemerals("ada", "ops")[-1])
        assert "I could not find out from Slack who is in the group that may decide this" in said
        assert chat.cluster.mutations == []


@pytest.mark.parametrize(
    ("people", "refused", "told"),
    [
        ("operator: [U0ALICE00]", "dave", "only operators may propose changes"),
        ("{viewer: [U0ALICE00], operator: [U0ALICE00]}", "dave", "who may look and ask"),
    ],
)
async def test_who_is_no_operator_proposes_nothing(
    dsn: str, tmp_path: Path, people: str, refused: str, told: str
) -> None:
    text = f"people: {people}\n" if people.startswith("{") else f"people:\n  {people}\n"
    script = [calls(("k8s_get", {"kind": "pods", "namespace": "shop"})), says("Fine.")]
    async with ruled(dsn, tmp_path, text, script) as chat:
        thread = await chat.ask(SCALE, by=refused)
        await chat.reads(thread, told)
        thread = await chat.ask("get pods -n shop", by=refused)
        await chat.reads(thread, "who may look and ask" if "viewer" in people else "web-")
        thread = await chat.ask(SCALE, by="alice")
        await chat.card(thread)
        if "viewer" in people:  # nor does a model tell him what others were shown
            seen = await chat.ask("how is web?", by="alice")
            await chat.reads(seen, "Fine")
            await chat.slack.mention(refused, "ops", "and what did you see?", seen)
            await chat.reads(seen, told)
            assert chat.model is not None
            assert len(chat.model.requests) == 2


async def test_what_rules_name_and_does_not_exist_is_refused_at_start(
    dsn: str, tmp_path: Path
) -> None:
    policy = (
        "policy:\n  rules:\n    - name: a\n      ask: {groups: [S0NOBODY0]}\n"
        "      match: {tool: k8s_scael, cluster: prod}\n"
    )
    async with ruled(dsn, tmp_path, policy, running="not yet") as chat:
        with pytest.raises(BadSettings) as refused:
            await chat.start()
        chat._task = None
    assert refused.value.mistakes == [
        (
            "countersign.yaml:4: policy.rules.0.ask.groups: Slack knows no user group S0NOBODY0"
            " (no_such_subteam)."
        ),
        (
            "countersign.yaml:5: policy.rules.0.match.tool: there is no tool k8s_scael."
            " Did you mean k8s_scale?"
        ),
        (
            "countersign.yaml:5: policy.rules.0.match.cluster: there is no cluster prod here;"
            " known: demo."
        ),
    ]
