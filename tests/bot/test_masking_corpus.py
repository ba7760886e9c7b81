"""Masking on the corpus of formats: what it reached on the part held out, it keeps."""

import json
import re
from random import Random

import pytest
from pydantic import JsonValue

from bot.guard.masking import MASK, Masked, mask_json, mask_text
from bot.guard.masking.patterns import FORMS, HASHES, WITHIN, Form, Within
from bot.sandbox.cluster.seed import base, surroundings
from tests.corpus.masking import values
from tests.corpus.masking.cases import Case, cases
from tests.corpus.masking.measure import Count, false_alarms, missed, survives, total

# Reached on the part that was held out: none of so many missed, no mask in so many lines.
HELD_OUT, HONEST_LINES = 1327, 1907
_ALPHABETS = {
    "A": values.ALNUM,
    "W": values.URL64,
    "B": values.B64,
    "U": values.UPALNUM,
    "L": values.LOWALNUM,
    "H": values.HEX,
    "D": values.DIGITS,
}


def _named(found: list[Case]) -> list[str]:
    return [f"{case.family}: {case.name}" for case in found]


def test_no_credential_that_was_held_out_is_missed() -> None:
    held_out = [case for case in cases() if case.held_out]
    assert len(held_out) == HELD_OUT
    assert _named([case for case in held_out if missed(case)]) == []


def test_the_values_make_no_difference() -> None:
    assert _named([case for case in cases("drawn anew: ") if missed(case)]) == []


def test_each_case_holds_its_secrets_and_a_masked_one_is_done() -> None:
    for case in cases()[::3]:
        assert all(survives(secret, case.text) for secret in case.secrets), case.name
        masked = mask_text(case.text)
        assert masked.count, case.name
        assert mask_text(masked.text) == Masked(masked.text, 0), case.name


def test_nothing_honest_is_masked() -> None:
    assert total(false_alarms(held_out=True).values()) == Count(0, HONEST_LINES)
    alarms = {kind: count.found for kind, count in false_alarms(held_out=False).items()}
    assert not any(alarms.values()), alarms


def test_of_the_demo_cluster_only_its_secrets_are_masked() -> None:
    for manifest in [*base(), *surroundings()]:
        hidden = len(manifest["data"]) if manifest["kind"] == "Secret" else 0
        assert mask_json(manifest)[1] == hidden, manifest["metadata"]["name"]
        assert (mask_text(json.dumps(manifest)).count > 0) == (hidden > 0)


def _example(template: str) -> str:
    rng = Random(template)

    def drawn(match: re.Match[str]) -> str:
        return values.text(rng, _ALPHABETS[match[1]], int(match[2]))

    return re.sub(r"\{([AWBULHD])(\d+)\}", drawn, template)


@pytest.mark.parametrize(
    "pattern", [*FORMS, *HASHES, *WITHIN], ids=lambda pattern: f"{pattern.kind} {pattern.example}"
)
def test_each_pattern_hides_its_example(pattern: Form | Within) -> None:
    if not pattern.example:
        return  # base64 of a private key: drawn in the corpus
    example = _example(pattern.example)
    assert mask_text(f"it said {example}, twice").text == f"it said ‹masked: {pattern.kind}›, twice"


@pytest.mark.parametrize(
    "text",
    [
        "password: $oidc.okta.clientSecret",
        "client_secret = $__file{/etc/secrets/oauth}",
        "DB_PASSWORD=vault:secret/data/shop/db#password",
        "API_TOKEN: op://ops/shop-api/token",
        "API_TOKEN: arn:aws:secretsmanager:eu-west-1:111122223333:secret:shop/db-a1B2c3",
        "password: ENC[AES256_GCM,data:Tr7o=,iv:1=,tag:k=,type:str]",
        "password: ${DB_PASSWORD:?must be set}",
        "token = os.environ['TOKEN'], secret: process.env.SECRET",
        "token: os.environ/API_TOKEN",
        '"automount_service_account_token": "bool"',
        "input_cost_per_token: 0.00000015",
        "auth-secret: shop/basic-auth",
        "passwordSecretKey: admin-password",
        "the password is wrong, the token is expired, the secret is mounted",
        "the password is 12 characters long and 90 days old since 2026-11-25",
        "login as admin / editor, user/group 1000/1000",
        "GET /v1/secrets/db-password 403",
        "?key=users/bo/orders/2026/11/25 &code=ECONNREFUSED",
    ],
)
def test_references_and_talk_stay(text: str) -> None:
    assert mask_text(text) == Masked(text, 0)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("the root password is hunter2!", f"the root password is {MASK}!"),
        ("password for bo is `correct horse`", "password for bo is `correct horse`"),  # no one word
        ("password for bo is `correct-horse`", f"password for bo is `{MASK}`"),
        ("log in with admin / hunter22.", f"log in with admin / {MASK}."),
        ("<password>hunter2</password>", f"<password>{MASK}</password>"),
        ('{"smtp":{"pass":"hunter2"}}', f'{{"smtp":{{"pass":"{MASK}"}}}}'),
        ('{"tests":{"pass":"twelve"}}', '{"tests":{"pass":"twelve"}}'),
        ("'password' => 'hunter2', 'port' => 80", f"'password' => '{MASK}', 'port' => 80"),
        ("rabbitmqctl add_user app hunter2", f"rabbitmqctl add_user app {MASK}"),
        ("mysql -u root -p'hunter 2' shop", f"mysql -u root -p'{MASK}' shop"),
        ("mysql -u root -p$PASSWORD shop", "mysql -u root -p$PASSWORD shop"),
    ],
)
def test_only_the_value_is_masked(text: str, masked: str) -> None:
    assert mask_text(text).text == masked


def test_the_private_members_of_a_json_web_key() -> None:
    key: dict[str, JsonValue] = {"kty": "EC", "x": "public", "d": "private"}
    assert mask_json({"keys": [key]}) == ({"keys": [{**key, "d": MASK}]}, 1)
    assert mask_json({"d": "a day"}) == ({"d": "a day"}, 0)


def test_a_value_of_a_far_away_name_in_a_long_mapping() -> None:
    between = "".join(f"  x{number}:\n    deep: {number}\n" for number in range(300))
    assert mask_text(f"- name: DB_PASSWORD\n{between}  value: hunter2\n").count == 1
    assert mask_text(f"- value: hunter2\n{between}  name: DB_PASSWORD\n").count == 1
    assert mask_text(f"- name: DB_PASSWORD\n- x: 1\n{between}  value: hunter2\n").count == 0
