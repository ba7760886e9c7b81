"""The demo cluster answers as the real API server did when its answers were recorded."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.sandbox.cluster import Behaviour, Cluster, Rule

EXCHANGES: dict[str, dict[str, Any]] = {
    exchange["name"]: exchange
    for exchange in json.loads((Path(__file__).parent / "exchanges.json").read_text())["exchanges"]
}
IMAGES = (Behaviour("shop/cart:1.*", pull_seconds=0.2, ready_seconds=0.5),)
# What differs between any two clusters: identities, times, counters and who ran the recorder.
VOLATILE = {
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "deletionTimestamp",
    "managedFields",
    "lastUpdateTime",
    "lastTransitionTime",
    "startTime",
    "startedAt",
    "firstTimestamp",
    "lastTimestamp",
    "eventTime",
    "time",
    "continue",
    "remainingItemCount",
    "hostIP",
    "podIP",
    "podIPs",
    "nodeName",
    "imageID",
    "containerID",
    "volumes",
    "volumeMounts",
    "topology.kubernetes.io/zone",
    "host",
    "reportingInstance",
}
POD = re.compile(r"cart-[a-z0-9]{6,12}-[a-z0-9]{5}(\.[0-9a-f]{16})?")
SET = re.compile(r"cart-[bcdfghjklmnpqrstvwxz0-9]{6,12}(?![a-z0-9])")


def stable(thing: Any) -> Any:
    """Reduce an answer to what must be the same: no volatile field, no generated name."""
    if isinstance(thing, dict):
        return {key: stable(value) for key, value in thing.items() if key not in VOLATILE}
    if isinstance(thing, list):
        return [stable(member) for member in thing]
    if isinstance(thing, str):
        text = re.sub(r"rig-node-\d|node-\d", "<node>", SET.sub("<set>", POD.sub("<pod>", thing)))
        return re.sub(r"^[a-z0-9]{9,10}$", "<hash>", text) if text == thing else text
    return thing


Send = Callable[..., Awaitable["Reply"]]


class Reply:
    """What came back, with what the recording says should have."""

    def __init__(self, response: aiohttp.ClientResponse, text: str, wanted: dict[str, Any]) -> None:
        self.status = response.status
        self.type = response.headers.get("Content-Type")
        self.warning = response.headers.get("Warning")
        self.text = text
        self.wanted = wanted

    @property
    def body(self) -> Any:
        """Return the body as JSON, or as text where it is none."""
        return json.loads(self.text) if self.type == "application/json" else self.text

    def check_head(self) -> None:
        """Compare status, content type and warning."""
        assert self.status == self.wanted["status"], self.text
        assert self.type == self.wanted["content_type"]
        assert self.warning == self.wanted["warning"]

    def check(self, *ignored: str) -> None:
        """Compare everything but the volatile and, at the top of the body, the ignored."""
        self.check_head()
        mine, theirs = stable(self.body), stable(self.wanted["body"])
        for path in ignored:
            _drop(mine, path.split("."))
            _drop(theirs, path.split("."))
        assert mine == theirs


def _drop(thing: Any, path: list[str]) -> None:
    for step in path[:-1]:
        thing = thing.get(step, {})
    thing.pop(path[-1], None)


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(virtual=True, behaviours=IMAGES) as cluster:
        cluster.allow("bot", Rule(("get",), ("nodes",)))
        yield cluster


@pytest.fixture
async def send(cluster: Cluster) -> AsyncIterator[Send]:
    async with aiohttp.ClientSession() as session:

        async def send(name: str, path: str | None = None) -> Reply:
            exchange = EXCHANGES[name]
            asked, wanted = exchange["request"], exchange["response"]
            user = asked["user"]
            token = "wrong" if user == "(bad token)" else f"{user}-token"
            headers = {"Authorization": f"Bearer {token}", "User-Agent": "python-requests/2.32"}
            if asked.get("content_type"):
                headers["Content-Type"] = asked["content_type"]
            body = json.dumps(asked["body"]) if asked.get("body") is not None else None
            url = cluster.url + (path or asked["path"])
            async with session.request(asked["method"], url, headers=headers, data=body) as got:
                return Reply(got, await got.text(), wanted)

        yield send


@pytest.fixture
async def cart(cluster: Cluster, send: Send) -> Reply:
    """Make the namespace and the deployment of the recording; let it become ready."""
    (await send("ns")).check()
    reply = await send("create deployment")
    await cluster.advance(10)
    return reply


@pytest.mark.parametrize("name", ["version", "readyz"])
async def test_what_the_server_says_of_itself(send: Send, name: str) -> None:
    (await send(name)).check()


async def test_a_deployment_is_created_with_the_servers_defaults(cart: Reply) -> None:
    cart.check()


async def test_a_deployment_that_is_complete(send: Send, cart: Reply) -> None:
    reply = await send("get deployment")
    reply.check("status.conditions")
    assert by_type(reply.body) == by_type(reply.wanted["body"])


def by_type(body: dict[str, Any]) -> dict[str, tuple[str, str, str]]:
    """Return the conditions without their order, which depends on what happened first."""
    return {
        c["type"]: (c["status"], c["reason"], SET.sub("<set>", c["message"]))
        for c in body["status"]["conditions"]
    }


async def test_a_page_of_pods(send: Send, cart: Reply) -> None:
    reply = await send("list pods")
    reply.check()
    assert "continue" in reply.body["metadata"]
    path = EXCHANGES["list pods"]["request"]["path"]
    next_page = await send("list pods", f"{path}&continue={reply.body['metadata']['continue']}")
    assert len(next_page.body["items"]) == 1
    assert "continue" not in next_page.body["metadata"]
    assert next_page.body["items"] != reply.body["items"]


async def test_scale_is_shown_tried_and_done(cluster: Cluster, send: Send, cart: Reply) -> None:
    (await send("scale get")).check()
    before = cluster.get("Deployment", "rec", "cart")
    (await send("scale patch dry-run")).check()
    assert cluster.get("Deployment", "rec", "cart") == before
    (await send("scale patch")).check()
    after = cluster.get("Deployment", "rec", "cart")
    assert after is not None
    assert after["spec"]["replicas"] == 3
    assert after["metadata"]["generation"] == 2


async def test_a_restart_by_strategic_merge(cluster: Cluster, send: Send, cart: Reply) -> None:
    await send("scale patch")
    await cluster.advance(0.3)  # the third pod is placed but not ready, as in the recording
    reply = await send("rollout restart")
    reply.check("status.conditions")
    assert by_type(reply.body) == by_type(reply.wanted["body"])


async def test_server_side_apply_meets_the_scaler(
    cluster: Cluster, send: Send, cart: Reply
) -> None:
    await send("scale patch")
    await send("rollout restart")
    await cluster.advance(0.0)
    (await send("ssa dry-run conflict 409")).check()
    forced = await send("ssa dry-run force")
    forced.check("status")
    assert forced.body["metadata"]["generation"] == 4


async def test_what_is_wrong_is_refused_in_the_same_words(send: Send, cart: Reply) -> None:
    (await send("invalid 422")).check()
    strict = await send("strict unknown field 400")
    strict.check_head()
    theirs = strict.wanted["body"]
    assert {**strict.body, "message": 0, "details": 0} == {**theirs, "message": 0, "details": 0}
    ending = ': strict decoding error: unknown field "spec.replica"'
    start = ' "" is invalid: patch: Invalid value: "{\\"'
    for message in (strict.body["message"], theirs["message"]):
        assert message.startswith(start)
        assert message.endswith(ending)
    (mine,), (cause,) = strict.body["details"]["causes"], theirs["details"]["causes"]
    assert {**mine, "message": 0} == {**cause, "message": 0}


async def test_an_unknown_field_is_warned_of_and_dropped(send: Send, cart: Reply) -> None:
    reply = await send("unknown field warn")
    reply.check_head()
    assert "replica" not in reply.body["spec"]


@pytest.mark.parametrize(
    "name",
    [
        "forbidden 403",
        "forbidden scale 403",
        "unauthorized 401",
        "not found 404",
        "conflict 409 stale resourceVersion",
        "already exists 409",
        "gone 410",
        "can-i",
    ],
)
async def test_refusals_and_reviews(send: Send, cart: Reply, name: str) -> None:
    (await send(name)).check()


async def test_logs_and_events_of_a_pod(cluster: Cluster, send: Send, cart: Reply) -> None:
    pod = cluster.pods("rec", "cart")[0]["metadata"]["name"]

    def about(name: str) -> str:
        return str(EXCHANGES[name]["request"]["path"]).replace("cart-7f5b5b64f-666r5", pod)

    log = await send("pod log", about("pod log"))
    log.check_head()
    line = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z INFO ")
    assert all(
        line.match(text) for text in [*log.text.splitlines(), *log.wanted["body"].splitlines()]
    )
    assert f"starting cart image=shop/cart:1.0 pod={pod}" in log.text
    (await send("pod log previous 400", about("pod log previous 400"))).check()
    events = await send("events for pod", about("events for pod"))
    events.check_head()
    theirs = {event["reason"]: event for event in events.wanted["body"]["items"]}
    everything = await send("events for pod", about("events for pod").replace("&limit=2", ""))
    mine = {event["reason"]: event for event in everything.body["items"]}
    assert len(events.body["items"]) == 2
    for reason, event in theirs.items():
        ours = stable(mine[reason])
        wanted = stable(event)
        ours.pop("involvedObject")
        wanted.pop("involvedObject")
        wanted["reportingInstance"] = ours.get("reportingInstance")
        assert {**ours, "reportingInstance": 0} == {**wanted, "reportingInstance": 0}


async def test_a_rollout_past_its_deadline(cluster: Cluster, send: Send, cart: Reply) -> None:
    await send("scale patch")
    await cluster.advance(20)
    manifest = cluster.get("Deployment", "rec", "cart")
    assert manifest is not None
    manifest["spec"]["progressDeadlineSeconds"] = 15
    container = manifest["spec"]["template"]["spec"]["containers"][0]
    container["image"] = "shop/cart:2.0-badimage"
    annotations = {"kubectl.kubernetes.io/restartedAt": "2026-11-20T09:00:00Z"}
    manifest["spec"]["template"]["metadata"]["annotations"] = annotations
    cluster.apply(manifest)
    await cluster.advance(30)
    reply = await send("deployment ProgressDeadlineExceeded")
    reply.check(
        "status.conditions",
        "metadata.generation",
        "metadata.annotations",
        "status.observedGeneration",
    )
    assert by_type(reply.body) == by_type(reply.wanted["body"])


async def test_a_pod_whose_image_cannot_be_pulled(
    cluster: Cluster, send: Send, cart: Reply
) -> None:
    manifest = cluster.get("Deployment", "rec", "cart")
    assert manifest is not None
    template = manifest["spec"]["template"]
    template["spec"]["containers"][0]["image"] = "shop/cart:2.0-badimage"
    annotations = {"kubectl.kubernetes.io/restartedAt": "2026-11-20T09:00:00Z"}
    template["metadata"]["annotations"] = annotations
    cluster.apply(manifest)
    await cluster.advance(6)
    bad = [
        pod
        for pod in cluster.pods("rec", "cart")
        if pod["spec"]["containers"][0]["image"] == "shop/cart:2.0-badimage"
    ]
    theirs = EXCHANGES["pod ImagePullBackOff"]["response"]["body"]
    path = f"/api/v1/namespaces/rec/pods/{bad[0]['metadata']['name']}"
    reply = await send("list pods", path)
    mine = stable(reply.body)
    assert (mine.pop("kind"), mine.pop("apiVersion")) == ("Pod", "v1")
    assert mine == stable(theirs)


async def test_a_budget_forbids_an_eviction(cluster: Cluster, send: Send, cart: Reply) -> None:
    await send("scale patch")
    cluster.apply(
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": "cart", "namespace": "rec"},
            "spec": {"minAvailable": 3, "selector": {"matchLabels": {"app": "cart"}}},
        }
    )
    await cluster.advance(10)
    pod = cluster.pods("rec", "cart")[0]["metadata"]["name"]
    path = f"/api/v1/namespaces/rec/pods/{pod}/eviction"
    (await send("eviction 429 by pdb", path)).check()
    assert cluster.mutations[-1].path.endswith("/scale")


async def test_a_deletion_that_is_only_tried(cluster: Cluster, send: Send, cart: Reply) -> None:
    await send("rollout restart")  # the recorded pod carries the restart's annotation
    await cluster.advance(20)
    pod = cluster.pods("rec", "cart")[0]["metadata"]["name"]
    reply = await send("delete pod", f"/api/v1/namespaces/rec/pods/{pod}?dryRun=All")
    reply.check()
    assert "deletionTimestamp" in reply.body["metadata"]
    await cluster.advance(60)
    assert cluster.get("Pod", "rec", pod) is not None


async def test_a_watch_tells_the_same_kinds_of_change(
    cluster: Cluster, send: Send, cart: Reply
) -> None:
    path = "/api/v1/namespaces/rec/pods?watch=1&resourceVersion=1&timeoutSeconds=1"
    headers = {"Authorization": "Bearer admin-token"}
    async with (
        aiohttp.ClientSession() as session,
        session.get(cluster.url + path, headers=headers) as stream,
    ):
        await send("rollout restart")
        await cluster.advance(20)
        async with asyncio.timeout(5):
            seen = [json.loads(line) async for line in stream.content]
    theirs = EXCHANGES["watch pods (summary of lines)"]["response"]["body"]
    wanted = {(line["type"], line["phase"]) for line in theirs if line["name"]}
    ours = {(line["type"], line["object"]["status"]["phase"]) for line in seen}
    assert ours == wanted
    versions = [int(line["object"]["metadata"]["resourceVersion"]) for line in seen]
    assert versions == sorted(versions)
