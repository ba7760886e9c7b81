"""What does not arrive: names, policies, the cluster's DNS."""

from tests.diagnosis.blame import UNSEEN, Blame, fault
from tests.diagnosis.faults.crashes import age_of, release
from tests.diagnosis.pods import crashing, failing_probe, status_of, unready
from tests.diagnosis.shop import Shop
from tests.diagnosis.world import DAY, Object


@fault("a service's outer name leads to a service that is gone", among=UNSEEN)
def external_name(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    world.make(
        "Service",
        "billing-api",
        spec={"type": "ExternalName", "externalName": "billing.legacy.svc.cluster.local"},
        status={"loadBalancer": {}},
    )
    env = [{"name": "BILLING_URL", "value": "http://billing-api:8080"}]
    log = ["starting", "Error: getaddrinfo ENOTFOUND billing-api"]
    for made in release(shop, app, env=env):
        crashing(world, made, code=1, log=log, since=age_of(shop, made), lived=2)
    objects = (app.object, "service/billing-api", "service/billing", "namespace/legacy")
    return Blame("service-missing dependency", objects, says="billing")


@fault("a pod on the node's network asks the node's DNS", among=UNSEEN)
def node_dns(shop: Shop) -> Blame:
    """hostNetwork with the default dnsPolicy: the cluster's names are not known there."""
    world, app = shop.world, shop.victim()
    since = world.random.randrange(300, 3000)
    of = app.template_with(env=[{"name": "DB_HOST", "value": shop.database}])
    of["spec"] |= {"hostNetwork": True, "dnsPolicy": "ClusterFirst"}
    said = f"dial tcp: lookup {shop.database} on 10.0.0.2:53: no such host"
    for made in app.change(of, ago=since):
        made["status"]["podIP"] = made["status"]["hostIP"]
        crashing(world, made, code=1, log=["starting", said], since=since, lived=2)
    causes = "dns config-value invalid-template"
    return Blame(causes, (app.object,), says="dnsPolicy|hostNetwork|10.0.0.2|ClusterFirst")


@fault("the cluster's DNS was scaled to nothing", among=UNSEEN, beyond_view=True, alone=True)
def no_dns(shop: Shop) -> Blame:
    world, core = shop.world, shop.system["coredns"]
    since = world.random.randrange(500, 2500)
    for made in list(core.pods):
        core.drop(made)
    core.workload["spec"]["replicas"] = 0
    said = f"Scaled down replica set {core.sets[-1]['metadata']['name']} from 2 to 0"
    world.event(core.workload, "ScalingReplicaSet", said, type="Normal", first=since, last=since)
    names = [shop.api, shop.victim().name]
    for name in names:
        for made in shop.apps[name].pods:
            text = f"dial tcp: lookup {shop.database} on 10.96.0.10:53: read udp 10.42.0.7:42113->"
            text += "10.96.0.10:53: read: connection refused"
            crashing(world, made, code=1, log=["start", text], since=since - 50, lived=9)
    affected = tuple(f"deployment/{name}" for name in (*names, shop.web))
    also = (Blame("dependency", affected), Blame("crash", affected))
    objects = ("deployment/coredns", "service/kube-dns", *affected)
    return Blame("dns scaled-to-zero", objects, also)


def _policy(shop: Shop, name: str, spec: Object, since: float) -> None:
    for one in shop.world.all("NetworkPolicy"):
        shop.world.remove(one)
    shop.world.make("NetworkPolicy", name, age=since, spec=spec)


@fault("a policy opens the service's port instead of the pod's", among=UNSEEN, alone=True)
def policy_port(shop: Shop) -> Blame:
    world, api, web = shop.world, shop.take(shop.api), shop.take(shop.web)
    since = world.random.randrange(500, 4000)
    rule = {"from": [{"podSelector": {}}], "ports": [{"port": 80, "protocol": "TCP"}]}
    chosen = {"matchLabels": {"app": api.name}}
    spec = {"podSelector": chosen, "policyTypes": ["Ingress"], "ingress": [rule]}
    _policy(shop, "api-in", spec, since)
    for made in web.pods:
        said = "HTTP probe failed with statuscode: 504"
        failing_probe(world, made, "Readiness", said, since=since - 20)
        world.log(
            made, [f"error: http://{api.name}/v1/items: dial tcp 10.96.0.5:80: i/o timeout"] * 5
        )
    also = (
        Blame("dependency", (web.object, f"ingress/{web.name}", f"service/{web.name}")),
        Blame("ingress-backend", (f"ingress/{web.name}",)),
    )
    return Blame("network-policy", ("networkpolicy/api-in", api.object, web.object), also)


@fault("a policy lets an app ask everybody but its database", among=UNSEEN, alone=True)
def policy_out(shop: Shop) -> Blame:
    world, api = shop.world, shop.take(shop.api)
    since = world.random.randrange(500, 4000)
    dns = {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}
    web = {"to": [{"podSelector": {"matchLabels": {"app": shop.web}}}]}
    chosen = {"matchLabels": {"app": api.name}}
    spec = {"podSelector": chosen, "policyTypes": ["Egress"], "egress": [dns, web]}
    _policy(shop, "api-out", spec, since)
    port = api.container["env"][1]["value"]
    log = [
        f"connect to {shop.database}:{port}",
        f"dial tcp 10.96.3.7:{port}: connect: connection timed out",
    ]
    for made in api.pods:
        crashing(world, made, code=1, log=log, since=since - 40, lived=60)
    also = Blame("dependency", (api.object, f"deployment/{shop.web}"))
    return Blame("network-policy", ("networkpolicy/api-out", api.object), (also,))


@fault("a service kept its old pods' label after a chart was renamed", among=UNSEEN)
def chart(shop: Shop) -> Blame:
    """The ingress in front answers 503; the pods are well."""
    world, app = shop.world, shop.take(shop.web)
    assert app.service is not None
    app.service["spec"]["selector"] = {"app.kubernetes.io/instance": "web-v1", "app": app.name}
    for one in (app.template, *app.pods):
        one["metadata"]["labels"]["app.kubernetes.io/instance"] = "web"
    found = world.find("Ingress", shop.web)
    said = f'Service "{world.namespace}/{app.name}" does not have any active Endpoint.'
    world.event(found, "Sync", said, type="Warning", first=4000, last=60, count=5)
    also = Blame("ingress-backend", (f"ingress/{shop.web}",))
    return Blame("service-selector", (f"service/{app.name}", app.object), (also,))


@fault("a service asks for the other protocol", among=UNSEEN)
def ingress_to_headless(shop: Shop) -> Blame:
    """A port of the service is called by a name that the new template gives to another one."""
    app = shop.victim(serves=True)
    assert app.service is not None
    app.service["spec"]["ports"][0]["targetPort"] = "http"
    for one in (app.template, app.sets[-1]["spec"]["template"], *app.pods):
        for container in one["spec"]["containers"]:
            container["ports"] = [{"name": "h2c", "containerPort": app.port, "protocol": "TCP"}]
            for kind in ("readinessProbe", "livenessProbe"):
                container[kind]["httpGet"]["port"] = app.port
    return Blame("service-port", (f"service/{app.name}", app.object), says="http|h2c")


@fault("a config map was mended, and pods that read it at their start are old", among=UNSEEN)
def old_reading(shop: Shop) -> Blame:
    """They fail since then: the address in their environment is the old one."""
    world, app = shop.world, shop.victim(serves=True)
    name = f"{app.name}-endpoints"
    since = world.random.randrange(900, 5000)
    entry = {
        "manager": "argocd-controller",
        "operation": "Update",
        "apiVersion": "v1",
        "time": world.ago(since),
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:data": {"f:SEARCH_URL": {}}},
    }
    data = {"SEARCH_URL": "http://search-v2.example.com"}
    world.make("ConfigMap", name, age=90 * DAY, data=data, metadata={"managedFields": [entry]})
    source = [{"configMapRef": {"name": name}}]
    for one in (app.template, app.sets[-1]["spec"]["template"], *app.pods):
        one["spec"]["containers"][0]["envFrom"] = source
    for made in app.pods:
        status_of(made)["ready"] = False
        unready(world, made, since - 60)
        said = "HTTP probe failed with statuscode: 503"
        failing_probe(world, made, "Readiness", said, since=since - 60)
        world.log(made, ["upstream http://search-v1.example.com: 410 Gone"] * 5)
    objects = (app.object, f"configmap/{name}")
    return Blame("config-outdated config-changed", objects)
