"""What a model writes into its calls is masked before it is stored, and then refused in words."""

import json
from pathlib import Path

from tests.conversations.test_masked import everything
from tests.standins.model import calls, says
from tests.world import world

SECRETS = ("hunt3r2xQ-", "correct-h0rse-", "battery-st4ple-", "tr0ub4dor-")
PLACE = {"namespace": "shop", "kind": "deployment", "name": "web"}


async def test_a_credential_in_a_wish_is_refused_and_not_kept(dsn: str, tmp_path: Path) -> None:
    name, grep, text, broken = SECRETS
    token = "ghp_" + "a1B2" * 9
    script = [
        calls(
            (f"k8s_get_password={name}", {}),
            ("k8s_logs", {**PLACE, "grep": f"password={grep}"}),
            ("k8s_set_image", {**PLACE, "image": f"shop/web:{token}"}),
            ("k8s_get", f'{{"password": "{broken}", '),
            ("k8s_get", {**PLACE, "client_secret": text}),
            ("k8s_get", PLACE),
        ),
        says("I cannot."),
    ]
    async with world(dsn, tmp_path, script) as chat:
        thread = await chat.ask("look into web")
        await chat.reads(thread, r"I cannot\.")
        await chat.quiet(thread)
        assert chat.model is not None
        told = [m["content"] for m in chat.model.requests[-1]["messages"] if m["role"] == "tool"]
        refused = [said for said in told if "looks like a credential" in said]
        assert len(refused) == 5
        assert [said.split(" looks")[0] for said in refused] == [
            "The tool's name",
            "grep",
            "image",
            "What was asked for",
            "client_secret",
        ]
        assert len(told) == 6, "what holds none was looked at"
        kept = await everything(chat)
        assert {"messages", "checkpoint_blobs", "model"} <= dict(kept).keys()
        for place, content in kept:
            for secret in (*SECRETS, token):
                assert secret not in content, place
                assert secret.encode().hex() not in content, place
                assert json.dumps(secret) not in content, place
