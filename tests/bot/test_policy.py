"""The operator's policy: what may stand in the file, and what it makes of a wish."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bot.core.errors import BadSettings
from bot.core.values import Person, Standing
from bot.demo import words
from bot.guard.people import Roles
from bot.guard.policy import (
    Approvers,
    Effect,
    Object,
    PolicyInput,
    Ruling,
    decide,
    why_not_approve,
    why_not_break_glass,
    why_not_deny,
)
from bot.guard.rulebook import Rulebook
from bot.guard.strictest import strictest
from bot.policy_file import NAMES, Policy
from bot.settings import config_file, read

ENVIRONMENT = {
    "SLACK_BOT_TOKEN": "xoxb-1",
    "SLACK_APP_TOKEN": "xapp-1",
    "DATABASE_URL": "postgresql:///x",
}


def wish(**given: Any) -> PolicyInput:
    """A change in `shop` that a member of S0DEV asks for on a Wednesday at noon."""
    usual: dict[str, Any] = {
        "tool": "k8s_scale",
        "kind": "change",
        "risk": "write",
        "target": "demo/shop/deployment/web",
        "arguments": {"replicas": 5, "namespace": "shop", "kind": "deployment", "name": "web"},
        "requester": "U0DAVE000",
        "requester_standing": "member",
        "contributors": ("U0DAVE000",),
        "channel": "C0OPS0000",
        "sharing": "ours",
        "warnings": (),
        "approver_users": (),
        "approver_groups": ("S0SRE0000",),
        "approver_everybody": False,
        "self_approval": False,
        "requester_groups": ("S0DEV0000",),
        "requester_roles": ("operator", "viewer"),
        "cluster": "demo",
        "namespace": "shop",
        "object_kind": "deployment",
        "name": "web",
        "labels": {"tier": "gold"},
        "changed_paths": ("spec.replicas",),
        "images": (),
        "replicas": 5,
        "provenance": {},
        "undoes": False,
        "at": "2026-11-25T12:00:00+00:00",
    }
    return PolicyInput(**{**usual, **given})


def book(text: str) -> Rulebook:
    return Rulebook(Policy.model_validate(yaml.safe_load(text)))


def ruled(text: str, **given: Any) -> Ruling:
    return book(text).decide(wish(**given))


def rules(*lines: str) -> str:
    return "rules:\n" + "".join(f"  - {{{line}}}\n" for line in lines)


# --- rules ------------------------------------------------------------------------------------


def test_the_first_rule_that_matches_decides_and_the_default_rules_stand_after_them() -> None:
    text = rules(
        "name: no payments, match: {namespace: 'pay-*'}, deny: Payments have their own bot.",
        "name: two in shop, match: {namespace: shop, risk: write}, ask: {approvers: 2}",
        "name: never reached, match: {tool: k8s_scale, namespace: shop}, ask: {}",
    )
    assert ruled(text).rule == "two in shop"
    assert ruled(text).quorum == 2
    denied = ruled(text, namespace="pay-eu")
    assert (denied.effect, denied.reason) == (Effect.DENY, "Payments have their own bot.")
    assert ruled(text, namespace="web") == decide(wish(namespace="web"))
    assert ruled(text + "defaults: false\n", namespace="web").rule == "no rule"


@pytest.mark.parametrize(
    ("match", "fits", "misses"),
    [
        ("tool: k8s_scale", {}, {"tool": "k8s_set_image"}),
        ("tool: 'k8s_*'", {}, {"tool": "helm_upgrade"}),
        ("risk: [write, danger]", {"risk": "danger"}, {"risk": "other"}),
        ("cluster: 'de*'", {}, {"cluster": "prod"}),
        ("namespace: [web, shop]", {}, {"namespace": "sho"}),
        ("kind: deployment", {}, {"object_kind": "statefulset"}),
        ("channel: C0OPS0000", {}, {"channel": "C0DEV0000"}),
        ("groups: [S0DEV0000, S0SRE0000]", {}, {"requester_groups": ()}),
        ("labels: {tier: gold}", {}, {"labels": {"tier": "silver"}}),
        ("labels: {tier: gold}", {"labels": {"tier": "gold", "x": "y"}}, {"labels": {}}),
    ],
)
def test_matchers(match: str, fits: dict[str, Any], misses: dict[str, Any]) -> None:
    text = rules(f"name: r, match: {{{match}}}, deny: No.")
    assert ruled(text, **fits).rule == "r"
    assert ruled(text, **misses).rule != "r"


@pytest.mark.parametrize(
    ("when", "fits", "misses"),
    [
        ("replicas > 4", {}, {"replicas": 4}),
        ("arguments.replicas >= 5 && !('UX' in contributors)", {}, {"contributors": ("UX",)}),
        ("warnings.exists(w, w.contains('PDB'))", {"warnings": ("no PDB",)}, {}),
        ("size(changed_paths) > 1", {"changed_paths": ("a", "b")}, {}),
        ("weekday == 'wed' && hour >= 12", {}, {"at": "2026-11-24T12:00:00+00:00"}),
        ("images.exists(i, i.endsWith(':latest'))", {"images": ("web:latest",)}, {}),
        ("has(object.labels.tier) && object.namespace == 'shop'", {}, {"labels": {}}),
        (
            "provenance.exists(a, provenance[a] == 'untrusted')",
            {"provenance": {"x": "untrusted"}},
            {},
        ),
    ],
)
def test_conditions(when: str, fits: dict[str, Any], misses: dict[str, Any]) -> None:
    text = rules(f'name: r, when: "{when}", deny: No.')
    assert ruled(text, **fits).rule == "r"
    assert ruled(text, **misses).rule != "r"


def test_a_condition_that_cannot_be_computed_denies() -> None:
    text = rules("name: r, when: arguments.nope > 3, allow: true")
    assert ruled(text).effect is Effect.DENY
    assert "cannot be computed" in ruled(text).reason
    for odd in ("replicas", "target", "contributors"):
        made = ruled(rules(f"name: r, when: {odd}, deny: No.", "name: s, allow: true"))
        assert (made.effect, made.rule) == (Effect.DENY, "r"), "neither true nor false"
        assert "cannot be computed" in made.reason


@pytest.mark.parametrize(
    "policy",
    [
        rules('name: a, match: {groups: S0LATE000}, deny: "No"'),
        rules("name: a, match: {groups: [S0LATE000]}, ask: {}"),
        rules("name: a, when: \"'S0LATE000' in requester_groups\", allow: true"),
        (
            "windows: [{name: a, kind: freeze, match: {groups: S0LATE000},"
            " weekly: {start: mon 00:00, end: sun 23:59}}]"
        ),
    ],
)
def test_what_rests_on_a_group_that_could_not_be_looked_up_denies(policy: str) -> None:
    given: dict[str, Any] = {"requester_groups": (), "unknown_groups": ("S0LATE000",)}
    ruling = ruled(policy, **given)
    assert (ruling.effect, ruling.rule) == (Effect.DENY, "a")
    assert ruling.reason == "who is in S0LATE000 could not be looked up; try again"
    assert book(policy).explain(wish(**given))[-1].why == ruling.reason
    # where it differs in something else, nobody has to know
    elsewhere = policy.replace("groups:", "namespace: blog, groups:")
    elsewhere = elsewhere.replace("when:", "match: {namespace: blog}, when:")
    assert ruled(elsewhere, **given).rule == "a change needs one"


@pytest.mark.parametrize(
    ("given", "closed"),
    [
        ({"namespace": "payroll"}, True),
        ({"namespace": "*", "kind": "read", "risk": "read"}, True),  # it may look into any
        ({"namespace": "", "object_kind": "namespace", "name": "payroll"}, True),  # all that is in
        ({"namespace": "", "object_kind": "namespace", "name": "shop"}, False),
        ({"namespace": "", "object_kind": "node", "name": "payroll"}, False),
        ({"namespace": "", "object_kind": "node", "reaches": ("blog", "payroll")}, True),
        ({"namespace": "shop"}, False),
    ],
)
def test_what_restricts_a_namespace_and_what_allows_one(
    given: dict[str, Any], closed: bool
) -> None:
    denied = ruled(rules("name: a, match: {namespace: payroll}, deny: Closed"), **given)
    assert (denied.rule == "a") == closed
    freeze = "windows: [{name: a, kind: freeze, match: {namespace: payroll}, weekly: {start: mon"
    frozen = ruled(f"{freeze} 00:00, end: sun 23:59}}}}]", **{**given, "kind": "change"})
    assert (frozen.rule == "a") == closed
    # what asks is about what surely lies there: it could ask for less than what stands behind it
    asks = ruled(rules("name: a, match: {namespace: payroll}, ask: {}"), **given)
    assert (asks.rule == "a") == (given["namespace"] in {"payroll", "*"})
    # what allows one allows nothing beside what lies in it
    allowed = ruled(rules("name: a, match: {namespace: payroll}, allow: true"), **given)
    assert (allowed.rule == "a") == (given["namespace"] == "payroll")
    for glob in ("'*'", "['?*', '*']"):
        assert (
            ruled(rules(f"name: a, match: {{namespace: {glob}}}, allow: true"), **given).rule == "a"
        )


def test_what_is_closed_for_a_workload_is_closed_for_a_drain_of_its_pods() -> None:
    ledger = Object("statefulset", "ledger", "payments", {"tier": "gold"})
    web = Object("replicaset", "web-7f", "shop", {"tier": "iron"})
    drain: dict[str, Any] = {
        "tool": "k8s_drain",
        "risk": "danger",
        "namespace": "",
        "object_kind": "node",
        "name": "node-1",
        "labels": {},
        "reaches": ("payments", "shop"),
        "along": (web, ledger),
    }
    for match, closed in (
        ("namespace: payments, kind: statefulset", True),
        ("namespace: shop, kind: statefulset", False),  # of no one object both are true
        ("kind: statefulset, labels: {tier: gold}", True),
        ("kind: statefulset, labels: {tier: iron}", False),
    ):
        rule = f"name: a, match: {{{match}}}"
        denied = ruled(rules(f"{rule}, deny: Closed"), **drain)
        assert (denied.reason == "Closed") is closed, match
        freeze = f"windows: [{{{rule}, kind: freeze, weekly: {{start: mon 00:00, end: sun 23:59"
        assert (ruled(f"{freeze}}}}}]", **drain).rule == "a") is closed, match
        for effect in ("ask: {}", "allow: true"):
            assert ruled(rules(f"{rule}, {effect}"), **drain).rule != "a"
    named = "name: a, when: \"object.name == 'ledger'\""
    assert ruled(rules(f"{named}, deny: Closed"), **drain).reason == "Closed"
    assert ruled(rules(f"{named}, ask: {{}}"), **drain).rule != "a"
    again = PolicyInput.of(wish(**drain).stored())
    assert again == wish(**drain)
    steps = book(rules("name: a, match: {kind: statefulset}, deny: Closed")).explain(again)
    assert (steps[-1].rule, steps[-1].why) == ("a", "Closed")


@pytest.mark.parametrize(
    ("match", "several", "about"),
    [
        ("kind: secret", {"object_kind": "mixed"}, "of several kinds, and this is about secret"),
        ("labels: {tier: iron}", {}, "of several objects, and this is about tier=iron"),
    ],
)
def test_what_is_closed_is_closed_among_several(
    match: str, several: dict[str, str], about: str
) -> None:
    given: dict[str, Any] = {"tool": "k8s_apply", "name": "", "risk": "danger", **several}
    closed = ruled(rules(f"name: a, match: {{{match}}}, deny: Closed"), **given)
    assert closed.reason == f"it is {about}: propose them one by one"
    freeze = f"windows: [{{name: a, kind: freeze, match: {{{match}}}, weekly: {{start: mon 00:00"
    assert ruled(f"{freeze}, end: sun 23:59}}}}]", **given).rule == "a"
    for effect in ("ask: {}", "allow: true"):
        assert ruled(rules(f"name: a, match: {{{match}}}, {effect}"), **given).rule != "a"
    alone = {**given, "name": "web", "object_kind": "deployment"}
    assert ruled(rules(f"name: a, match: {{{match}}}, deny: Closed"), **alone).rule != "a"


SECRET = Object("secret", "key", "shop", {"tier": "gold"})
CONFIG = Object("configmap", "rates", "shop")


@pytest.mark.parametrize(
    ("policy", "effect", "rule", "quorum"),
    [
        # each object meets the rules by itself, whichever stands first; the strictest counts
        (rules("name: a, match: {kind: secret}, deny: Closed"), "deny", "a", 0),
        (rules("name: a, match: {kind: secret}, ask: {approvers: 3}"), "ask", "a", 3),
        (rules("name: a, match: {labels: {tier: gold}}, ask: {approvers: 3}"), "ask", "a", 3),
        (rules("name: a, when: object.kind == 'secret', preview_only: Look"), "preview", "a", 0),
        (rules("name: a, when: object.name == 'rates', ask: {approvers: 3}"), "ask", "a", 3),
        # one that is allowed allows no other
        (rules("name: a, match: {kind: secret}, allow: true"), "ask", "danger needs two", 2),
        (rules("name: a, match: {kind: [secret, configmap]}, allow: true"), "allow", "a", 0),
        (
            rules(
                "name: a, match: {kind: configmap}, allow: true",
                "name: b, match: {kind: secret}, ask: {groups: S0SEC}",
            ),
            "ask",
            "b",
            1,
        ),
        # what none of them is matches nothing
        (rules("name: a, match: {kind: deployment}, deny: Closed"), "ask", "danger needs two", 2),
        # who may approve both
        (
            rules(
                "name: a, match: {kind: secret}, ask: {approvers: 2, groups: [S0SEC, S0SRE]}",
                "name: b, ask: {groups: [S0SRE, S0DEV], expires: 5m}",
            ),
            "ask",
            "a",
            2,
        ),
        (
            rules(
                "name: a, match: {kind: secret}, ask: {approvers: 2, groups: S0SEC}",
                "name: b, ask: {groups: S0DEV}",
            ),
            "deny",
            "a",
            0,
        ),
    ],
)
def test_a_change_of_several_objects_is_judged_by_each(
    policy: str, effect: str, rule: str, quorum: int
) -> None:
    given: dict[str, Any] = {"tool": "k8s_apply", "name": "", "risk": "danger"}
    for objects in ((SECRET, CONFIG), (CONFIG, SECRET)):
        asked = wish(**given, object_kind="mixed", objects=objects)
        found = book(policy).decide(asked)
        assert (found.effect.value, found.rule, found.quorum) == (effect, rule, quorum)
        stored = asked.stored()
        assert book(policy).decide(PolicyInput.of(stored)) == found
        later: Any = {
            **stored,
            "newer": 1,
            "objects": [{**vars(one), "newer": 1} for one in objects],
        }
        assert PolicyInput.of(later) == asked  # as a version after this one stores it
        first, *_, last = book(policy).explain(asked)
        assert (first.rule, last.rule, last.decides) == ("several objects", rule, True)


def test_several_demands_are_all_met() -> None:
    one = Ruling(
        Effect.ASK, "a", 2, groups=("S1", "S2"), rollback=60, grant_times=3, break_glass=("S3",)
    )
    other = Ruling(Effect.ASK, "b", 1, contributors_may=True, groups=("S2",), expires=90)
    both = replace(one, groups=("S2",), rollback=0, grant_times=0, break_glass=(), expires=90)
    nobody = Approvers()
    assert strictest([one, other], nobody, 1800) == strictest([other, one], nobody, 1800) == both
    assert strictest([one, one], nobody, 1800) == one
    # whichever is over first: where a rule says nothing, after what the settings say
    late = replace(other, expires=7200)
    assert strictest([one, late], nobody, 1800).expires == 1800
    assert strictest([one, late], nobody, 300).expires == 300


def test_who_may_approve_one_of_several_objects_approves_no_other() -> None:
    two = Ruling(Effect.ASK, "a", 2, groups=("S1", "S2"), escalate_to=("S3", "S4"))
    general = Ruling(Effect.ASK, "b", 1)
    for by, groups, called in (
        (Approvers(everybody=True), two.groups, two.escalate_to),
        (Approvers(groups=("S2", "S4")), ("S2",), ("S4",)),
    ):
        for rulings in ([two, general], [general, two]):
            found = strictest(rulings, by, 1800)
            assert (found.effect, found.quorum) == (Effect.ASK, 2)
            assert (found.groups, found.escalate_to) == (groups, called)
    # of people by name nobody knows in which groups they are
    assert strictest([two, general], Approvers(users=("U1",)), 1800).effect is Effect.DENY
    # whom one rule calls later may not decide what another asks somebody else
    other = Ruling(Effect.ASK, "b", 1, groups=("S1",), escalate_to=("S4",))
    found = strictest([two, other], Approvers(everybody=True), 1800)
    assert (found.groups, found.escalate_to) == (("S1",), ("S4",))


def test_who_lacks_a_role_is_told_that_a_group_could_not_be_looked_up() -> None:
    given = {"requester_roles": ("viewer",), "unknown_groups": ("S0LATE000",)}
    assert ruled("{}", **given).reason == (
        "only operators may propose changes; who is in S0LATE000 could not be looked up; try again"
    )


def test_whose_group_could_not_be_looked_up_is_no_stranger_to_it() -> None:
    late = Person("U0BOB0000", Standing.MEMBER, unknown_groups=frozenset({"S0SRE0000"}))
    ruling = Ruling(Effect.ASK, "a", 1, break_glass=("S0SRE0000",))
    named = Approvers(groups=("S0SRE0000",))
    assert why_not_approve(late, named, ruling, ()) == "unknown_groups"
    assert why_not_deny(late, named, ruling, ()) == "unknown_groups"
    assert why_not_break_glass(late, ruling) == "unknown_groups"
    assert why_not_approve(late, Approvers(users=("U0X",)), ruling, ()) == "not_an_approver"


def test_what_a_rule_asks() -> None:
    text = """
rules:
  - name: gold
    match: {labels: {tier: gold}}
    ask:
      approvers: 2
      groups: S0SRE0000
      requester_may: true
      expires: 2h
      reminder: 10m
      escalate: {after: 30m, to: [S0BOSS000]}
"""
    assert ruled(text) == Ruling(
        Effect.ASK,
        "gold",
        quorum=2,
        contributors_may=True,
        groups=("S0SRE0000",),
        expires=7200,
        reminder=600,
        escalate_after=1800,
        escalate_to=("S0BOSS000",),
    )
    assert not ruled(text, risk="danger").contributors_may
    stored = ruled(text).stored()
    assert Ruling.of(stored) == ruled(text), "it survives its row"
    assert ruled(text, kind="read", risk="read").effect is Effect.DENY


def test_a_grant_is_of_three_times_in_half_an_hour_unless_its_rule_says_otherwise() -> None:
    ruling = ruled(rules("name: a, ask: {grant: {}}"))
    assert (ruling.grant_times, ruling.grant_within, ruling.grant_vary) == (3, 1_800, {})
    other = ruled(rules("name: a, ask: {grant: {times: 1, within: 5m}}"))
    assert (other.grant_times, other.grant_within) == (1, 300)
    assert ruled(rules("name: a, ask: {grant: {}}"), risk="danger").grant_times == 0


def test_who_the_rule_names_may_approve_and_nobody_else() -> None:
    ruling = ruled(rules("name: r, ask: {groups: S0BOSS000}"))
    general = Approvers(groups=("S0SRE0000",))
    boss = Person("U1", Standing.MEMBER, groups=frozenset({"S0BOSS000"}))
    sre = Person("U2", Standing.MEMBER, groups=frozenset({"S0SRE0000"}))
    assert why_not_approve(boss, general, ruling, ()) is None
    assert why_not_approve(sre, general, ruling, ()) == "not_an_approver"
    assert why_not_approve(boss, general, ruling, ("U1",)) == "own_request"


def test_an_allow_rule_does_not_count_for_what_only_untrusted_text_says() -> None:
    text = rules("name: r, match: {tool: k8s_scale}, allow: true")
    assert ruled(text).effect is Effect.ALLOW
    told = {"name": "inventory", "namespace": "configuration", "replicas": "person"}
    assert ruled(text, provenance=told).effect is Effect.ALLOW
    for doubtful in ("untrusted", "unknown", "something new"):
        assert ruled(text, provenance=told | {"replicas": doubtful}).effect is Effect.ASK


# --- what no rule lifts -----------------------------------------------------------------------

ALLOWED = rules("name: all, allow: true")


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({"requester_standing": "guest"}, "members only"),
        ({"sharing": "shared"}, "members only"),
        ({"read_only": True}, "read only"),
        ({"requester_roles": ("viewer",)}, "roles"),
        ({"kind": "read", "requester_roles": ()}, "roles"),
    ],
)
def test_the_floor_stands_below_every_rule(given: dict[str, Any], rule: str) -> None:
    assert (ruled(ALLOWED, **given).effect, ruled(ALLOWED, **given).rule) == (Effect.DENY, rule)


@pytest.mark.parametrize(
    ("limits", "given", "said"),
    [
        ("replicas: 4", {}, "at most 4 replicas"),
        ("namespaces: [web, 'team-*']", {}, "outside web or team-*"),
        ("images: 'reg.example.com/*'", {"images": ("evil.com/x:1",)}, "images come from reg"),
        ("images: reg.example.com/x:1", {"images": ("reg.example.com/x:2",)}, "images come from"),
        ("forbidden_tags: latest", {"images": ("reg:5000/x",)}, "the tag latest is not allowed"),
    ],
)
def test_limits(limits: str, given: dict[str, Any], said: str) -> None:
    ruling = ruled(f"{ALLOWED}limits: {{{limits}}}\n", **given)
    assert ruling.effect is Effect.DENY
    assert said in ruling.reason


@pytest.mark.parametrize(
    ("limits", "given"),
    [
        ("replicas: 5", {}),
        ("namespaces: 'sh*'", {}),
        ("images: 'reg.example.com/*'", {"images": ("reg.example.com/a/b:1", "reg.example.com/c")}),
        ("forbidden_tags: latest", {"images": ("reg:5000/x@sha256:ab", "x:1")}),
        ("replicas: 1", {"kind": "read", "risk": "read"}),
    ],
)
def test_what_is_within_them(limits: str, given: dict[str, Any]) -> None:
    assert ruled(f"{ALLOWED}limits: {{{limits}}}\n", **given).effect is Effect.ALLOW


WEEKEND = """
windows:
  - name: weekend
    kind: freeze
    match: {namespace: shop}
    weekly: {start: fri 16:00, end: mon 06:00}
    timezone: Europe/Berlin
"""


@pytest.mark.parametrize(
    ("at", "rests"),
    [
        ("2026-11-27T14:59:00+00:00", False),
        ("2026-11-27T15:00:00+00:00", True),  # 16:00 in Berlin
        ("2026-11-29T12:00:00+00:00", True),
        ("2026-11-30T04:59:00+00:00", True),
        ("2026-11-30T05:00:00+00:00", False),
        ("2026-06-26T14:00:00+00:00", True),  # summer time
    ],
)
def test_a_freeze_by_the_week(at: str, rests: bool) -> None:
    ruling = ruled(ALLOWED + WEEKEND, at=at)
    assert (ruling.effect is Effect.DENY) is rests
    if rests:
        assert ruling.rule == "weekend"
        assert ruled(ALLOWED + WEEKEND, at=at, namespace="web").effect is Effect.ALLOW
        assert ruled(ALLOWED + WEEKEND, at=at, kind="read", risk="read").effect is Effect.ALLOW
        assert ruled(ALLOWED + WEEKEND, at=at, undoes=True).effect is Effect.ALLOW


@pytest.mark.parametrize(
    ("start", "end", "at", "rests"),
    [  # in Berlin, clocks show 2:00 to 3:00 twice on 25 October and never on 29 March
        ("sun 02:30", "sun 03:30", "2026-10-25T00:29", ""),
        ("sun 02:30", "sun 03:30", "2026-10-25T00:30", "02:30"),
        ("sun 02:30", "sun 03:30", "2026-10-25T01:10", "02:30"),  # 2:10, for the second time
        ("sun 02:30", "sun 03:30", "2026-10-25T02:30", ""),
        ("fri 16:00", "sun 02:30", "2026-10-25T00:40", "01:30"),  # 2:30 is still to come
        ("fri 16:00", "sun 02:30", "2026-10-25T01:10", "01:30"),
        ("fri 16:00", "sun 02:30", "2026-10-25T01:30", ""),
        ("sun 02:30", "sun 04:00", "2026-03-29T01:00", "02:00"),
        ("sun 02:30", "sun 04:00", "2026-03-29T02:00", ""),
        ("sat 12:00", "sun 02:30", "2026-03-29T00:59", "01:30"),
    ],
)
def test_a_freeze_has_no_hole_where_clocks_are_put_back(
    start: str, end: str, at: str, rests: str
) -> None:
    text = WEEKEND.replace("fri 16:00", start).replace("mon 06:00", end)
    ruling = ruled(ALLOWED + text, at=f"{at}:00+00:00")
    assert (ruling.effect is Effect.DENY) is bool(rests)
    assert ruling.reason.endswith(f"{rests} UTC" if rests else "")


def test_a_freeze_says_until_when() -> None:
    ruling = ruled(ALLOWED + WEEKEND, at="2026-11-29T12:00:31+00:00")
    assert ruling.reason == "changes rest until 2026-11-30 05:00 UTC"
    # over the night in which clocks are put back, and in that in which they are put forward
    for at, until in (("2026-10-24", "2026-10-26 05:00"), ("2026-03-28", "2026-03-30 04:00")):
        reason = ruled(ALLOWED + WEEKEND, at=f"{at}T12:00:00+00:00").reason
        assert reason == f"changes rest until {until} UTC"
    days = "from: 2026-12-20T00:00:00Z, until: 2026-12-27T00:00:00Z"
    once = f"windows: [{{name: x, kind: freeze, {days}}}]"
    assert ruled(ALLOWED + once).effect is Effect.ALLOW
    reason = ruled(ALLOWED + once, at="2026-12-24T12:00:00+00:00").reason
    assert reason == "changes rest until 2026-12-27 00:00 UTC"


def test_outside_its_maintenance_windows_nothing_is_changed() -> None:
    text = ALLOWED + WEEKEND.replace("kind: freeze", "kind: maintenance")
    assert ruled(text).reason == "changes are made only in weekend"
    assert ruled(text, at="2026-11-29T12:00:00+00:00").effect is Effect.ALLOW
    assert ruled(text, namespace="web").effect is Effect.ALLOW
    # of what goes along, too, though another window, of what is changed itself, is open
    always = "weekly: {start: mon 00:00, end: sun 23:59}"
    nodes = f"{{name: nodes, match: {{kind: node}}, kind: maintenance, {always}}}"
    drain = {"object_kind": "node", "namespace": "", "along": (Object("pod", "web-0", "shop"),)}
    both = text.replace("windows: [", f"windows: [{nodes}, ")
    assert ruled(both, **drain).reason == "changes are made only in weekend"
    assert ruled(both, at="2026-11-29T12:00:00+00:00", **drain).effect is Effect.ALLOW


# --- why --------------------------------------------------------------------------------------


def test_each_rule_says_why_it_was_passed_over() -> None:
    text = rules(
        "name: one, match: {tool: helm_upgrade}, deny: No.",
        "name: two, match: {namespace: web}, deny: No.",
        "name: three, when: replicas > 10, deny: No.",
        "name: four, ask: {approvers: 3}",
        "name: five, when: replicas < 3, deny: No.",
    )
    steps = [(step.rule, step.decides, step.why) for step in book(text).explain(wish())]
    assert steps == [
        ("one", False, "not about k8s_scale"),
        ("two", False, "namespace differs"),
        ("three", False, "its condition does not hold"),
        ("four", True, ""),
    ]
    assert [s.rule for s in book(text).explain(wish(sharing="shared"))] == ["members only"]


_names = st.sampled_from(["k8s_scale", "k8s_*", "*", "k8s_set_image"])
_match = st.fixed_dictionaries(
    {},
    optional={
        "tool": _names,
        "risk": st.sampled_from(["write", "danger", "read"]),
        "namespace": st.sampled_from(["shop", "s*", "web"]),
        "groups": st.sampled_from(["S0DEV0000", "S0SRE0000"]),
        "labels": st.just({"tier": "gold"}),
    },
)
_rule = st.builds(
    lambda match, effect, when: {"match": match, **effect, **({"when": when} if when else {})},
    _match,
    st.sampled_from([{"allow": True}, {"deny": "No."}, {"ask": {}}, {"preview_only": "Look."}]),
    st.sampled_from(["", "replicas > 4", "size(warnings) > 0", "arguments.nope == 1"]),
)


@given(st.lists(_rule, max_size=8), st.sampled_from(["shop", "web"]), st.booleans())
def test_the_index_and_the_explanation_agree_with_the_rules_in_order(
    written: list[dict[str, Any]], namespace: str, hostile: bool
) -> None:
    named = [{"name": f"r{number}", **rule} for number, rule in enumerate(written)]
    made = Rulebook(Policy.model_validate({"rules": named}))
    asked = wish(namespace=namespace, provenance={"x": "untrusted"} if hostile else {})
    ruling = made.decide(asked)
    *passed, last = made.explain(asked)
    assert last.decides
    assert last.rule == ruling.rule
    assert [step.rule for step in passed] == [rule["name"] for rule in named][: len(passed)]
    if hostile:
        assert ruling.effect is not Effect.ALLOW
    hidden = {place[2] for place, _ in made.policy.mistakes() if len(place) == 3}
    unreachable = {named[int(number)]["name"] for number in hidden}
    assert last.rule not in unreachable


# --- the file ---------------------------------------------------------------------------------


def mistakes(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "countersign.yaml"
    path.write_text(text)
    try:
        read({**ENVIRONMENT, "COUNTERSIGN_CONFIG": str(path)})
    except BadSettings as error:
        return list(error.mistakes)
    return []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{name: a, allow: true, deny: No.}", "exactly one of allow, ask, deny and preview_only"),
        ("{name: a, match: {tol: x}, allow: true}", "there is no such setting"),
        ("{name: a, match: {groups: sre}, allow: true}", "a Slack user-group id (S…)"),
        ("{name: a, match: {channel: ops}, allow: true}", "a Slack channel id (C…)"),
        ("{name: a, match: {risk: high}, allow: true}", "read, write or danger is expected"),
        ("{name: a, when: 'replicas >', allow: true}", "not a CEL expression"),
        ("{name: a, when: 'replica > 3', allow: true}", "replica is not known here; known: "),
        ("{name: a, ask: {approvers: 0}}", "at least 1 is expected"),
        ("{name: a, ask: {expires: soon}}", "a time such as 30m or 2h"),
        ("{name: a, ask: {expires: 10m, reminder: 20m}}", "reminder must be before it expires"),
        ("{name: a, ask: {escalate: {after: 40m, to: S0A}}}", "escalate.after must be before"),
        ("{name: a, ask: {break_glass: {}}}", "break_glass.groups: is missing"),
        ("{name: a, ask: {break_glass: {groups: U0DAVE}}}", "a Slack user-group id (S…)"),
        ("{name: a, ask: {rollback: {}}}", "rollback.within: is missing"),
        ("{name: a, ask: {rollback: {within: 10}}}", "a time such as 30m or 2h"),
        ("{allow: true}", "name: is missing"),
        ("{name: a, match: {namspace: x}, deny: No.}", "tool. Did you mean namespace?"),
        ("{name: a, match: {risk: Danger}, deny: No.}", "is expected. Did you mean danger?"),
        ("{name: a, match: , deny: No.}", "kind, labels, namespace, risk, tool; nothing stands"),
        ("{name: a, allow: false}", "only true is possible here"),
        ("{name: a, deny: true}", "text is expected: put it into quotes"),
        (
            "{name: a, ask: {grant: {within: 2h}}}",
            "within: a time from 1m to 30m is expected",
        ),
        ("{name: a, ask: {expires: 2 hours}}", "a time such as 30m or 2h is expected"),
        ("{name: a, ask: {reminder: yes}}", "a time such as 30m or 2h is expected, or false"),
        ("{name: a, ask: {break_glass: S0BOSS}}", "break_glass: {groups: …} is expected"),
        ("{name: a, ask: {rollback: 10m}}", "rollback: {within: …} is expected"),
        ("{name: a, when: 'tool = \"x\"', deny: No.}", "== compares, a single = is no part of it"),
        ("{name: a, when: 'hour < 3 or hour > 5', deny: No.}", "&& is for and, || for or"),
        ("{name: a, when: 'namespace == \"x\"', deny: No.}", "Did you mean object.namespace?"),
        ("{name: a, when: 'cluster == \"x\"', deny: No.}", "Did you mean object.cluster?"),
        ("{name: a, when: 'tool == \"x', deny: No.}", "a quote is not closed"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, line: str, said: str) -> None:
    text = (
        f"policy:\n  rules:\n    - {{name: first, match: {{tool: x}}, deny: No.}}\n    - {line}\n"
    )
    (found,) = mistakes(tmp_path, text)
    assert found.startswith("countersign.yaml:4: policy.rules.1")
    assert said in found


@pytest.mark.parametrize(
    ("window", "said"),
    [
        ("name: a, kind: freeze", "either from and until, or weekly"),
        ("name: a, kind: freeze, weekly: {start: fri, end: mon 06:00}", "such as `fri 16:00`"),
        ("name: a, kind: freeze, from: 2026-12-20T00:00:00Z", "either from and until, or weekly"),
        (
            "name: a, kind: maintenance, weekly: {start: fri 16:00, end: fri 16:00}",
            "weekly: start and end must differ",
        ),
        (
            "name: a, kind: freeze, from: 2026-12-20T00:00:00, until: 2026-12-21T00:00:00Z",
            "its time zone is missing",
        ),
        (
            "name: a, kind: freeze, weekly: {start: fri 16:00, end: mon 06:00}, timezone: Mars/X",
            "no such time zone",
        ),
        (
            "name: a, kind: freeze, from: 2026-12-22T00:00:00Z, until: 2026-12-21T00:00:00Z",
            "from must be before until",
        ),
    ],
)
def test_a_window_that_cannot_be(tmp_path: Path, window: str, said: str) -> None:
    (found,) = mistakes(tmp_path, f"policy:\n  windows:\n    - {{{window}}}\n")
    assert found.startswith("countersign.yaml:3: policy.windows.0")
    assert said in found


def test_a_rule_that_is_never_reached_and_a_name_that_stands_twice(tmp_path: Path) -> None:
    text = """policy:
  rules:
    - {name: all of k8s, match: {tool: "k8s_*"}, ask: {}}
    - {name: scale, match: {tool: k8s_scale, namespace: shop}, deny: No.}
    - {name: helm, match: {tool: helm_upgrade}, deny: No.}
    - {name: helm, match: {tool: helm_rollback}, deny: No.}
"""
    assert mistakes(tmp_path, text) == [
        "countersign.yaml:4: policy.rules.1: never reached: “all of k8s” above matches all of it.",
        "countersign.yaml:6: policy.rules.3.name: another rule has this name.",
    ]


def test_a_rule_about_changes_where_nothing_is_changed_is_never_reached(tmp_path: Path) -> None:
    text = """policy:
  limits: {namespaces: [shop, "team-*"]}
  rules:
    - {name: changes, match: {namespace: kube-system, risk: [write, danger]}, deny: No.}
    - {name: reads too, match: {namespace: kube-system}, deny: No.}
    - {name: perhaps, match: {namespace: "*-a", risk: write}, deny: No.}
    - {name: one of them, match: {namespace: [kube-system, team-a], risk: write}, deny: No.}
"""
    why = "never reached: limits.namespaces has none of its namespaces."
    assert mistakes(tmp_path, text) == [f"countersign.yaml:4: policy.rules.0: {why}"]


@pytest.mark.parametrize(
    ("first", "second", "hidden"),
    [
        ("team-*", "team-a", True),
        ("team-*", "team-a*", True),
        ("team-?", "team-*", False),
        ("team-[!x]", "team-*", False),
        ("*b*", "'[ab]'", False),
        ("team-?", "team-?", True),
        ("team-a", "team-*", False),
    ],
)
def test_a_glob_covers_what_it_matches_for_certain(
    tmp_path: Path, first: str, second: str, hidden: bool
) -> None:
    quoted = [one if one.startswith("'") else f"'{one}'" for one in (first, second)]
    lines = [
        f"    - {{name: r{number}, match: {{namespace: {one}}}, deny: No.}}\n"
        for number, one in enumerate(quoted)
    ]
    found = mistakes(tmp_path, "policy:\n  rules:\n" + "".join(lines))
    assert bool(found) is hidden


def test_a_ruling_of_a_later_version_is_read() -> None:
    stored = Ruling(Effect.ASK, "r", quorum=2, groups=("S1",)).stored()
    assert Ruling.of({**stored, "not known yet": 1}).quorum == 2


def test_where_groups_are_named_is_known(tmp_path: Path) -> None:
    path = tmp_path / "countersign.yaml"
    path.write_text(
        "people:\n  auditor: [S0AUDIT00, U0ADA]\npolicy:\n  rules:\n"
        "    - name: a\n      ask: {groups: S0SRE0000}\n"
        "      when: '\"S0WHEN000\" in requester_groups'\n"
    )
    file = read({**ENVIRONMENT, "COUNTERSIGN_CONFIG": str(path)}).file
    assert file.named_groups() == [
        ("S0AUDIT00", "countersign.yaml:2: people.auditor"),
        ("S0SRE0000", "countersign.yaml:6: policy.rules.0.ask.groups"),
        ("S0WHEN000", "countersign.yaml:7: policy.rules.0.when"),
    ]


def test_every_name_of_a_condition_is_given(tmp_path: Path) -> None:
    text = " && ".join(f"{name} == {name}" for name in sorted(NAMES))
    assert ruled(rules(f"name: r, when: '{text}', deny: No.")).reason == "No."


# --- roles ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("named", "groups", "roles"),
    [
        ({}, (), ("operator", "viewer")),
        ({"operator": ("S1",)}, (), ("viewer",)),
        ({"operator": ("S1",)}, ("S1",), ("operator", "viewer")),
        ({"viewer": ("U2",)}, (), ()),  # who may not look may not propose
        ({"viewer": ("S1",)}, ("S1",), ("operator", "viewer")),
        ({"viewer": ("U2",), "auditor": ("*",)}, (), ("auditor", "viewer")),
        ({"viewer": ("U2",), "operator": ("U2",)}, (), ()),
        ({"viewer": ("U2",), "operator": ("S1",)}, ("S1",), ("operator", "viewer")),
        (
            {"viewer": (), "operator": (), "admin": ("U1",)},
            (),
            ("admin", "auditor", "operator", "viewer"),
        ),
        ({"viewer": (), "operator": (), "auditor": ("*",)}, (), ("auditor", "viewer")),
    ],
)
def test_roles(
    named: Mapping[str, tuple[str, ...]], groups: tuple[str, ...], roles: tuple[str, ...]
) -> None:
    person = Person("U1", Standing.MEMBER, groups=frozenset(groups))
    assert Roles(named).of(person) == roles
    for standing in set(Standing) - {Standing.MEMBER}:
        assert Roles(named).of(Person("U1", standing, groups=frozenset(groups))) == ()


# --- the demo's -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "effect", "rule"),
    [
        ({"replicas": 0}, Effect.DENY, "shop never sleeps"),
        ({"tool": "k8s_patch", "replicas": 0}, Effect.DENY, "shop never sleeps"),
        ({"tool": "k8s_patch", "replicas": None}, Effect.ASK, "a change needs one"),
        ({"replicas": 2}, Effect.ASK, "small steps again"),
        ({"tool": "k8s_label"}, Effect.ASK, "a change needs one"),
        ({"tool": "k8s_set_image"}, Effect.ASK, "a bad image goes back"),
        ({"namespace": "payments"}, Effect.ASK, "payments needs two"),
        (
            {"namespace": "payments", "object_kind": "statefulset"},
            Effect.DENY,
            "the ledger's move",
        ),
        (
            {"namespace": "payments", "object_kind": "statefulset", "undoes": True},
            Effect.ASK,
            "payments needs two",
        ),
    ],
)
def test_the_demo_has_a_two_person_rule_a_freeze_and_a_deny(
    given: dict[str, Any], effect: Effect, rule: str
) -> None:
    path = Path(words.__file__).with_name("countersign.yaml")
    ruling = Rulebook(config_file(str(path)).policy).decide(wish(**given))
    assert (ruling.effect, ruling.rule) == (effect, rule)
    assert ruling.quorum == (2 if rule == "payments needs two" else ruling.quorum)
    told = ("payments needs two", "breaks the glass", "frozen", "never scaled", "the same again")
    assert all(word in words.RULES for word in told)
