"""Settings that are wrong: every mistake in one go, where it stands, and never a value."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from bot.core.errors import BadSettings
from bot.settings import (
    Settings,
    migration_url,
    mistakes_in,
    mistakes_in_file,
    read,
    read_what_works,
)

SECRET = "hunter2-Zq81xLw0"
GOOD = {
    "SLACK_BOT_TOKEN": "xoxb-1-abc",
    "SLACK_APP_TOKEN": "xapp-1-A1-abc",
    "DATABASE_URL": "postgresql://me@localhost/countersign",
}


def mistakes(given: Mapping[str, str]) -> list[str]:
    """What whoever starts the bot would read."""
    with pytest.raises(BadSettings) as caught:
        read(given)
    assert SECRET not in str(caught.value)
    return caught.value.mistakes


def with_file(folder: Path, text: str) -> dict[str, str]:
    """Good settings with this `countersign.yaml`."""
    path = folder / "countersign.yaml"
    path.write_text(text, encoding="utf-8")
    return {**GOOD, "COUNTERSIGN_CONFIG": str(path)}


def test_good_settings_are_read_and_never_printed() -> None:
    found = read({**GOOD, "OPENAI_API_KEY": SECRET, "SLACK_BOT_TOKEN": f"xoxb-{SECRET}"})
    assert found.slack_bot_token.get_secret_value() == f"xoxb-{SECRET}"
    assert SECRET not in f"{found!r} {found} {found.model_dump()}"


def test_what_is_missing_is_said_with_where_to_get_it() -> None:
    assert mistakes({}) == [
        (
            "SLACK_BOT_TOKEN is not set: the bot token (xoxb-…) from your Slack app's page, "
            "OAuth & Permissions."
        ),
        (
            "SLACK_APP_TOKEN is not set: the app-level token (xapp-…, connections:write) from "
            "Basic Information."
        ),
        (
            "DATABASE_URL is not set: a PostgreSQL address, such as "
            "postgresql://user@host/countersign."
        ),
    ]


def test_blank_is_not_set() -> None:
    assert [one.split()[0] for one in mistakes({**GOOD, "DATABASE_URL": "  \n"})] == [
        "DATABASE_URL"
    ]


def test_tokens_in_each_others_place_are_both_named() -> None:
    swapped = {
        **GOOD,
        "SLACK_BOT_TOKEN": f"xapp-{SECRET}",
        "SLACK_APP_TOKEN": f"xoxb-{SECRET}",
    }
    assert mistakes(swapped) == [
        "SLACK_BOT_TOKEN: a bot token begins with xoxb-; this one does not.",
        "SLACK_APP_TOKEN: an app-level token begins with xapp-; this one does not.",
    ]


def test_all_mistakes_come_together(tmp_path: Path) -> None:
    given = with_file(tmp_path, "self_aproval: true\n") | {
        "SLACK_BOT_TOKEN": "",
        "SLACK_APP_TOKEN": SECRET,
        "COUNTERSIGN_HTTP_PORT": SECRET,
        "COUNTERSIGN_LOG": SECRET,
        "COUNTERSIGN_MODLE": SECRET,
    }
    found = mistakes(given)
    assert [one.split(":")[0].split()[0] for one in found] == [
        "countersign.yaml",
        "SLACK_BOT_TOKEN",
        "COUNTERSIGN_MODLE",
        "SLACK_APP_TOKEN",
        "COUNTERSIGN_HTTP_PORT",
        "COUNTERSIGN_LOG",
    ]


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("COUNTERSIGN_HTTP_PORT", "70000", "65535"),
        ("COUNTERSIGN_HTTP_PORT", SECRET, "a whole number is expected"),
        ("COUNTERSIGN_LOG", SECRET, "json or text is expected"),
        ("COUNTERSIGN_SETTLE_SECONDS", "-1", "at least 0"),
        ("COUNTERSIGN_SETTLE_SECONDS", "nan", "at most 600"),
        ("COUNTERSIGN_CARD_MINUTES", "0", "more than 0"),
        ("COUNTERSIGN_SOCKETS", "9", "at most 5"),
        ("COUNTERSIGN_JOBS", SECRET, "a whole number is expected"),
        ("COUNTERSIGN_APPROVERS", f"@alice,{SECRET}", "a Slack user id .* names are not ids"),
        ("COUNTERSIGN_APPROVERS", "alice", "a Slack user id"),
        ("DATABASE_URL", f"mysql://me:{SECRET}@db/x", "a PostgreSQL address is expected"),
        ("DATABASE_URL", f"postgresql://me@[{SECRET}", "a PostgreSQL address is expected"),
        ("DATABASE_MIGRATE_URL", SECRET, "a PostgreSQL address is expected"),
        ("OPENAI_API_BASE", f"foo{SECRET}", "an address that begins with https://"),
        ("REDIS_URL", f"redis:{SECRET}", "a Redis address is expected"),
        ("REDIS_URL", f"http://me:{SECRET}@cache", "a Redis address is expected"),
        ("REDIS_URL", f"redis://cache:{SECRET}", "a Redis address is expected"),
    ],
)
def test_a_malformed_setting_says_what_is_expected(name: str, value: str, says: str) -> None:
    found = mistakes({**GOOD, name: value})
    assert all(one.startswith(f"{name}: ") and one.endswith(".") for one in found)
    with pytest.raises(BadSettings, match=says):
        read({**GOOD, name: value})


def test_approvers_are_ids_groups_or_everybody() -> None:
    assert read({**GOOD, "COUNTERSIGN_APPROVERS": "U012AB3CD, S0614TZR7,*"}).approvers == (
        "U012AB3CD",
        "S0614TZR7",
        "*",
    )


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("COUNTERSIGN_APROVERS", "COUNTERSIGN_APPROVERS"),
        ("COUNTERSIGN_PORT", "COUNTERSIGN_HTTP_PORT"),
        ("COUNTERSIGN_MODELS", "COUNTERSIGN_MODEL"),
    ],
)
def test_a_misspelt_name_is_not_silently_without_effect(name: str, meant: str) -> None:
    assert mistakes({**GOOD, name: SECRET}) == [
        f"{name}: there is no such setting. Did you mean {meant}?"
    ]


def test_other_peoples_variables_are_left_alone() -> None:
    read({**GOOD, "SLACK_SIGNING_SECRET": "x", "PGHOST": "y", "JENKINS_URL": "z"})


def test_addresses_of_stores_in_all_their_forms() -> None:
    for url in ("postgres://a/b", "postgresql:///b?host=/run/pg", "host=/run/pg dbname=b"):
        assert read({**GOOD, "DATABASE_URL": url}).database_url.get_secret_value() == url
    for url in ("redis://cache", f"rediss://me:{SECRET}@cache:6380/1"):
        found = read({**GOOD, "REDIS_URL": url})
        assert found.redis_url is not None
        assert SECRET not in repr(found)
    assert read(GOOD).redis_url is None


def test_what_works_is_read_although_the_rest_is_wrong(tmp_path: Path) -> None:
    given = with_file(tmp_path, "self_approval: true\nlimits: {tokens: 1}\n") | {
        "SLACK_APP_TOKEN": SECRET,
        "DATABASE_URL": f"mysql://{SECRET}",
        "COUNTERSIGN_JOBS": "0",
        "COUNTERSIGN_APPROVERS": "U012AB3CD",
    }
    found = read_what_works(given)
    assert found.lacking == {"SLACK_APP_TOKEN", "DATABASE_URL", "COUNTERSIGN_JOBS"}
    assert found.settings.slack_bot_token.get_secret_value() == GOOD["SLACK_BOT_TOKEN"]
    assert found.settings.slack_app_token.get_secret_value() == ""
    assert found.settings.approvers == ("U012AB3CD",)
    assert found.settings.jobs == 20
    assert [one.split(": ")[0] for one in found.mistakes] == [
        "countersign.yaml:2",
        "SLACK_APP_TOKEN",
        "DATABASE_URL",
        "COUNTERSIGN_JOBS",
    ]
    assert list(found.mistakes) == mistakes(given)
    assert read_what_works(GOOD).lacking == frozenset()


def test_one_setting_alone_is_judged_by_the_same_rules() -> None:
    assert mistakes_in("DATABASE_URL", GOOD["DATABASE_URL"]) == []
    for name, text in (
        ("COUNTERSIGN_APPROVERS", "alice"),
        ("COUNTERSIGN_HTTP_PORT", "70000"),
        ("SLACK_BOT_TOKEN", f"xoxp-{SECRET}"),
        ("DATABASE_URL", SECRET),
    ):
        assert mistakes_in(name, text) == mistakes({**GOOD, name: text})
    (said,) = mistakes_in_file({"approvals": {"channel": "#ops"}})
    assert said == "approvals.channel: a Slack channel id (C…) is expected; names are not ids."


# --- NAME_FILE --------------------------------------------------------------------------------


def test_every_secret_may_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("xoxb-from-a-file\n")
    given = {**GOOD, "SLACK_BOT_TOKEN": "", "SLACK_BOT_TOKEN_FILE": str(tmp_path / "token")}
    assert read(given).slack_bot_token.get_secret_value() == "xoxb-from-a-file"


def test_a_file_that_cannot_be_read_is_named_by_its_setting(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe" + SECRET.encode())
    for path, why in (
        (tmp_path / "gone", "FileNotFoundError"),
        (tmp_path, "IsADirectoryError"),
        (tmp_path / "binary", "UnicodeDecodeError"),
    ):
        found = mistakes({**GOOD, "OPENAI_API_KEY_FILE": str(path)})
        assert found == [f"OPENAI_API_KEY_FILE: the file cannot be read ({why})."]


def test_a_required_secret_in_an_unreadable_file_is_one_mistake(tmp_path: Path) -> None:
    given = {**GOOD, "DATABASE_URL": "", "DATABASE_URL_FILE": str(tmp_path / "gone")}
    assert mistakes(given) == ["DATABASE_URL_FILE: the file cannot be read (FileNotFoundError)."]


def test_an_empty_file_is_not_set(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    given = {**GOOD, "DATABASE_URL": "", "DATABASE_URL_FILE": str(tmp_path / "empty")}
    assert mistakes(given)[0].startswith("DATABASE_URL is not set")


# --- countersign.yaml -------------------------------------------------------------------------


def test_every_mistake_of_the_file_has_its_line_and_what_was_expected(tmp_path: Path) -> None:
    text = f"""\
instructions:
  workspace: Be brief.
  chanels:
    C1: be briefer
limits:
  model_calls: {SECRET}
  tokens: 5
tools:
  kubernetes:
    contxt: demo
self_aproval: true
"""
    assert mistakes(with_file(tmp_path, text)) == [
        (
            "countersign.yaml:3: instructions.chanels: there is no such setting. "
            "Known: channels, clusters, workspace. Did you mean channels?"
        ),
        "countersign.yaml:6: limits.model_calls: a whole number is expected.",
        "countersign.yaml:7: limits.tokens: at least 1000 is expected.",
        (
            "countersign.yaml:10: tools.kubernetes.contxt: there is no such setting. "
            "Known: burst, context, contexts, exec_commands, kubeconfig, most_bytes, qps. "
            "Did you mean context?"
        ),
        (
            "countersign.yaml:11: self_aproval: there is no such setting. "
            "Known: approvals, identities, instructions, limits, model_windows, people, policy, "
            "retention, self_approval, tools. "
            "Did you mean self_approval?"
        ),
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "limits:\n  tokens: [1\n",
            "countersign.yaml:3: not valid YAML: a list that begins with",
        ),
        (
            "limits: {tokens: 1\nb: 2\n",
            "countersign.yaml:2: not valid YAML: what begins with {",
        ),
        ("a: b\n c: d\n", "countersign.yaml:2: not valid YAML: no name fits here: indent it like"),
        ("a:\n  b: 1\n c: 2\n", "countersign.yaml:3: not valid YAML: it is not indented like"),
        ("limits:\n\tminutes: 3\n", "countersign.yaml:2: not valid YAML: a tab stands there"),
        ("a: 'b\nc: d\n", "countersign.yaml:1: not valid YAML: a quote that begins here is not"),
        ("a: {{ x }}\n", "countersign.yaml:1: not valid YAML: a text that begins with { or ["),
        ("a: @b\n", "countersign.yaml:1: not valid YAML: a text that begins with @, % or `"),
        ("a: *\n", "countersign.yaml:1: not valid YAML: a text that begins with * or &"),
        ("a: - b\n", "countersign.yaml:1: not valid YAML: a list begins on a line of its own"),
        ("a: 1\nb: 2026-13-01\n", "countersign.yaml:2: not valid YAML: there is no such date"),
        ("- limits\n", "countersign.yaml:1: settings by name are expected."),
        (SECRET, "countersign.yaml:1: settings by name are expected."),
        ("a: 1\n---\nb: 2\n", "countersign.yaml:2: not valid YAML: "),
        ("a: 1\nb: !!python/object:os.system x\n", "countersign.yaml:2: not valid YAML: "),
        ("? [a]\n: 1\n", "countersign.yaml:1: not valid YAML: "),
        ("1: 2\n", "countersign.yaml:1: 1"),
        (
            "limits: 3\n",
            "countersign.yaml:1: limits: settings by name are expected: channel_",
        ),
        ("limits:\n", "countersign.yaml:1: limits: settings by name are expected"),
        ("instructions:\n  workspace: \x01\n", "countersign.yaml:2: not valid YAML: "),
    ],
)
def test_a_file_that_is_none_is_said_in_one_sentence(tmp_path: Path, text: str, says: str) -> None:
    (found,) = mistakes(with_file(tmp_path, text))
    assert found.startswith(says)
    assert "\n" not in found
    assert found.endswith(".")


def test_a_value_that_yaml_takes_for_an_alias_is_not_printed(tmp_path: Path) -> None:
    (found,) = mistakes(with_file(tmp_path, f"limits:\n  tokens: *{SECRET}\n"))
    assert found.startswith("countersign.yaml:2: not valid YAML: ")


def test_a_key_twice_is_a_mistake(tmp_path: Path) -> None:
    """The second would silently win: two people edit one file, and one is without effect."""
    (found,) = mistakes(with_file(tmp_path, "self_approval: false\nself_approval: true\n"))
    assert found.startswith("countersign.yaml:2: ")


def test_a_config_that_is_not_there_or_no_text_is_said(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\x00\xff")
    for path, why in (
        (tmp_path / "gone.yaml", "FileNotFoundError"),
        (tmp_path, "IsADirectoryError"),
        (tmp_path / "binary", "UnicodeDecodeError"),
    ):
        assert mistakes({**GOOD, "COUNTERSIGN_CONFIG": str(path)}) == [
            f"COUNTERSIGN_CONFIG: the file cannot be read ({why})."
        ]


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "{}\n"])
def test_an_empty_file_changes_nothing(tmp_path: Path, text: str) -> None:
    assert read(with_file(tmp_path, text)) == read(GOOD)


def test_a_good_file_is_taken(tmp_path: Path) -> None:
    found: Settings = read(
        with_file(tmp_path, "self_approval: true\nlimits: {model_calls: 3, dollars: 0.5}\n")
    )
    assert found.file.self_approval
    assert found.file.limits.model_calls == 3
    assert str(found.file.limits.dollars) == "0.5"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("approvals: {channel: ops}", "approvals.channel: a Slack channel id (C…) is expected"),
        ("approvals: {reminder: true}", "Did you mean reminders?"),
        ("limits: {day: {}}", "limits.day: tokens, dollars or both are expected."),
        ("limits: {person_per_day: {tokens: 5}}", "at least 1000"),
        ("limits: {channel_per_day: {dollars: 0}}", "more than 0"),
        ("tools: {kubernetes: {context: a, contexts: [a]}}", "either context or contexts"),
        ("tools: {kubernetes: {contexts: []}}", "tools.kubernetes.contexts: "),
        ("tools: {kubernetes: {contexts: [a, a]}}", "a context stands here twice"),
        ("tools: {kubernetes: {contexts: [1]}}", "names of contexts are expected"),
        ("tools: {kubernetes: {contexts: {the prod: a}}}", "has no space in it"),
        ("tools: {kubernetes: {contexts: {prod: ''}}}", "tools.kubernetes.contexts.prod: "),
    ],
)
def test_what_the_file_says_must_make_sense(tmp_path: Path, text: str, says: str) -> None:
    (found,) = mistakes(with_file(tmp_path, text))
    assert found.startswith("countersign.yaml:1: ")
    assert says in found


def test_limits_approvals_and_several_clusters_are_taken(tmp_path: Path) -> None:
    text = """\
approvals: {channel: C0APPROVE, reminders: false}
limits: {person_per_day: {tokens: 200000}, day: {tokens: 5000000, dollars: 50}}
tools: {kubernetes: {contexts: {prod: "arn:aws:eks:eu:1:cluster/p", stage: s}}}
"""
    found = read(with_file(tmp_path, text))
    assert (found.file.approvals.channel, found.file.approvals.reminders) == ("C0APPROVE", False)
    person, day = found.file.limits.person_per_day, found.file.limits.day
    assert person is not None
    assert day is not None
    assert (person.tokens, person.dollars) == (200_000, None)
    assert (day.tokens, day.dollars) == (5_000_000, Decimal(50))
    assert found.file.limits.channel_per_day is None
    kubernetes = found.providers()["kubernetes"]
    assert kubernetes["contexts"] == {"prod": "arn:aws:eks:eu:1:cluster/p", "stage": "s"}
    assert not kubernetes["in_cluster"]
    listed = read(with_file(tmp_path, "tools: {kubernetes: {contexts: [a, b]}}"))
    assert listed.providers()["kubernetes"]["contexts"] == {"a": "a", "b": "b"}


def test_a_kubeconfig_that_does_not_exist_is_no_wrong_setting(tmp_path: Path) -> None:
    found = read({**GOOD, "KUBECONFIG": str(tmp_path / "gone")})
    assert found.providers()["kubernetes"]["kubeconfig"] == str(tmp_path / "gone")
    assert read(GOOD).providers() == {}


def test_where_the_bot_runs_is_told_by_variable_or_by_file(tmp_path: Path) -> None:
    mounted = tmp_path / "namespace"
    mounted.write_text("ops\n")
    cluster = {**GOOD, "KUBECONFIG": "kubeconfig"}
    for told in ({"POD_NAMESPACE": "ops"}, {"POD_NAMESPACE_FILE": str(mounted)}):
        assert read({**cluster, **told}).providers()["kubernetes"]["own_namespace"] == "ops"


def test_a_migration_needs_the_databases_address_only(tmp_path: Path) -> None:
    assert migration_url({"DATABASE_URL": "postgresql://a/b"}) == "postgresql://a/b"
    (tmp_path / "owner").write_text("postgresql://owner@a/b\n")
    given = {"DATABASE_URL": "x", "DATABASE_MIGRATE_URL_FILE": str(tmp_path / "owner")}
    assert migration_url(given) == "postgresql://owner@a/b"
    with pytest.raises(BadSettings, match="DATABASE_URL is not set"):
        migration_url({})


def test_a_providers_key_in_an_unreadable_file_is_a_mistake(tmp_path: Path) -> None:
    given = {**GOOD, "ANTHROPIC_API_KEY_FILE": str(tmp_path / "gone")}
    assert mistakes(given) == [
        "ANTHROPIC_API_KEY_FILE: the file cannot be read (FileNotFoundError)."
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("  users: {U0A: 'system:admin'}", "users.U0A: nobody acts as a system: name"),
        ("  users: {U0A: 'System:masters'}", "users.U0A: nobody acts as a system: name"),
        ("  users: {U0A: a}\n  groups: {U0A: ['system:masters']}", "groups.U0A.0: nobody acts"),
        ("  users: {U0A: bot}", "users.U0A: bot stands for the bot itself"),
        ("  users: {U0A: 'al ice'}", "users.U0A: a name without spaces"),
        ("  users: {U0A: ''}", "users.U0A: a name without spaces"),
        ("  users: {alice: a}", "users.alice: a Slack user id (U…) is expected"),
        ("  users: {U0A: a, U0A: b}", "U0A stands here twice"),
        ("  users: {U0A: a, U0B: a}", "users.U0B: another account here has this name"),
        ("  people: {U0A: a}", "people: there is no such setting"),
        ("  mail_domains: [corp]", "mail_domains.0: a mail domain such as"),
        ("  mail_domains: [a.b, a.b]", "mail_domains.1: this domain stands here twice"),
        ("  approvers_checked: true", "users or mail_domains must name somebody"),
        ("  users: {U0A: a}\n  groups: {U0B: [c]}", "groups.U0B: users has no name"),
    ],
)
def test_a_map_of_identities_is_refused_at_its_line(tmp_path: Path, text: str, says: str) -> None:
    found = mistakes(with_file(tmp_path, f"self_approval: true\nidentities:\n{text}\n"))
    assert says in found[0]
    line = 4 if "groups" in text else 2 if "must name" in says else 3
    assert found[0].startswith(f"countersign.yaml:{line}: ")
