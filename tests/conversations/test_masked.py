"""Plaintext secrets in a workload's specification reach neither Slack, nor database, nor model."""

import json
from pathlib import Path
from typing import Any

from bot.sandbox.cluster import Cluster
from tests.standins.model import Json, Turn, calls, says
from tests.world import World, shown, world

WEB: Json = {"namespace": "shop", "kind": "deployment", "name": "web"}
# Each stands at another place of the specification, before and after.
OLD = {
    "password": "hunter2-old",
    "orphan": "orphan-old-7",
    "argument": "argument-old-7",
    "header": "header-old-7",
    "note": "annotated-old-7",
    "lines": "first-old-7\nsecond-old-7",
}
NEW = {key: value.replace("old", "new") for key, value in OLD.items()}
SECRETS = [line for values in (OLD, NEW) for value in values.values() for line in value.split("\n")]


def gives(cluster: Cluster, secret: dict[str, str]) -> None:
    """Put secrets into the specification as people do, and leave `kubectl apply`'s annotation."""
    web = cluster.get("Deployment", "shop", "web")
    assert web is not None
    template = web["spec"]["template"]
    container = template["spec"]["containers"][0]
    template["metadata"].setdefault("annotations", {})["shop.example/api-token"] = secret["note"]
    container["args"] = ["--port", "80", "--token", secret["argument"]]
    header = {"name": "X-Api-Key", "value": secret["header"]}
    container["readinessProbe"] = {"httpGet": {"path": "/", "port": 80, "httpHeaders": [header]}}
    container["env"] = [
        {"name": "DB_PASSWORD", "value": secret["password"]},
        {"name": "SIGNING_KEY", "value": secret["lines"]},
        # Three lines above the image: a hunk with its usual context would begin at the value.
        {"name": "API_TOKEN", "value": secret["orphan"]},
        {"name": "LOG_LEVEL", "value": "debug"},
    ]
    annotations = web["metadata"].setdefault("annotations", {})
    annotations.pop("kubectl.kubernetes.io/last-applied-configuration", None)
    applied = json.dumps({**web, "status": None}, separators=(",", ":")) + "\n"
    annotations["kubectl.kubernetes.io/last-applied-configuration"] = applied
    cluster.apply(web)


def looks(request: Json) -> Turn:
    """Use every tool that shows a workload, then repeat what it was shown."""
    results = [m["content"] for m in request["messages"] if m["role"] == "tool"]
    if results:
        return says("\n".join(results)[:2000])
    image = {**WEB, "image": "shop/web:2.3.0"}
    return calls(
        ("k8s_get", WEB),
        ("k8s_get", {"namespace": "shop", "kind": "replicasets"}),
        ("k8s_describe", WEB),
        ("k8s_rollout_status", WEB),
        ("k8s_rollout_history", WEB),
        ("k8s_rollout_history", {**WEB, "revision": 2}),
        ("k8s_set_image", image),
    )


async def everything(chat: World) -> list[tuple[str, str]]:
    """All that was stored, posted or sent to the model, each with where it is."""
    tables = await chat.rows(
        "SELECT format('SELECT %%L AS name, row_to_json(t)::text AS content FROM %%I.%%I t',"
        " table_name, table_schema, table_name) AS query FROM information_schema.tables"
        " WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"
    )
    rows = await chat.rows(" UNION ALL ".join(str(table["query"]) for table in tables))
    found = [(str(row["name"]), str(row["content"])) for row in rows]
    found += [(call.method, json.dumps(dict(call.args))) for call in chat.slack.calls]
    assert chat.model is not None
    return found + [("model", json.dumps(request)) for request in chat.model.requests]


async def test_plaintext_secrets_of_a_workload_are_shown_nowhere(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path, looks) as chat:
        gives(chat.cluster, OLD)
        await chat.cluster.advance(5)
        gives(chat.cluster, NEW)
        await chat.cluster.advance(20)
        for command in ("rollout history deployment/web", "rollout status deployment/web"):
            told = await chat.ask(f"{command} -n shop")
            await chat.reads(told, r"env\[DB_PASSWORD\]\.value changed")
        thread = await chat.ask("what is in web?")
        image_card = await chat.card(thread)
        back = await chat.ask("rollout undo deployment/web -n shop")
        card = await chat.card(back)
        for text in (shown(image_card), shown(card)):
            assert "‹masked›" in text
        assert "env[DB_PASSWORD].value" in shown(card)
        await chat.press("Approve", card, by="alice")
        await chat.reads(back, "verified")
        await chat.quiet(back)
        await chat.press("Approve", image_card, by="bob")  # stale by now: shown anew
        await chat.card(thread, 2)
        await chat.quiet(thread)

        leaks: dict[str, set[str]] = {}
        kept = await everything(chat)
        assert {"tool_calls", "messages", "outbox", "chat.update", "model"} <= dict(kept).keys()
        for place, text in kept:
            for secret in SECRETS:
                if secret in text or secret.encode().hex() in text:
                    leaks.setdefault(secret, set()).add(place)
        assert leaks == {}
        # what was masked for people ran unmasked
        live: Any = chat.cluster.get("Deployment", "shop", "web")
        assert live["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] == "hunter2-old"
