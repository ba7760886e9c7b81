"""Properties of selectors, patches, quantities and field ownership."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.sandbox.cluster import fields, patch, selectors
from bot.sandbox.cluster.quantities import quantity, share
from bot.sandbox.cluster.status import ApiError

KEYS = st.sampled_from(["app", "tier", "example.com/zone", "a_b"])
VALUES = st.sampled_from(["web", "cart", "v1.2", "", "x-1"])
LABELS = st.dictionaries(KEYS, VALUES, max_size=4)
SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=4)
NAMES = st.sampled_from(["a", "b", "c", "d/e", "f~g"])
JSON: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.dictionaries(NAMES, inner, max_size=3) | st.lists(inner, max_size=3)
)
OBJECTS = st.dictionaries(NAMES, JSON, max_size=4)


@given(LABELS, KEYS, VALUES)
def test_equality_is_what_it_says(labels: dict[str, str], key: str, value: str) -> None:
    def holds(text: str) -> bool:
        return selectors.matches(selectors.parse_labels(text), labels)

    assert holds(f"{key}={value}") is (labels.get(key) == value)
    assert holds(f"{key}=={value}") is holds(f"{key}={value}")
    assert holds(f"{key}!={value}") is not holds(f"{key}={value}")
    assert holds(key) is (key in labels)
    assert holds(f"!{key}") is (key not in labels)


@given(LABELS, KEYS, st.lists(VALUES, min_size=1, max_size=3))
def test_sets_are_what_they_say(labels: dict[str, str], key: str, values: list[str]) -> None:
    joined = ", ".join(values)
    inside = selectors.parse_labels(f"{key} in ({joined})")
    outside = selectors.parse_labels(f"{key} notin ({joined})")
    assert selectors.matches(inside, labels) is (key in labels and labels[key] in values)
    assert selectors.matches(outside, labels) is not selectors.matches(inside, labels)


@given(LABELS, LABELS)
def test_a_written_selector_reads_as_the_same(
    selector: dict[str, str], labels: dict[str, str]
) -> None:
    wanted = {"matchLabels": selector}
    direct = selectors.matches(selectors.of_object(wanted), labels)
    read = selectors.parse_labels(selectors.write(wanted))
    assert selectors.matches(read, labels) is direct is (selector.items() <= labels.items())


@pytest.mark.parametrize("text", ["a b", "=x", "a=b=c", "a in b", "a in (b", "a,,b", "-a", "a=_"])
def test_what_is_no_selector_is_refused(text: str) -> None:
    with pytest.raises(ApiError) as refused:
        selectors.parse_labels(text)
    assert refused.value.code == 400


@given(OBJECTS, OBJECTS)
def test_a_merge_patch_sets_what_it_names_and_keeps_the_rest(
    target: dict[str, Any], changes: dict[str, Any]
) -> None:
    before = copy.deepcopy(target)
    result = patch.merge(target, changes)
    assert target == before
    assert patch.merge(result, changes) == result
    for key, value in changes.items():
        if not isinstance(value, dict):
            assert result.get(key) == value
            assert (key in result) is (value is not None)
    for key in target.keys() - changes.keys():
        assert result[key] == target[key]


@given(OBJECTS, NAMES, JSON)
def test_a_json_patch_can_be_undone(target: dict[str, Any], key: str, value: Any) -> None:
    pointer = "/" + key.replace("~", "~0").replace("/", "~1")
    before = copy.deepcopy(target)
    added = patch.json_patch(target, [{"op": "add", "path": pointer, "value": value}])
    assert added[key] == value
    assert target == before
    undo = [{"op": "add", "path": pointer, "value": target[key]}] if key in target else []
    undo = undo or [{"op": "remove", "path": pointer}]
    assert patch.json_patch(added, undo) == target


@given(
    st.lists(st.sampled_from("abcd"), unique=True), st.lists(st.sampled_from("abcd"), unique=True)
)
def test_a_strategic_merge_knows_members_by_name(old: list[str], new: list[str]) -> None:
    target = {"containers": [{"name": name, "image": "old", "tty": True} for name in old]}
    changes = {"containers": [{"name": name, "image": "new"} for name in new]}
    result = patch.strategic(target, changes)["containers"] if new else target["containers"]
    assert [c["name"] for c in result] == old + [name for name in new if name not in old]
    for container in result:
        assert container["image"] == ("new" if container["name"] in new else "old")
        assert container.get("tty", False) is (container["name"] in old)
    gone = {"containers": [{"name": name, "$patch": "delete"} for name in new]}
    left = patch.strategic(target, gone)["containers"]
    assert [c["name"] for c in left] == [name for name in old if name not in new]


def test_the_directives_of_a_strategic_merge() -> None:
    target = {"env": [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}], "args": ["x"]}
    ordered = patch.strategic(
        target, {"$setElementOrder/env": [{"name": "b"}, {"name": "a"}], "env": [{"name": "a"}]}
    )
    assert [e["name"] for e in ordered["env"]] == ["b", "a"]
    replaced = patch.strategic(target, {"env": [{"$patch": "replace"}, {"name": "c"}]})
    assert replaced["env"] == [{"name": "c"}]
    assert patch.strategic(target, {"args": ["y"]})["args"] == ["y"]
    kept = patch.strategic({"type": "A", "a": 1}, {"$retainKeys": ["type"], "type": "B"})
    assert kept == {"type": "B"}
    fewer = patch.strategic(
        {"finalizers": ["a", "b"]}, {"$deleteFromPrimitiveList/finalizers": ["a"]}
    )
    assert fewer == {"finalizers": ["b"]}
    with pytest.raises(ApiError):
        patch.strategic(target, {"env": [{"value": "nameless"}]})


@given(st.integers(0, 1000), st.integers(0, 50))
def test_a_share_rounds_the_way_it_must(percent: int, whole: int) -> None:
    up, down = (share(f"{percent}%", whole, up=way) for way in (True, False))
    assert 0 <= up - down <= 1
    assert down * 100 <= percent * whole <= up * 100


@pytest.mark.parametrize(
    ("text", "value"), [("250m", 0.25), ("64Mi", 64 * 2**20), ("1.5", 1.5), ("2k", 2000)]
)
def test_quantities(text: str, value: float) -> None:
    assert quantity(text) == value


@pytest.mark.parametrize("text", ["", "-1", "1Q", "Mi", "1 Mi"])
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="not a quantity"):
        quantity(text)


@given(OBJECTS)
def test_owned_paths_survive_being_written_down(thing: dict[str, Any]) -> None:
    paths = set(fields.values({"metadata": {}, "spec": thing}))
    assert fields.from_tree(fields.to_tree(paths)) == paths
