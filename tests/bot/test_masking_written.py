"""What is written into a Secret is known by the document, not by how its text looks."""

import pytest

from bot.guard.masking import MASK, mask_arguments, would_alter
from tools import JsonObject

_META = "apiVersion: v1\nmetadata: {name: fresh}\n"
_DATA = "data:\n  blob: aHVudGVyMg==\n"
MANIFESTS = {
    "a comment behind": f"{_META}kind: Secret # ours\n{_DATA}",
    "quoted": f'{_META}"kind": Secret\n{_DATA}',
    "a tag": f"{_META}kind: !!str Secret\n{_DATA}",
    "folded": f"{_META}kind: >-\n  Secret\n{_DATA}",
    "flow": "{apiVersion: v1, kind: Secret, stringData: {note: hunter2}}",
    "escaped": f'{_META}kind: "S\\u0065cret"\n{_DATA}',
    "an explicit key": f"? kind\n: Secret\n{_META}{_DATA}",
    "the second document": f"kind: ConfigMap\n---\n{_META}kind: Secret\n{_DATA}",
    "in a list": "kind: List\nitems:\n- kind: Secret\n  data: {blob: aHVudGVyMg==}\n",
    "json": '{"kind":"Secret","stringData":{"note":"hunter2"}}',
}
PATCHES = {
    "strategic": "data: {note: aHVudGVyMg==}",
    "merge": '{"stringData":{"note":"hunter2"}}',
    "json": '[{"op":"add","path":"/data/note","value":"aHVudGVyMg=="}]',
    "a question": '[{"op":"test","path":"/data/note","value":"aHVudGVyMg=="}]',
    "of all": '[{"op":"replace","path":"/data","value":{"note":"aHVudGVyMg=="}}]',
}
HARMLESS: dict[str, JsonObject] = {
    "a config map": {"manifest": f"{_META}kind: ConfigMap\ndata:\n  blob: aHVudGVyMg\n"},
    "a secret without data": {"manifest": f"{_META}kind: Secret\ntype: Opaque\n"},
    "a label of a secret": {"kind": "secret", "patch": "metadata: {labels: {a: b}}"},
    "a key that goes": {"kind": "secret", "patch": '[{"op":"remove","path":"/data/note"}]'},
    "one that goes by null": {"kind": "secret", "patch": '{"data":{"note":null}}'},
    "what is named so": {"kind": "secretstores.x.io", "name": "data", "patch": "spec: {a: 1}"},
    "an image": {"image": "shop/web:2.4.0"},
    "what is no YAML": {"manifest": "{kind: Secret\n: ["},
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_secret_in_a_manifest_is_refused_and_not_stored(name: str) -> None:
    arguments: JsonObject = {"namespace": "shop", "manifest": MANIFESTS[name]}
    assert "manifest" in would_alter(arguments)
    stored = mask_arguments(arguments)
    assert stored["namespace"] == "shop"
    assert not {"hunter2", "aHVudGVyMg=="} & set(str(stored["manifest"]).split())
    assert MASK in str(stored["manifest"])


@pytest.mark.parametrize("kind", ["secret", "Secrets"])
@pytest.mark.parametrize("name", PATCHES)
def test_a_patch_of_a_secrets_data_is_refused(name: str, kind: str) -> None:
    assert would_alter({"kind": kind, "name": "x", "patch": PATCHES[name]}) == ["patch"]
    assert would_alter({"kind": "configmap", "name": "x", "patch": PATCHES[name]}) == []


@pytest.mark.parametrize("name", HARMLESS)
def test_what_holds_nothing_of_a_secret_stays(name: str) -> None:
    assert would_alter(HARMLESS[name]) == []


@pytest.mark.parametrize(
    ("path", "value", "hidden"),
    [
        ("/data/password", '"hunter2-of-prod"', True),
        ("/metadata/annotations/example.com~1api-token", '"hunter2-of-prod"', True),
        ("/spec/auth", '{"password": "hunter2-of-prod"}', True),
        ("/data/level", '"debug"', False),
        ("/spec/replicas", "3", False),
    ],
)
def test_the_path_of_an_operation_names_what_it_writes(path: str, value: str, hidden: bool) -> None:
    operations = f'[{{"op":"add","path":"{path}","value":{value}}}]'
    arguments: JsonObject = {"kind": "configmap", "name": "rates", "patch": operations}
    assert would_alter(arguments) == (["patch"] if hidden else [])
    assert ("hunter2" in str(mask_arguments(arguments))) is False
