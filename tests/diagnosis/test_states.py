"""The generated states and the server that tells of them; a sample of them is diagnosed."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import urllib3

from tests.diagnosis.api import Answers, Server, serve
from tests.diagnosis.decoys import DECOYS
from tests.diagnosis.faults import FAULTS
from tests.diagnosis.fifth import FIFTH, FIFTH_DECOYS
from tests.diagnosis.fresh import FRESH, FRESH_DECOYS
from tests.diagnosis.judge import Found, Score, Terms, Verdict, judge
from tests.diagnosis.states import State, fifth, find, fresh, make, recipes, unseen
from tests.diagnosis.unseen import UNSEEN, UNSEEN_DECOYS
from tests.diagnosis.vocabulary import words
from tools.kubernetes.diagnosis.causes import Cause

NOW = datetime(2026, 3, 4, 15, 6, 7, tzinfo=UTC)
SIZES = ("small", "medium", "large", "huge")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve() as server:
        yield server


def answer(server: Server, path: str, accept: str, method: str) -> tuple[int, str]:
    with urllib3.PoolManager() as pool:
        got = pool.request(method, server.url + path, headers={"Accept": accept}, timeout=20)
        return got.status, got.data.decode()


def ask(server: Server, path: str, *, accept: str = "*/*") -> Any:
    """The body that the server answers with: JSON, or a log."""
    status, text = answer(server, path, accept, "GET")
    assert status == 200, text
    return json.loads(text) if text.startswith("{") else text


def status_of(server: Server, path: str, *, accept: str = "*/*", method: str = "GET") -> int:
    """The code of an answer."""
    return answer(server, path, accept, method)[0]


def as_text(state: State) -> str:
    return json.dumps([list(one.values()) for one in state.world.objects.values()])


def test_the_sets_hold_enough_and_every_fault_and_decoy_in_both() -> None:
    both = [recipes(held=held) for held in (False, True)]
    assert not {one.seed for one in both[0]} & {one.seed for one in both[1]}
    for chosen in both:
        assert len(chosen) >= 240
        assert sum(not one.faults for one in chosen) >= 60
        assert {name for one in chosen for name in one.faults} == set(FAULTS)
        assert {name for one in chosen for name in one.decoys} == set(DECOYS)
        assert {one.size for one in chosen} == set(SIZES)
    assert len(FAULTS) >= 45
    assert len(DECOYS) >= 20


def test_the_other_sets_are_apart_and_hold_each_of_their_states_once() -> None:
    for chosen, mine, calm in (
        (fresh(), FRESH, FRESH_DECOYS),
        (unseen(), UNSEEN, UNSEEN_DECOYS),
        (fifth(), FIFTH, FIFTH_DECOYS),
    ):
        assert [one.faults[0] for one in chosen if one.faults] == list(mine)
        assert [one.decoys[0] for one in chosen if not one.faults] == list(calm)
        assert len(mine) >= 50
        assert len(calm) >= 25
    every = (FAULTS, FRESH, UNSEEN, FIFTH)
    assert len(FAULTS | FRESH | UNSEEN | FIFTH) == sum(map(len, every))
    harmless = (DECOYS, FRESH_DECOYS, UNSEEN_DECOYS, FIFTH_DECOYS)
    assert len(DECOYS | FRESH_DECOYS | UNSEEN_DECOYS | FIFTH_DECOYS) == sum(map(len, harmless))
    seeds = [one.seed for one in (*fresh(), *unseen(), *fifth())]
    assert len(set(seeds)) == len(seeds)


def test_a_state_is_the_same_whenever_it_is_made() -> None:
    for recipe in recipes(held=False)[:240:40]:
        first, second = make(recipe, NOW), make(recipe, NOW)
        assert as_text(first) == as_text(second)
        assert first.world.logs == second.world.logs
        assert first.blames == second.blames


@pytest.mark.long
def test_every_fault_blames_something_that_is_there_and_in_words_that_are_known() -> None:
    for recipe in [*recipes(held=True)[: len(FAULTS)], *fresh(), *unseen(), *fifth()]:
        state = make(replace(recipe, size="small", decoys=()), NOW)
        names = {
            f"{kind.lower()}/{name}"
            for kind, found in state.world.objects.items()
            for _, name in found
        }
        for blame in state.blames:
            assert words(blame.cause) <= set(Cause), recipe
            assert names & set(blame.objects) or "*" in blame.objects, recipe


def test_controllers_have_seen_what_the_pods_are() -> None:
    state = make(recipes(held=False)[-1], NOW)
    world = state.world
    assert len(world.all("Pod", world.namespace)) > 180
    for one in world.all("Deployment", world.namespace):
        status, name = one["status"], one["metadata"]["name"]
        pods = [p for p in world.all("Pod") if p["metadata"]["labels"].get("app") == name]
        assert len(pods) >= status.get("replicas", 0)
        assert {c["type"] for c in one["status"]["conditions"]} >= {"Available", "Progressing"}
    web = world.find("Endpoints", world.all("Ingress")[0]["metadata"]["name"])
    assert web["subsets"][0]["addresses"]


def test_the_server_answers_as_an_api_server(server: Server) -> None:
    recipe = next(one for one in recipes(held=False) if one.faults == ("new version panics",))
    world = make(recipe, NOW).world
    place, calls = world.namespace, Answers(world)
    server.answers = calls
    pods = f"/api/v1/namespaces/{place}/pods"
    whole = ask(server, pods)
    assert whole["kind"] == "PodList"
    assert all("kind" not in one for one in whole["items"])
    first = ask(server, f"{pods}?limit=2")
    token = first["metadata"]["continue"]
    assert first["metadata"]["remainingItemCount"] == len(whole["items"]) - 2
    rest = ask(server, f"{pods}?limit=500&continue={token}")
    assert first["items"] + rest["items"] == whole["items"]
    name = whole["items"][0]["metadata"]["name"]
    assert ask(server, f"{pods}?fieldSelector=metadata.name%3D{name}")["items"] == [
        whole["items"][0]
    ]
    assert ask(server, f"{pods}/{name}")["kind"] == "Pod"
    assert ask(server, f"{pods}?labelSelector=app%3Dnobody")["items"] == []
    assert status_of(server, f"{pods}?fieldSelector=spec.colour%3Dred") == 400
    assert status_of(server, f"{pods}/nobody") == 404
    table = "application/json;as=Table;v=v1;g=meta.k8s.io"
    assert ask(server, pods, accept=table)["kind"] == "Table"
    partial = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
    secrets = ask(server, f"/api/v1/namespaces/{place}/secrets", accept=partial)
    assert all(set(one) == {"kind", "apiVersion", "metadata"} for one in secrets["items"])
    groups = {one["name"] for one in ask(server, "/apis")["groups"]}
    assert {"apps", "batch", "metrics.k8s.io"} <= groups
    assert status_of(server, pods, method="POST") == 403
    assert (
        status_of(server, f"/apis/apps/v1/namespaces/{place}/deployments/x", method="PATCH") == 403
    )
    assert calls.calls[0] == f"GET {pods}"
    assert calls.bytes > 1000


def test_logs_are_had_as_kubelets_give_them(server: Server) -> None:
    recipe = next(one for one in recipes(held=False) if one.faults == ("new version panics",))
    world = make(recipe, NOW).world
    server.answers = Answers(world)
    crashed = next(
        one
        for one in world.all("Pod", world.namespace)
        if one["status"].get("containerStatuses", [{}])[0].get("lastState")
    )
    pods = f"/api/v1/namespaces/{world.namespace}/pods"
    log = f"{pods}/{crashed['metadata']['name']}/log?previous=true"
    lines = ask(server, f"{log}&timestamps=true").splitlines()
    assert lines[0].startswith("2026-03-04T")
    assert ask(server, f"{log}&tailLines=1") == lines[-1].partition(" ")[2] + "\n"
    well = next(one for one in world.all("Pod", world.namespace) if one is not crashed)
    assert status_of(server, f"{pods}/{well['metadata']['name']}/log?previous=true") == 400


def test_the_role_view_does_not_see_everything(server: Server) -> None:
    world = make(recipes(held=False)[0], NOW).world
    server.answers = Answers(world, view_only=True, tables=False)
    place = f"/api/v1/namespaces/{world.namespace}"
    assert ask(server, f"{place}/pods")["items"]
    assert ask(server, place)["kind"] == "Namespace"
    for path in ("/api/v1/nodes", "/api/v1/pods", f"{place}/secrets", "/api/v1/persistentvolumes"):
        assert status_of(server, path) == 403
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{world.namespace}/roles"
    assert status_of(server, rbac) == 403
    table = "application/json;as=Table;v=v1;g=meta.k8s.io"
    assert status_of(server, f"{place}/pods", accept=table) == 406
    assert ask(server, f"{place}/pods", accept=f"{table}, application/json")["kind"] == "PodList"


def test_a_state_is_found_by_its_number() -> None:
    recipe = recipes(held=True)[7]
    assert find(recipe.seed) == recipe
    with pytest.raises(KeyError):
        find(1)


def test_what_is_said_is_judged() -> None:
    def said(state: State, *causes: tuple[str, str]) -> Verdict:
        found: list[Found] = [
            {"cause": cause, "object": name, "confidence": "high"} for cause, name in causes
        ]
        return Verdict(state, state.blames, found, healthy=not found)

    healthy = make(recipes(held=False)[-2], NOW)
    both = next(one for one in recipes(held=False) if len(one.faults) == 2)
    broken = make(both, NOW)
    right = [(min(words(one.cause)), one.objects[0]) for one in broken.blames]
    wrong = ("image-not-found", "deployment/nobody")
    verdicts = [
        said(healthy),
        said(healthy, wrong),
        said(broken, *right),
        said(broken, right[0]),  # of two causes only one
        said(broken, wrong, *right),
        said(broken),
    ]
    assert [one.right for one in verdicts] == [True, False, True, False, False, False]
    assert [one.false_alarm for one in verdicts] == [False, True, False, False, False, False]
    assert [one.first_right for one in verdicts[2:]] == [True, True, False, False]
    score = Score(verdicts)
    assert score.alarms() == 1
    assert score.faulty.share() == 1 / 4
    assert score.calibration("high") == (5, 7)


SAMPLE = (
    "image tag does not exist",
    "new version panics",
    "quota is used up",
    "requests more cpu than any node has",
    "service selects no pod",
    "storage class does not exist",
    "memory limit too low for the new version",
    "readiness probe asks the wrong port",
    "liveness probe does not wait for a slow start",
    "init container fails",
    "database runs out of memory and all that needs it falls",
)


FRESH_SAMPLE = (
    "a pod writes more to its node than it may",
    "a gate keeps the pod from being scheduled",
    "a load balancer is never made",
    "a database in a namespace that is not there",  # of which nothing may be read
)
FIFTH_SAMPLE = (
    "an image has nothing for the processors of the nodes",
    "a scheduler of its own that is not there",
    "a cache two steps away is out of memory, and the front page with it",
)
CALM_SAMPLE = (
    "everything was made just now",
    "a pod of nobody that ended with an error last week",
)


async def test_a_sample_is_diagnosed(server: Server) -> None:
    """Every other one with only the role view; the whole is judged by `make test-diagnosis`."""
    chosen = recipes(held=False)
    broken = [next(one for one in chosen if one.faults == (name,)) for name in SAMPLE]
    broken += [one for one in fresh() if one.faults and one.faults[0] in FRESH_SAMPLE]
    broken += [one for one in fifth() if one.faults and one.faults[0] in FIFTH_SAMPLE]
    healthy = [one for one in chosen if not one.faults and one.size == "medium"][:3]
    healthy += [
        one for one in fifth() if one.decoys == ("an autoscaler that just asked for two more",)
    ]
    healthy += [one for one in fresh() if one.decoys and one.decoys[0] in CALM_SAMPLE]
    for number, recipe in enumerate((*broken, *healthy)):
        view_only = number % 2 == 1
        terms = Terms(view_only=view_only, tables=not view_only, twice=not view_only)
        verdict = await judge(server, recipe, terms)
        assert verdict is not None
        assert verdict.right, f"{recipe}: {verdict.error} {verdict.findings}"
        assert verdict.steady, recipe
        assert verdict.calls <= 60, recipe
