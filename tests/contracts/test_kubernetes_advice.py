"""What changes say that a senior colleague would say, what they refuse, and what several do."""

import asyncio
import json

import pytest
from pydantic import JsonValue

from bot.sandbox.cluster import Cluster
from tests.contracts.stage import HPA, deployment, made, verdict, writes
from tests.contracts.test_changes import HOSTILE
from tests.contracts.walks import CONFIG, MANIFEST, WALKS, by_cpu
from tools import (
    Catalog,
    JsonObject,
    NoWayBack,
    Preview,
    Refused,
    Risk,
    Stale,
    Unavailable,
    Verdict,
    Wish,
)
from tools.kubernetes.changes.consequences import is_dangerous
from tools.kubernetes.changes.manifests import owned_by_others
from tools.kubernetes.kinds import RESOURCES as KINDS
from tools.kubernetes.objects import written_paths

CART: dict[str, JsonValue] = {"namespace": "shop", "name": "cart"}
DEPLOYMENT: dict[str, JsonValue] = {**CART, "kind": "deployment"}
SHOP: dict[str, JsonValue] = {"namespace": "shop"}
ELSEWHERE = MANIFEST.replace("name: cart", "name: cart\n  namespace: shop", 1)
RESOURCES = "spec.template.spec.containers.0.resources"


async def look(catalog: Catalog, tool: str, arguments: JsonObject) -> Preview:
    return await catalog.change(f"k8s_{tool}", arguments).preview()


async def test_what_depends_on_it_is_said(catalog: Catalog, cluster: Cluster) -> None:
    made("HorizontalPodAutoscaler", "autoscaling/v2", "cart", HPA)(cluster)
    writes("Deployment", "cart", RESOURCES, {"limits": {"memory": "256Mi"}})(cluster)
    secret = {"name": "s", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}
    writes("Deployment", "web", "spec.template.spec.containers.0.env", [secret])(cluster)
    hard: JsonObject = {"hard": {"requests.cpu": "100m", "pods": "40"}}
    made("ResourceQuota", "v1", "small", hard)(cluster)
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "rates", "namespace": "shop", "labels": {"a": "b"}},
        }
    )
    source: JsonObject = {"configMapRef": {"name": "rates"}}
    writes("StatefulSet", "db", "spec.template.spec.containers.0.envFrom", [source])(cluster)
    await cluster.advance(60)
    pod = cluster.pods("shop", "cart")[0]["metadata"]["name"]

    scaled = await look(catalog, "patch", {**DEPLOYMENT, "patch": "spec: {replicas: 0}"})
    assert scaled.risk is Risk.DANGER
    assert "Service cart sends it traffic: with 0 replicas nothing answers." in scaled.warnings
    rescaled = await look(catalog, "patch", {**DEPLOYMENT, "patch": "spec: {replicas: 4}"})
    assert rescaled.risk is None
    keeps = "HorizontalPodAutoscaler cart keeps it between 1 and 9 replicas and will set it again."
    assert keeps in rescaled.warnings
    assert "HorizontalPodAutoscaler cart rests while this is 0." in scaled.warnings
    assert not [said for said in scaled.warnings if "will set" in said or "meanwhile" in said]
    assert rescaled.summary == "Patch `deployment/cart` in `shop`: replicas 2 → 4"
    assert rescaled.effect == "1 field written"

    volumes = '{"spec": {"template": {"spec": {"serviceAccountName": "admin"}}}}'
    assert (await look(catalog, "patch", {**DEPLOYMENT, "patch": volumes})).risk is Risk.DANGER
    latest = "spec: {template: {spec: {containers: [{name: cart, image: shop/cart}]}}}"
    said = await look(catalog, "patch", {**DEPLOYMENT, "patch": latest})
    assert "has no tag, which means latest" in " ".join(said.warnings)
    assert {change.path for change in said.changes} >= {"spec.template.spec.containers[cart].image"}

    rates = {**SHOP, "kind": "configmap", "name": "rates", "patch": "data: {a: b}"}
    said = await look(catalog, "patch", rates)
    assert "Read as variables, at a start only, by statefulset/db" in " ".join(said.warnings)

    cut = {**CART, "kind": "service", "patch": "spec: {selector: {app: nobody}}"}
    said = await look(catalog, "patch", cut)
    assert "It would have no pod behind it: nothing answers." in said.warnings
    assert "2 pods are behind it, and would be 0" in said.notes
    moved = {**SHOP, "kind": "pod", "name": pod, "labels": ["app=debug"]}
    label = await look(catalog, "label", moved)
    assert label.summary == f"Set label app=debug of `pod/{pod}` in `shop`"
    told = " ".join(label.warnings)
    assert "set this back" not in told, "a replica set only makes others"
    assert "Service cart stops sending it traffic." in told
    assert "no longer owns it and makes another pod in its place" in told

    gone = await look(catalog, "delete", {**SHOP, "kind": "cm", "name": "rates"})
    assert gone.risk is None, "the tool is danger itself"
    assert "statefulset/db must have it: no pod of theirs would start." in gone.warnings
    gone = await look(catalog, "delete", DEPLOYMENT)
    assert gone.effect.startswith("with 2 pods, ")
    assert "HorizontalPodAutoscaler cart is left without target." in gone.warnings

    asked = await look(catalog, "set_resources", {**CART, "requests": "cpu=1,memory=128Mi"})
    assert asked.effect.startswith("cpu request none → 1, memory request none → 128Mi")
    told = "Quota small leaves 100m of 100m requests.cpu just now, and its rollout needs 2: it"
    assert told in asked.heads_up[0]
    replaced = await look(catalog, "set_env", {**SHOP, "name": "web", "env": ["s=plain"]})
    assert "s comes from secret/db (key password)" in " ".join(replaced.warnings)
    assert replaced.way_back == ""
    assert "requests no CPU" in " ".join(
        (await look(catalog, "autoscale", {**CART, "min": 1, "max": 3})).warnings
    )
    by_cpu("cart")(cluster)
    bounds: JsonObject = {**CART, "min": 1, "max": 3}
    reset = await look(catalog, "autoscale", bounds)
    assert "Its CPU target of 50 % becomes 80 %." in reset.warnings
    kept = await look(catalog, "autoscale", {**bounds, "cpu_percent": 50})
    assert not [warning for warning in kept.warnings if "CPU target" in warning]
    reach = (
        "Its pods are reached by Service cart; scaled by HorizontalPodAutoscaler cart; "
        "covered by PodDisruptionBudget cart"
    )
    patch = "spec: {template: {spec: {terminationGracePeriodSeconds: 5}}}"
    for tool, arguments in (
        ("scale", {**CART, "replicas": 3}),
        ("rollout_undo", CART),
        ("rollout_restart", CART),
        ("patch", {**DEPLOYMENT, "patch": patch}),
    ):
        assert reach in (await look(catalog, tool, arguments)).notes, tool
    assert cluster.mutations == []


REFUSED: list[tuple[str, dict[str, JsonValue], str]] = [
    ("set_env", {**CART}, "`env` or `unset` must name a variable"),
    ("set_env", {**CART, "env": ["A=1"], "unset": ["A"]}, "must name each variable once"),
    ("set_env", {**CART, "env": ["1A"]}, "`env` must be"),
    ("set_resources", {**CART, "limits": "memory=lots"}, "must be amounts such as"),
    ("set_resources", {**CART, "requests": "memory=1Gi"}, "more memory than its limit"),
    ("label", {**DEPLOYMENT, "labels": ["a b=c"]}, "`labels` must be"),
    ("label", {**DEPLOYMENT, "namespace": "", "labels": ["a=b"]}, "`namespace` is missing"),
    ("label", {**CART, "kind": "node", "labels": ["a=b"]}, "A node is in no namespace"),
    ("label", {**CART, "kind": "gadget", "labels": ["a=b"]}, "must be a built-in kind"),
    (
        "label",
        {**CART, "kind": "lease.coordination.k8s.io", "labels": ["a=b"]},
        "`kind` must be written leases.coordination.k8s.io",
    ),
    ("patch", {**DEPLOYMENT, "patch": "status: {replicas: 1}"}, "must not write /status"),
    ("patch", {**DEPLOYMENT, "patch": "metadata: {name: x}"}, "must not write /metadata/name"),
    ("patch", {**DEPLOYMENT, "patch": "$patch: delete"}, "must not write"),
    ("patch", {**DEPLOYMENT, "patch": "a: &a [1]\nb: *a"}, "must not use anchors"),
    ("patch", {**DEPLOYMENT, "patch": "a: 1\na: 2"}, "stands there twice"),
    ("patch", {**DEPLOYMENT, "patch": "spec: [unclosed"}, "is neither YAML nor JSON"),
    ("patch", {**DEPLOYMENT, "patch": "spec: {replicas: 2}"}, "nothing would change"),
    (
        "patch",
        {
            **DEPLOYMENT,
            "type": "json",
            "patch": '[{"op": "replace", "path": "/metadata/resourceVersion", "value": "1"}]',
        },
        "must not write /metadata/resourceVersion",
    ),
    (
        "patch",
        {
            **CART,
            "kind": "service",
            "type": "json",
            "patch": '[{"op": "copy", "from": "/data/a", "path": "/metadata/annotations/a"}]',
        },
        "must only add, replace or remove",
    ),
    ("apply", {**SHOP, "manifest": "- 1"}, "must be objects, each with apiVersion"),
    ("apply", {"manifest": CONFIG}, "`namespace` is missing: configmap/rates is in one"),
    ("apply", {"namespace": "other", "manifest": ELSEWHERE}, "names the namespace shop"),
    ("apply", {**SHOP, "manifest": CONFIG.replace("rates", "../secrets/x")}, "name cannot be one"),
    ("apply", {**SHOP, "manifest": CONFIG.replace('"v1"', '"v2"')}, "is served as v1, not as v2"),
    ("apply", {**SHOP, "manifest": CONFIG + "\n---\n" + CONFIG}, "holds an object twice"),
    ("autoscale", {**CART, "min": 3, "max": 2}, "`min` must not be more than `max`"),
    ("autoscale", {**SHOP, "name": "web", "min": 1, "max": 2, "autoscaler": "x"}, "has the auto"),
    ("create_job", {**SHOP, "name": "none"}, "There is no cronjob/none"),
    ("clean_up", SHOP, "There are no finished or failed pods"),
    ("cordon", {"name": "none"}, "There is no node/none"),
    ("rollout_resume", CART, "is resumed already"),
]


@pytest.mark.parametrize(
    ("spec", "danger"),
    [
        ({"serviceAccountName": "admin"}, True),
        ({"hostNetwork": True}, True),
        ({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}, True),
        ({"volumes": [{"name": "v", "configMap": {"name": "c"}}]}, False),
        ({"containers": [{"name": "a", "securityContext": {"privileged": True}}]}, True),
        ({"containers": [{"name": "a", "securityContext": {"runAsNonRoot": True}}]}, False),
        ({"securityContext": {"runAsUser": 0}}, True),
        (
            {"containers": [{"securityContext": {"capabilities": {"drop": ["ALL"]}}}]},
            False,
        ),
        (
            {"containers": [{"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}]},
            True,
        ),
        ({"terminationGracePeriodSeconds": 5}, False),
        (
            {"volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {}}]}}]},
            True,
        ),
    ],
)
def test_what_gives_pods_more_than_their_own_is_danger(spec: JsonObject, danger: bool) -> None:
    def of(spec: JsonObject) -> dict[str, JsonValue]:
        return {"kind": "Deployment", "spec": {"template": {"spec": dict(spec)}}}

    deployments = KINDS["deployment"]
    whole = written_paths({}, of(spec))  # a new object, and a field of one that is there
    assert is_dangerous(deployments, whole) is danger
    assert is_dangerous(deployments, written_paths(of({"dnsPolicy": "x"}), of(spec))) is danger
    gone = written_paths(of({"securityContext": {"runAsUser": 5}}), of({}))
    assert is_dangerous(deployments, gone)
    snippet = {"nginx.ingress.kubernetes.io/server-snippet": "return 200;"}
    assert is_dangerous(
        KINDS["ingress"], written_paths({}, {"metadata": {"annotations": {**snippet}}})
    )
    assert is_dangerous(
        KINDS["service"], written_paths({}, {"spec": {"externalIPs": ["192.0.2.1"]}})
    )
    assert is_dangerous(KINDS["secret"], ())
    assert is_dangerous(KINDS["namespace"], ())


async def test_what_is_wrong_is_refused_in_a_sentence(catalog: Catalog, cluster: Cluster) -> None:
    writes("Deployment", "cart", RESOURCES, {"limits": {"memory": "256Mi"}})(cluster)
    await cluster.advance(30)
    for tool, arguments, why in REFUSED:
        with pytest.raises(Refused, match=why) as refused:
            await look(catalog, tool, arguments)
        assert str(refused.value).endswith("."), tool
        assert "\n" not in str(refused.value)
    for walk in WALKS.values():  # flags, paths and URLs are no arguments of any
        for argument in ("namespace", "name", "kind", "container", "job", "autoscaler"):
            properties = catalog.tools[walk.tool].schema["properties"]
            assert isinstance(properties, dict)
            if argument not in properties or "manifest" in properties:
                continue
            for value in HOSTILE:
                if value == "" and argument != "name":
                    continue
                with pytest.raises(Refused, match=f"`{argument}`"):
                    catalog.change(walk.tool, {**walk.arguments, argument: value})
    assert cluster.mutations == []


async def test_several_documents_are_one_change_that_says_how_far_it_came(
    catalog: Catalog, cluster: Cluster
) -> None:
    both: JsonObject = {**SHOP, "manifest": f"{CONFIG}\n---\n{MANIFEST}"}
    call = catalog.change("k8s_apply", both)
    assert (call.arguments["kind"], call.target) == ("mixed", "demo/shop/configmap/rates/+1")
    seen = await call.preview()
    assert seen.risk is Risk.DANGER
    assert [(one.kind, one.namespace, one.name) for one in seen.objects] == [
        ("configmap", "shop", "rates"),
        ("deployment", "shop", "cart"),
    ]
    assert seen.summary == "Apply 2 objects in `shop`"
    assert [one.path for one in seen.changes if "rates" in one.path] == ["configmap/rates data.eur"]
    assert "--- deployment/cart now" in seen.diff
    assert seen.way_back == ""
    cluster.fail("patch", "/deployments/cart", 500, spares_dry_runs=True)
    with pytest.raises(Unavailable, match="1 of 2 objects were applied, then deployment/cart"):
        await call.apply(seen)
    found = await verdict(cluster, call, seen, None)
    assert (found.outcome, found.reason) == (
        "failed",
        (
            "1 of 2 objects are as applied. deployment/cart is as before: what this writes is not"
            " there."
        ),
    )
    again = await call.preview()
    assert "configmap/rates stays as it is" in again.notes
    found = await verdict(cluster, call, again, await call.apply(again))
    assert found.outcome == "holds", found.reason


async def test_what_an_apply_made_is_taken_back_as_far_as_nobody_changed_it(
    catalog: Catalog, cluster: Cluster
) -> None:
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: shop}\nspec:\n  ports: [{port: 80}]"
    spec = json.dumps(deployment("worker", "shop/web:2.4.0", 1))
    spec = spec.replace('"image"', '"resources": {"requests": {"cpu": "1000m"}}, "image"')
    worker = f"apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: worker}}\nspec: {spec}"
    limits = CONFIG.replace("rates", "limits")
    manifest = "\n---\n".join((CONFIG, limits, service, worker))
    call = catalog.change("k8s_apply", {**SHOP, "manifest": manifest})
    seen = await call.preview()
    made_all = "configmap/rates, configmap/limits, service/shop, deployment/worker"
    assert seen.way_back == f"delete {made_all}, as far as nobody changed it"
    await call.apply(seen)
    await cluster.advance(30)
    wish = call.undo(seen)
    assert isinstance(wish, Wish)
    assert wish.tool == "k8s_delete_applied"
    back = catalog.change(wish.tool, wish.arguments)
    before = await back.preview()
    assert [one.path for one in before.changes] == [*reversed(made_all.split(", "))]
    writes("ConfigMap", "limits", "data.eur", "2")(cluster)
    writes("ConfigMap", "rates", "data.usd", "1")(cluster)
    with pytest.raises(Stale):
        await back.apply(before)
    now = await back.preview()
    assert now.effect == "deletes deployment/worker, service/shop, configmap/rates"
    assert "configmap/limits was changed since and stays." in now.warnings
    assert any("configmap/rates was written by" in said for said in now.warnings)
    cluster.fail("delete", "/services/shop$", 409, times=2, spares_dry_runs=True)
    receipt = await back.apply(now)
    assert receipt.text == "deployment/worker, service/shop, configmap/rates were deleted"
    found = await verdict(cluster, back, now, receipt)
    assert found == Verdict("holds", "All 3 objects are gone.")
    assert cluster.get("ConfigMap", "shop", "limits")
    again = back.undo(now)
    assert isinstance(again, Wish)
    anew = await catalog.change(again.tool, again.arguments).preview()
    assert anew.effect == "creates configmap/rates, service/shop, deployment/worker"
    with pytest.raises(Refused, match="Nothing of it is left to delete: deployment/worker is gone"):
        await back.preview()


def test_the_owners_of_fields_are_read_from_the_servers_words() -> None:
    one = 'Apply failed with 1 conflict: conflict with "kubectl-edit" using v1: .data.eur'
    assert list(owned_by_others(one)) == ["somebody with kubectl edit owns .data.eur"]
    several = (
        'Apply failed with 3 conflicts: conflicts with "helm" using apps/v1: - .spec.replicas'
        ' - .spec.template.spec.containers[name="web"].image conflicts with'
        ' "kube-controller-manager" with subresource "scale" using apps/v1: .spec.paused'
    )
    assert list(owned_by_others(several)) == [
        'Helm owns .spec.replicas, .spec.template.spec.containers[name="web"].image',
        "a controller of the cluster, such as an autoscaler, owns .spec.paused",
    ]
    assert list(owned_by_others('the object has been modified; version "7"')) == []


async def test_whose_field_it_is_and_taking_it_over(catalog: Catalog, cluster: Cluster) -> None:
    scaled: JsonObject = {**SHOP, "manifest": MANIFEST.replace("minReadySeconds: 2", "replicas: 7")}
    with pytest.raises(Refused) as refused:
        await look(catalog, "apply", scaled)
    assert str(refused.value) == (
        "setup owns .spec.replicas of deployment/cart in shop: leave that out, or take it over"
        " with `--force-conflicts` (the argument `force`)."
    )
    assert (await look(catalog, "apply", {**SHOP, "manifest": CONFIG})).risk is None
    seen = await look(catalog, "apply", {**scaled, "force": True})
    assert ", taking over what others own: metadata.labels.team added and 2 more" in seen.summary
    assert "although setup owns .spec.replicas, which may write it again" in seen.warnings[0]


async def test_a_node_is_drained_as_far_as_budgets_allow(
    catalog: Catalog, cluster: Cluster
) -> None:
    node = cluster.pods("shop", "cart")[0]["spec"]["nodeName"]
    lone: JsonObject = {"nodeName": node, "containers": [{"name": "a", "image": "shop/a:1"}]}
    made("Pod", "v1", "lone", lone)(cluster)
    await cluster.advance(10)
    with pytest.raises(Refused, match=f"shop/pod/lone on node/{node} belongs to nobody"):
        await look(catalog, "drain", {"name": node})
    cluster.delete("Pod", "shop", "lone")
    once: JsonObject = {"containers": [{"name": "a", "image": "shop/batch:1"}]}
    over: JsonObject = {"template": {"spec": {**once, "restartPolicy": "Never"}}}
    made("Job", "batch/v1", "over", over)(cluster)
    await cluster.advance(10)
    ended = next(one for one in cluster.objects("Pod", "shop") if "over-" in str(one["metadata"]))
    assert ended["status"]["phase"] == "Succeeded"
    moved = (await look(catalog, "drain", {"name": ended["spec"]["nodeName"]})).changes
    assert moved
    assert not [one.path for one in moved if "over" in one.path], "nothing of it runs"
    writes("PodDisruptionBudget", "cart", "spec.minAvailable", 2)(cluster)
    await cluster.advance(40)
    here = [
        one["metadata"]["name"]
        for one in cluster.pods("shop", "cart")
        if one["spec"].get("nodeName") == node
    ]
    call = catalog.change("k8s_drain", {"name": node})
    seen = await call.preview()
    assert "PodDisruptionBudget shop/cart lets none of its pods go just now" in seen.cautions
    assert "shop" in seen.reaches, "who closed that namespace is heard"
    receipt = await call.apply(seen)
    assert "are left" in receipt.text
    found = await verdict(cluster, call, seen, receipt)
    assert found.outcome == "failed"
    assert f"shop/pod/{here[0]}: a disruption budget holds it" in found.reason
    writes("PodDisruptionBudget", "cart", "spec.minAvailable", 1)(cluster)
    await cluster.advance(10)
    again = catalog.change("k8s_drain", {"name": node})
    seen = await again.preview()
    cluster.fail("create", "/eviction$", 429, times=None)
    assert "overloaded (429)" in str((await again.apply(seen)).facts["left"])  # by no budget
    cluster.fail("create", "/eviction$", 0)
    with pytest.raises(Unavailable) as cut:
        await again.apply(seen)
    assert not cut.value.nothing_sent
    cluster.faults.clear()
    looks = len(cluster.requests)
    begun = asyncio.create_task(again.apply(seen))
    while not any(one.path.endswith("/pods") for one in cluster.requests[looks:]):  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0)
    cluster.fail("list", "/pods$", 403)  # what is to move cannot be read, once it is cordoned
    with pytest.raises(Unavailable, match=f"node/{node} is cordoned, then: ") as cut:
        await begun
    assert not cut.value.nothing_sent
    assert (await verdict(cluster, again, seen, await again.apply(seen))).outcome == "holds"
    assert not isinstance(again.undo(seen), Wish), "it was cordoned before"


async def test_a_volume_claim_grows_for_good(catalog: Catalog, cluster: Cluster) -> None:
    def sized(size: str) -> JsonObject:
        return {"resources": {"requests": {"storage": size}}, "accessModes": ["ReadWriteOnce"]}

    made("PersistentVolumeClaim", "v1", "data", sized("10Gi"))(cluster)
    claim: JsonObject = {**SHOP, "kind": "pvc", "name": "data"}

    def patched(size: str) -> JsonObject:
        return {**claim, "patch": json.dumps({"spec": {"resources": sized(size)["resources"]}})}

    operation = {"op": "replace", "path": "/spec/resources/requests", "value": {"storage": "5Gi"}}
    body = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}}
    applied = {**SHOP, "manifest": json.dumps({**body, "spec": sized("1Gi")})}
    for tool, arguments in (
        ("patch", patched("5Gi")),
        ("patch", {**claim, "type": "json", "patch": json.dumps([operation])}),
        ("apply", applied),
    ):
        with pytest.raises(Refused, match=r"data in shop has 10Gi, and a volume cannot shrink to"):
            await look(catalog, tool, arguments)
    applied = {**SHOP, "manifest": json.dumps({**body, "spec": sized("20Gi")}), "force": True}
    for tool, arguments in (("patch", patched("20Gi")), ("apply", applied)):
        call = catalog.change(f"k8s_{tool}", arguments)
        seen = await call.preview()
        assert not seen.way_back
        back = call.undo(seen)
        assert isinstance(back, NoWayBack)
        assert "a volume cannot shrink" in back.reason
    assert (await look(catalog, "label", {**claim, "labels": ["a=b"]})).way_back


@pytest.mark.parametrize(
    ("api_version", "kind", "name"),
    [
        ("apps/v1", "Deployment", "deployment"),
        ("v1", "ConfigMap", "configmap"),
        ("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings.rbac.authorization.k8s.io"),
        ("other.io/v1", "Deployment", "deployments.other.io"),
        ("kyverno.io/v1", "Policy", "policies.kyverno.io"),
    ],
)
def test_what_is_applied_has_the_name_that_rules_know(
    api_version: str, kind: str, name: str, catalog: Catalog
) -> None:
    """One kind has one name in every change, and a foreign one is not taken for ours."""
    manifest = f"apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: x}}\n"
    call = catalog.change("k8s_apply", {**SHOP, "manifest": manifest})
    assert call.arguments["kind"] == name
