import base64
import json
import time

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from bot.guard.masking import (
    MASK,
    MASK_NOTE,
    Masked,
    mask_finding,
    mask_json,
    mask_preview,
    mask_text,
    would_alter,
)
from bot.guard.masking.names import holds_secret
from tools import ChangedPath, Lines, Manifests, Preview, Report, Table

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
# Put together here, so that no scanner takes this file for a leak.
AWS_ID = "AKIA" + "Q3EGRZ5XN7LUKD4B"
AWS_SECRET = "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYzK8EXAMPLEKEY"[:18]
JWT = "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0." + "dBjftJeZ4CVP-mB92K27uhbUJU1p1r"
PEM = (
    "-----BEGIN RSA PRIVATE KEY-----\n"
    + "\n".join("MIIEowIBAAKCAQEA7" + "x9" * 23 for _ in range(5))
    + "\n-----END RSA PRIVATE KEY-----"
)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"key {AWS_ID} used", AWS_ID),
        (f"{AWS_ID},{AWS_SECRET}", AWS_SECRET),
        ("ghp_" + "a1B2" * 9, "a1B2a1B2"),
        ("github_pat_" + "11ABCDE0Y" * 4, "11ABCDE0Y1"),
        ("clone glpat-" + "x9Zq" * 5, "x9Zqx9Zq"),
        ("xoxb-" + "1234567890-abcdefGHIJ", "abcdefGHIJ"),
        ("xapp-1-" + "A012345-6789-abcdef", "6789-abcdef"),
        ("POST https://hooks.slack.com/services/T0001/B0001/abcDEF123", "abcDEF123"),
        ("sk-" + "abcd1234" * 5, "abcd1234abcd"),
        ("sk-proj-" + "abcdEFGH_ijkl" * 2, "EFGH_ijkl"),
        ("sk-ant-" + "api03-abcdEFGH", "abcdEFGH"),
        ("sk_live_" + "4eC39HqLyjWDarjt", "4eC39Hq"),
        ("npm_" + "a1B2c3" * 6, "a1B2c3a1"),
        ("pypi-AgE" + "IcHlwaS5vcmcCJDU3" * 3, "IcHlwaS5"),
        ("AIza" + "SyD3-x9" * 5, "SyD3-x9S"),
        (f"got {JWT}!", JWT[24:60]),
        ("Authorization: Bearer abc123def456", "abc123"),
        ("authorization: basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ('{"Authorization":"Bearer q.w-e_1234"}', "q.w-e_1234"),
        ('-H "X-Api-Key: 7f3c9a"', "7f3c9a"),
        ("X-Vault-Token: hvs.CAESIJlU02LQZq5u", "CAESIJlU02"),
        ("Set-Cookie: session=abc123; Path=/", "abc123"),
        ("password=hunter2", "hunter2"),
        ("password = 'hun ter2'", "hun ter2"),
        ('PASSWORD="hunter2;x"', "hunter2"),
        ("DB_PASSWORD: hunter2", "hunter2"),
        ("db.password=hunter2&x=1", "hunter2"),
        ("spring.datasource.password: s3cr,et", "et"),
        ('"client_secret": "a\\"bc-9"', "bc-9"),
        ('\\"password\\":\\"hunter2\\"', "hunter2"),
        ('\\\\\\"password\\\\\\":\\\\\\"hunter2\\\\\\"', "hunter2"),
        ("'api_key' => 'hunter2'", "hunter2"),
        ("apiKey := hunter2", "hunter2"),
        ("GET /x?user=a&token=hunter2&b=c", "hunter2"),
        ("GET /x?access_token=hunter2 HTTP/1.1", "hunter2"),
        ("blob?sv=2024&sig=" + "aB3%2F" * 6, "aB3%2F"),
        ("--password hunter2 --user bo", "hunter2"),
        ("--token=hunter2", "hunter2"),
        ("secret: hunter2", "hunter2"),
        ("password: hunter and more", "hunter"),
        ("ENCRYPTION_KEY=hunter2", "hunter2"),
        ("postgres://app:hunter2@db:5432/shop", "hunter2"),
        ("redis://:hunter2@cache:6379", "hunter2"),
        ("amqp://a:p@ss@mq/", "p@ss"),
        ("app:hunter2@tcp(db:3306)/shop", "hunter2"),
        ("Server=db;User Id=sa;Password=hunter2;", "hunter2"),
        ("host=db user=a password=hunter2 dbname=x", "hunter2"),
        ("AccountName=x;AccountKey=" + "Zm9v" * 8 + "==;Endpoint", "Zm9vZm9v"),
        ("curl -s -u admin:hunter2 https://x", "hunter2"),
        ("mysql -uroot -phunter2 -P 3306", "hunter2"),
        ("redis-cli -p 6379 -a hunter2", "hunter2"),
        ("sshpass -p hunter2 ssh x", "hunter2"),
        ("docker login -u bo -p hunter2", "hunter2"),
        ("echo -n 'hunter2' | helm registry login -u bo --password-stdin r.example", "hunter2"),
        ("vault login s.Ab12Cd34Ef56", "s.Ab12Cd34Ef56"),
        ("Mot de passe : hunter2", "hunter2"),
        ("la contraseña: hunter2", "hunter2"),
        ("machine x.org login bo password hunter2", "hunter2"),
        ("PGPASSWORD=hunter2 psql", "hunter2"),
        ("password: 'it''s hunter2'", "hunter2"),
        ("--from-literal=apikey=hunter2", "hunter2"),
        ("CREATE USER a IDENTIFIED BY 'hunter2'", "hunter2"),
        ('"auth": "' + base64.b64encode(b"bo:hunter2").decode() + '"', "Ym86"),
        ("x\n" + PEM + "\ny", "MIIEow"),
        (json.dumps({"private_key": PEM}), "MIIEow"),
        (PEM[:200], "MIIEow"),
        (base64.b64encode(PEM.encode()).decode(), "TUlJRW93"),
        ("password: |\n  hunter2\n  more\nnext: 1", "hunter2"),
        ("escaped\\nghp_" + "a1B2" * 9, "a1B2a1B2"),
        ("pass\u00efe password=hunter2 \ud800", "hunter2"),
    ],
)
def test_credentials_are_masked(text: str, secret: str) -> None:
    assert secret in text
    masked = mask_text(text)
    assert secret not in masked.text
    assert "‹masked" in masked.text
    assert masked.count >= 1
    assert mask_text(masked.text).text == masked.text
    assert mask_text(masked.text).count == 0


def test_what_is_around_a_secret_stays() -> None:
    assert mask_text("user=bo password=hunter2 port=1").text == f"user=bo password={MASK} port=1"
    assert mask_text("redis://:pw1@c:6379/0").text == f"redis://:{MASK}@c:6379/0"
    assert mask_text(f"id {AWS_ID}.").text == "id ‹masked: AWS key›."
    assert mask_text(f"a\n{PEM}\nb").text == "a\n‹masked: private key›\nb"
    assert mask_text("password: |\n  a1\n  b2\nnext: 1").text == f"password: |\n  {MASK}\nnext: 1"
    assert mask_text("Authorization: Bearer abc123def").text == f"Authorization: Bearer {MASK}"
    assert mask_text(f"token={JWT}").text == "token=‹masked: JWT›"


HONEST = """\
2026-11-25T14:22:12.123456Z INFO shop/web-7d9f8b6c5d-x2x4z GET /api/orders/123 200 12ms
image nginx@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 pulled
commit 4bf92f3577b34da6a3ce929d0e0e4736aabbccdd on main, uid 0b6d4a4e-58a3-4d2b-9f7e-3c1f1c2d3e4f
resourceVersion: "183467291" generation: 7
the token bucket algorithm limits requests; a secret is a kind of object
MountVolume.SetUp failed for volume "certs": secret "web-tls" not found
secretName: web-tls
"Reconciling" secret="shop/web-tls" controller="certificate"
imagePullSecrets: regcred
serviceAccountToken: true
automountServiceAccountToken: true
secretKeyRef: {name: db, key: password}
existingSecret: db-credentials
max_tokens: 4096 prompt_tokens=512 tokens: 12
error: unexpected token: foo at line 3
password: must not be empty
Password authentication failed for user "app"
PASSWORD_FILE=/run/secrets/db
DB_PASSWORD=$DB_PASSWORD
DB_PASSWORD: ${DB_PASSWORD}
API_TOKEN:  <set to the key 'token' in secret 'api'>  Optional: false
password:  16 bytes
token: ""
password=null
checksum/secret: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
partition_key=orders sort_key=id
nextPageToken: CAUQAA
pod sk-payments-api-7d9f8b6c5d-x2x4z started, disk-sk-etl-nightly-batch-worker
https://registry.example.com:5000/shop/web@sha256:abcdef0123456789
http://web.shop.svc:8080/healthz@now git@github.com:acme/shop.git bo@example.com
authorization: failed to reach the server; Authorization: RBAC
Bearer authentication is required; basic configuration done
icon: data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk
caBundle: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSURCVENDQWUyZ0F3SUJBZ0lJ
-----BEGIN CERTIFICATE-----
MIIDBTCCAe2gAwIBAgIIYs1u2l5cZ5kwDQYJKoZIhvcNAQELBQAwFTETMBEGA1UE
-----END CERTIFICATE-----
redis-cli -p 6379 ping; mysql -P 3306 shop; docker login -u bo
token has expired; missing token: expected ')'; no such key: foo; image: acme/token-service:1.2
keyboard: us monkey=3 primary key: id
"""


@pytest.mark.parametrize("line", HONEST.splitlines())
def test_what_only_resembles_a_secret_survives(line: str) -> None:
    assert mask_text(line).text == line


def test_an_honest_log_survives_whole() -> None:
    assert mask_text(HONEST) == type(mask_text(""))(HONEST, 0)


def _secret(**metadata: JsonValue) -> dict[str, JsonValue]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "db", "namespace": "shop", **metadata},
        "data": {"user": "Ym8=", "config.json": "eyJhIjoxfQ==", "empty": ""},
        "stringData": {"plain": "words"},
    }


HIDDEN_SECRET = {
    "data": {"user": MASK, "config.json": MASK, "empty": ""},
    "stringData": {"plain": MASK},
}


def test_secrets_keep_their_keys_only() -> None:
    masked, count = mask_json(_secret())
    assert masked == {**_secret(), **HIDDEN_SECRET}
    assert count == 3


def test_secrets_in_lists_and_annotations_are_masked() -> None:
    applied = json.dumps(_secret(), separators=(",", ":")) + "\n"
    outer = _secret(annotations={"kubectl.kubernetes.io/last-applied-configuration": applied})
    untyped = {key: value for key, value in _secret().items() if key not in {"kind", "apiVersion"}}
    masked, _ = mask_json(
        [{"kind": "List", "items": [outer]}, {"kind": "SecretList", "items": [untyped]}]
    )
    text = json.dumps(masked, ensure_ascii=False)
    assert "Ym8=" not in text
    assert "words" not in text
    assert text.count("‹masked›") == 9
    assert "config.json" in text


def test_a_cut_off_or_embedded_secret_is_masked() -> None:
    whole = json.dumps(_secret())
    for text in (
        whole[:-40],
        f"applied {whole} to shop",
        f'level=info obj="{whole}"',
        json.dumps(whole),
    ):
        assert "Ym8=" not in mask_text(text).text, text
        assert mask_text(mask_text(text).text).count == 0


def test_secrets_in_yaml_text_are_masked() -> None:
    documents = [_secret(), {"kind": "ConfigMap", "data": {"user": "bo"}}]
    listed = {"kind": "List", "items": [documents[1], documents[0]]}
    for text in (
        yaml.safe_dump_all(documents),
        yaml.safe_dump(listed),
        yaml.safe_dump(listed, sort_keys=False),
    ):
        masked = mask_text(text)
        assert "Ym8=" not in masked.text
        assert "words" not in masked.text
        assert "user: bo" in masked.text
        assert "name: db" in masked.text
        assert masked.count == 3
        assert mask_text(masked.text).count == 0
    block = "kind: Secret\ndata:\n  a: >-\n    Zm9v\n    YmFy\n  b: x\ntype: Opaque\n"
    assert mask_text(block).text.split() == [
        "kind:", "Secret", "data:", "a:", MASK, "b:", MASK, "type:", "Opaque",
    ]  # fmt: skip


DEPLOYMENT: dict[str, JsonValue] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {
        "name": "web",
        "uid": "0b6d4a4e-58a3-4d2b-9f7e-3c1f1c2d3e4f",
        "resourceVersion": "183467291",
        "annotations": {
            "checksum/secret": "9f86d081884c7d659a2feaa0c55ad015",
            "icon": "iVBORw0KGgo=",
        },
    },
    "spec": {
        "template": {
            "spec": {
                "serviceAccountName": "token",
                "volumes": [{"name": "token", "secret": {"secretName": "db"}}],
                "imagePullSecrets": [{"name": "regcred"}],
                "containers": [
                    {
                        "name": "web",
                        "image": "shop/web@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822c",
                        "args": ["--password=hunter2", "--token", "hunter2", "--port", "80"],
                        "command": ["sh", "-c", "exec web --secret 'hunter2'"],
                        "env": [
                            {"name": "DB_PASSWORD", "value": "hunter2"},
                            {"name": "STRIPE_KEY", "value": "hunter2"},
                            {"name": "DATABASE_URL", "value": "postgres://a:hunter2@db/x"},
                            {"name": "LOG_LEVEL", "value": "debug"},
                            {"name": "TOKEN_FILE", "value": "/run/token"},
                            {
                                "name": "API_TOKEN",
                                "valueFrom": {"secretKeyRef": {"name": "api", "key": "token"}},
                            },
                        ],
                    }
                ],
            }
        }
    },
}


def test_a_deployment_loses_its_secrets_and_nothing_else() -> None:
    masked, count = mask_json(DEPLOYMENT)
    assert count == 6
    expected = json.dumps(DEPLOYMENT).replace("hunter2", MASK)
    assert json.loads(json.dumps(masked)) == json.loads(expected)
    assert mask_json(masked) == (masked, 0)


def test_config_maps_and_helm_releases() -> None:
    config: dict[str, JsonValue] = {
        "kind": "ConfigMap",
        "metadata": {"name": "app"},
        "data": {
            "app.env": "PASSWORD=hunter2\nPORT=80",
            "dbPassword": "hunter2",
            "motto": "be kind",
        },
    }
    masked, count = mask_json(config)
    assert isinstance(masked, dict)
    assert masked["data"] == {
        "app.env": f"PASSWORD={MASK}\nPORT=80",
        "dbPassword": MASK,
        "motto": "be kind",
    }
    assert count == 2
    release: JsonValue = {
        "kind": "ConfigMap",
        "metadata": {"name": "sh.helm.release.v1.web.v3"},
        "data": {"release": "H4sIAAAA"},
    }
    assert "H4sI" not in str(mask_json(release)[0])


def test_an_external_secret_names_its_keys() -> None:
    external: JsonValue = {
        "kind": "ExternalSecret",
        "spec": {"data": [{"secretKey": "password", "remoteRef": {"key": "prod/db"}}]},
    }
    assert mask_json(external) == (external, 0)


@pytest.mark.parametrize(
    ("text", "masks"),
    [
        ("env:\n- name: DB_PASSWORD\n  value: hunter2\n- name: LOG_LEVEL\n  value: debug\n", 1),
        ("- value: hunter2\n  name: DB_PASSWORD\n- name: LOG_LEVEL\n  value: debug\n", 1),
        ('  - name: "DB_PASSWORD"\n    value: "hunter2 and more"\n', 1),
        ("- name: DB_PASSWORD\n  value: 'hunter2\n\n    hunter2'\n- name: A\n  value: b\n", 2),
        ("- name: DB_PASSWORD\n  value: |-\n    hunter2\n    b: hunter2\n- name: A\n", 2),
        ("- name: DB_PASSWORD\n  x:\n    deep: 1\n  value: hunter2\n", 1),
        (" - name: DB_PASSWORD\n-  value: hunter2\n+  value: hunter2\n", 2),
        ("-    - name: DB_PASSWORD\n-      value: hunter2\n", 1),
        ("+    - name: DB_PASSWORD\n+      value: |\n+        hunter2\n+        hunter2\n", 2),
        # the name of the first value is out of sight
        ("@@ -3,4 +3,4 @@\n   value: hunter2\n - name: A\n   value: b\n-x: 1\n+x: 2\n", 1),
        ("{name: DB_PASSWORD, value: hunter2}", 1),
        ('cut {"name":"DB_PASSWORD","value":"hunter2"},{"na', 1),
        ('cut {"value":"hunter2","name":"DB_PASSWORD"},{"na', 1),
        ('"{\\"name\\":\\"DB_PASSWORD\\",\\"value\\":\\"hunter2\\"}"', 1),
        ('{\n  "name": "DB_PASSWORD",\n  "value": "hunter2"\n}', 1),
        ("{Name:DB_PASSWORD Value:hunter2 ValueFrom:nil}", 1),
        ('core.EnvVar{Name:"DB_PASSWORD", Value:"hunter2", ValueFrom:nil}', 1),
        ("args:\n- --port\n- '80'\n- --token\n- hunter2\n", 1),
        ("     args:\n-    - --token\n-    - hunter2\n+    - --token\n+    - hunter2\n", 2),
        ('ran ["web", "--token", "hunter2", "--port", "80"]', 1),
        ("DB_PW=hunter2", 1),
        ("SECRET_KEY_BASE=hunter2", 1),
    ],
)
def test_values_beside_their_names(text: str, masks: int) -> None:
    masked = mask_text(text)
    assert "hunter2" not in masked.text
    assert masked.text.count(MASK) == masks
    for plain in ("LOG_LEVEL", "debug", "80", "value: b", "DB_PASSWORD", "deep: 1"):
        assert (plain in text) == (plain in masked.text)
    assert mask_text(masked.text) == Masked(masked.text, 0)


@pytest.mark.parametrize(
    "text",
    [
        "- name: DB_PASSWORD\n  valueFrom:\n    secretKeyRef:\n      key: password\n",
        "- name: DB_PASSWORD\n  value: $(OTHER)\n- name: TOKEN_FILE\n  value: /run/token\n",
        "volumes:\n- name: token\n- name: x\n  value: y\n",
        "- name: LOG_LEVEL\n  value: debug\nname: DB_PASSWORD\n",
        '{"name":"LOG_LEVEL","value":"debug"}',
        "args:\n- --token\n- --port\n- '80'\n",
        "@@ -3,3 +3,3 @@\n - name: A\n   value: b\n-x: 1\n+x: 2\n",
    ],
)
def test_values_of_other_names_stay(text: str) -> None:
    assert mask_text(text) == Masked(text, 0)


def test_a_short_number_under_the_name_of_a_password_is_masked() -> None:
    password: JsonValue = {"name": "DB_PASSWORD", "value": "1234"}
    port: JsonValue = {"name": "PORT", "value": "1234"}
    masked, count = mask_json([password, port, {"password": 1234, "port": 1234}])
    assert count == 2
    assert str(masked).count("1234") == 2


def test_what_kubectl_applied_last_is_masked() -> None:
    applied = json.dumps(DEPLOYMENT, separators=(",", ":")) + "\n"
    metadata: JsonValue = {"annotations": {LAST_APPLIED: applied}}
    masked, count = mask_json({"kind": "Deployment", "metadata": metadata})
    assert "hunter2" not in str(masked)
    assert "debug" in str(masked)
    assert count >= 5


def test_findings() -> None:
    lines = Lines(("ok", *PEM.split("\n"), "password=hunter2"), note="15 m")
    masked, count = mask_finding(lines)
    assert masked == Lines(("ok", "‹masked: private key›", f"password={MASK}"), note="15 m")
    assert count == 2
    table = Table(("NAME", "VALUE"), (("DB_PASSWORD", "hunter2"), ("PORT", "80")))
    assert mask_finding(table) == (Table(table.columns, (("DB_PASSWORD", MASK), ("PORT", "80"))), 1)
    column = Table(("USER", "PASSWORD"), (("bo", "hunter2"),))
    assert mask_finding(column) == (Table(column.columns, (("bo", MASK),)), 1)
    named = Table(("NAME", "READY", "SECRET"), (("shop-example", "True", "shop-example-tls"),))
    assert mask_finding(named) == (named, 0)
    for value in ("s3cr3t-x7Kq", "9f86d081-884c-4d63", "hunter2hunter", "Str0ng!", "x7k2p9m4"):
        held = Table(named.columns, (("shop-example", "True", value),))
        assert mask_finding(held)[1] == 1, value
    short = Table(("A", "B", "C"), (("1", "token=hunter2"), ("1", "2", "3", "password=hunter2")))
    assert "hunter2" not in str(mask_finding(short)[0])
    manifests = Manifests((DEPLOYMENT, _secret()))
    masked, count = mask_finding(manifests)
    assert count == 9
    assert "hunter2" not in str(masked)
    report = Report(("password=hunter2",), {"findings": [{"evidence": ["password=hunter2"]}]})
    assert mask_finding(report) == (
        Report((f"password={MASK}",), {"findings": [{"evidence": [f"password={MASK}"]}]}),
        2,
    )
    clean = Lines(("nothing here",))
    assert mask_finding(clean) == (clean, 0)


def _preview(**changed: object) -> Preview:
    given_fields = {
        "summary": "Scale `deployment/web` in `shop` from 3 to 5 replicas",
        "changes": (ChangedPath(path="spec.replicas", before=3, after=5),),
        "diff": "-  replicas: 3\n+  replicas: 5\n",
        "fingerprint": "ab" * 32,
        "before": {"replicas": 3},
        "way_back": "scale back to 3",
        **changed,
    }
    return Preview.model_validate(given_fields)


def test_a_preview_without_secrets_is_the_same() -> None:
    assert mask_preview(_preview()) == (_preview(), False)


def test_a_way_back_with_a_secret_is_none() -> None:
    env: JsonValue = [{"name": "DB_PASSWORD", "value": "hunter2"}]
    preview = _preview(
        changes=(
            ChangedPath(
                path="spec.template.spec.containers[web].env[DB_PASSWORD].value",
                before="hunter2",
                after="hunter3",
            ),
        ),
        diff="-            - name: DB_PASSWORD\n-              value: x\n+ password: hunter2\n",
        before={"template": {"spec": {"containers": [{"name": "web", "env": env}]}}},
        warnings=("token=hunter2 is in the template",),
    )
    masked, altered = mask_preview(preview)
    assert altered
    assert masked.way_back == ""
    assert masked.fingerprint == preview.fingerprint
    assert "hunter" not in masked.model_dump_json()
    assert masked.changes[0].path == preview.changes[0].path
    assert Preview.model_validate_json(masked.model_dump_json()) == masked


def test_a_value_hidden_in_the_changes_is_hidden_in_every_text() -> None:
    path = "spec.template.spec.containers[web].env[DB_PASSWORD].value"
    preview = _preview(
        summary="Set it to correct-horse",
        effect="env[DB_PASSWORD].value hunter2 → correct-horse · 3 pods",
        changes=(ChangedPath(path=path, before="hunter2", after="correct-horse"),),
        diff="@@ -1 +1 @@\n-  was: hunter2\n+  was: correct-horse\n",
        warnings=("hunter2 is short",),
        cautions=("hunter2 is used just now",),
        notes=("it was hunter2, not hunter22",),
        before={},
        way_back="back to hunter2",
    )
    masked, altered = mask_preview(preview)
    assert altered
    text = masked.model_dump_json().replace("hunter22", "")
    assert "hunter2" not in text
    assert "correct-horse" not in text
    assert masked.effect == f"env[DB_PASSWORD].value {MASK} → {MASK} · 3 pods"
    assert masked.notes == (f"it was {MASK}, not hunter22",)


def test_names_that_only_look_like_secrets_hide_nothing_of_a_card() -> None:
    place = "spec.template.spec.containers[token]"
    key: JsonValue = {"secretKeyRef": {"name": "db", "key": "password"}}
    changes = (
        ChangedPath(path=f"{place}.image", before="a:1", after="a:2"),
        ChangedPath(path=f"{place}.env[DB_PASSWORD].valueFrom", before=None, after=key),
        ChangedPath(path=f"{place}.env[LOG_LEVEL].value", before="info", after="debug"),
        ChangedPath(path="spec.template.spec.volumes[x].secret", before=None, after={"mode": 1}),
    )
    assert mask_preview(_preview(changes=changes))[0].changes == changes
    removed = ChangedPath(
        path=f"{place}.env[DB_PASSWORD]",
        before={"name": "DB_PASSWORD", "value": "hunter2"},
        after=None,
    )
    masked, _ = mask_preview(_preview(changes=(removed,)))
    assert masked.changes[0].before == {"name": "DB_PASSWORD", "value": MASK}


def test_a_secrets_preview_hides_its_data() -> None:
    preview = _preview(
        summary="Change `secret/db` in `shop`",
        changes=(ChangedPath(path="data.user", before="Ym8=", after="YW5h"),),
        diff="@@ -1,3 +1,3 @@\n data:\n-  user: Ym8=\n+  user: YW5h\n   config: e30=\n",
        before={},
        way_back="",
    )
    masked, altered = mask_preview(preview)
    assert not altered
    assert masked.changes == (ChangedPath(path="data.user", before=MASK, after=MASK),)
    assert (
        masked.diff
        == f"@@ -1,3 +1,3 @@\n data:\n-  user: {MASK}\n+  user: {MASK}\n   config: {MASK}\n"
    )


def test_the_secret_whole_in_before() -> None:
    masked, altered = mask_preview(_preview(before=_secret()))
    assert altered
    assert "Ym8=" not in masked.model_dump_json()
    yaml_diff = (
        "--- a\n+++ b\n@@ -1,4 +1,4 @@\n apiVersion: v1\n kind: Secret\n data:\n"
        "-  user: Ym8=\n+  user: YW5h\n type: Opaque\n"
    )
    assert mask_text(yaml_diff).text == yaml_diff.replace("Ym8=", MASK).replace("YW5h", MASK)
    masked, _ = mask_preview(_preview(diff=yaml_diff))
    assert "Ym8=" not in masked.diff
    assert "YW5h" not in masked.diff


def test_arguments_that_masking_would_alter_are_named() -> None:
    arguments: dict[str, JsonValue] = {
        "namespace": "shop",
        "name": "web-7d9f8b6c5d-x2x4z",
        "image": "shop/web@sha256:" + "9f86d081" * 8,
        "replicas": 5,
        "manifest": yaml.safe_dump(_secret()),
        "value": "sk-" + "abcd1234" * 5,
        "password": "hunter2",
    }
    assert would_alter(arguments) == ["manifest", "value", "password"]


def test_the_model_is_told() -> None:
    assert MASK in MASK_NOTE


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "DB_PASS",
        "clientSecret",
        "aws_secret_access_key",
        "AWS_ACCESS_KEY_ID",
        "apiKey",
        "API_KEY_2",
        "client-key-data",
        "SENTRY_DSN",
        "AccountKey",
        "Zugangspasswort",
        "dbKennwort",
    ],
)
def test_names_of_secrets(name: str) -> None:
    assert holds_secret(name)
    assert holds_secret(name, environment=True)


@pytest.mark.parametrize(
    "name",
    [
        "secretName",
        "tokens",
        "passwordFile",
        "PUBLIC_KEY",
        "keyboard",
        "compass",
        "bypass",
        "tokenExpirationSeconds",
        "secretRef",
        "pass",
        "key",
        "",
        "checksum/secret",
    ],
)
def test_names_of_other_things(name: str) -> None:
    assert not holds_secret(name)


# Fragments that go together badly: what one search leaves behind is what the next finds.
fragment = st.sampled_from(
    [
        *(
            "password",
            "token",
            "secret",
            "=",
            ":",
            " ",
            "\n",
            '"',
            "'",
            "\\",
            '\\"',
            "--",
            "://",
            "@",
        ),
        *("a:b", "hunter2", MASK, "‹masked: JWT›", "‹", "›", AWS_ID, AWS_SECRET, JWT, "é", "|\n"),
        *("ghp_" + "a1B2" * 5, "Bearer ", "Authorization: ", "curl -u a:", "{", "}", ","),
        *("-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----"),
        *("- name: DB_PASSWORD\n", "  value: ", "  value: |\n    ", "@@ -1 +1 @@\n", "+", "-  "),
        *(
            '"name":"DB_PASSWORD",',
            '"value":"',
            "- --token\n",
            "- ",
            '["--token","',
            "name: X_KEY ",
        ),
        *("kind: Secret\n", "data:\n", "  a: b\n", '{"kind":"Secret","data":{"a":"b"}}'),
    ]
)


@settings(deadline=None)  # the machine may be busy
@given(st.lists(fragment, max_size=14).map("".join))
def test_masking_twice_changes_nothing_more(text: str) -> None:
    once = mask_text(text)
    again = mask_text(once.text)
    assert again.text == once.text
    assert again.count == 0
    assert (once.count == 0) == (once.text == text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12) | fragment,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["kind", "data", "name", "value", "password", "items", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)  # the machine may be busy
@example({"value": -1, "name": "AKIAQ3EGRZ5XN7LUKD4B"})
@given(json_values)
def test_masking_json_twice_changes_nothing_more(value: JsonValue) -> None:
    once, _ = mask_json(value)
    assert mask_json(once) == (once, 0)


@settings(deadline=None)  # the machine may be busy
@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=80))
def test_any_text_is_taken(text: str) -> None:
    mask_text(text)


def _milliseconds(text: str) -> float:
    mask_text("warm up password=x")
    start = time.process_time()  # whatever else the machine does meanwhile
    mask_text(text)
    return (time.process_time() - start) * 1000


def test_masking_is_not_quadratic() -> None:
    for worst in (
        HONEST,
        'password="',
        "token \\",
        "-----BEGIN PRIVATE KEY-----",
        "a:b@",
        "kind: Secret\n",
        "{",
        "Secret" + "\\" * 24_000,
        'Secret "data":{',
        '{"kind":"Secret","data":{"a":"b"}}\n',
        "password=‹masked",
        "- name: DB_PASSWORD\n  value: x\n",
        "  value: |\n",
        "@@ -1 +1 @@\n-  - value: x\n",
        "- --token\n",
        '"value":"x',
        "name=x_key,",
        "  " * 50 + "value: x\n",
        "".join(" " * depth + "value:\n" for depth in range(400)),
    ):
        # four times this takes four times as long; what is quadratic takes sixteen
        assert _milliseconds((worst * (25_000 // len(worst) + 1))[:25_000]) < 500, worst[:40]
