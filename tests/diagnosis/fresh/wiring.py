"""Services, ingresses, policies and what pods read."""

from tests.diagnosis.blame import FRESH, Blame, fault
from tests.diagnosis.pods import crashing, failing_probe, status_of, unready
from tests.diagnosis.shop import Shop
from tests.diagnosis.world import DAY, Object


@fault("a load balancer is never made", among=FRESH)
def balancer(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim(serves=True)
    assert app.service is not None
    app.service["spec"]["type"] = "LoadBalancer"
    said = (
        "Error syncing load balancer: failed to ensure load balancer: could not find any suitable"
    )
    said += " subnets for creating the ELB"
    world.event(app.service, "SyncLoadBalancerFailed", said, first=3500, last=40, count=13)
    return Blame("load-balancer", (f"service/{app.name}",), says="subnets")


@fault("the certificate that an ingress shows is not there", among=FRESH, beyond_view=True)
def no_certificate(shop: Shop) -> Blame:
    world = shop.world
    found = world.find("Ingress", shop.web)
    found["spec"]["tls"][0]["secretName"] = "wildcard-2026"
    said = 'Error getting SSL certificate "wildcard-2026": local SSL certificate was not found'
    world.event(found, "MissingSecret", said, first=3000, last=600, count=4)
    objects = (f"ingress/{shop.web}", "secret/wildcard-2026")
    return Blame("secret-missing", objects)


@fault("a service prefers a label that only the dead pods have", among=FRESH)
def half(shop: Shop) -> Blame:
    """Blue and green: the service still points at blue, which was scaled away."""
    _world, app = shop.world, shop.victim(serves=True)
    assert app.service is not None
    app.service["spec"]["selector"] = {"app": app.name, "colour": "blue"}
    for made in app.pods:
        made["metadata"]["labels"]["colour"] = "green"
    app.template["metadata"]["labels"]["colour"] = "green"
    return Blame("service-selector", (f"service/{app.name}", app.object))


@fault("an ingress of a group names a service that nobody made", among=FRESH)
def second_path(shop: Shop) -> Blame:
    world = shop.world
    found = world.find("Ingress", shop.web)
    backend = {"service": {"name": "search-v3", "port": {"name": "http"}}}
    path = {"path": "/search", "pathType": "Prefix", "backend": backend}
    found["spec"]["rules"][0]["http"]["paths"].append(path)
    return Blame("ingress-backend service-missing", (f"ingress/{shop.web}", "service/search-v3"))


@fault("all that comes in is cut off by a policy", among=FRESH, alone=True)
def deny_in(shop: Shop) -> Blame:
    """The api may only be asked by pods of another label: the web is not among them."""
    world, api, web = shop.world, shop.take(shop.api), shop.take(shop.web)
    for one in world.all("NetworkPolicy"):
        world.remove(one)
    rule: Object = {"from": [{"podSelector": {"matchLabels": {"role": "gateway"}}}]}
    world.make(
        "NetworkPolicy",
        "api-from-gateway",
        age=1500,
        spec={
            "podSelector": {"matchLabels": {"app": api.name}},
            "policyTypes": ["Ingress"],
            "ingress": [rule],
        },
    )
    for made in web.pods:
        status_of(made)["ready"] = False
        unready(world, made, 1450)
        said = "HTTP probe failed with statuscode: 503"
        failing_probe(world, made, "Readiness", said, since=1450)
        world.log(made, [f"upstream http://{api.name}: connect ETIMEDOUT"] * 5)
    also = (
        Blame("dependency", (web.object, f"ingress/{web.name}", f"service/{web.name}")),
        Blame("ingress-backend", (f"ingress/{web.name}",)),
    )
    objects = ("networkpolicy/api-from-gateway", web.object, api.object)
    return Blame("network-policy", objects, also)


@fault("a secret was renewed, and its readers still use the old one", among=FRESH, beyond_view=True)
def stale(shop: Shop) -> Blame:
    """What the server answers is in the log; the program itself is as it was."""
    world, app = shop.world, shop.victim(serves=True)
    name = f"{app.name}-token"
    found = world.make("Secret", name, age=40 * DAY, type="Opaque", data={"token": "bmV3"})
    found["metadata"]["managedFields"] = [
        {
            "manager": "external-secrets",
            "operation": "Update",
            "apiVersion": "v1",
            "time": world.ago(1300),
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {"f:token": {}}},
        }
    ]
    reference = {"secretKeyRef": {"name": name, "key": "token"}}
    env = [{"name": "UPSTREAM_TOKEN", "valueFrom": reference}]
    for container in (app.container, *(one["spec"]["containers"][0] for one in app.pods)):
        container["env"] = env
    app.sets[-1]["spec"]["template"]["spec"] = app.template["spec"]
    for made in app.pods:
        crashing(
            world,
            made,
            code=1,
            since=1200,
            lived=4,
            log=["login at upstream", "fatal: 401 Unauthorized: token is not valid any more"],
        )
    objects = (app.object, f"secret/{name}")
    return Blame("config-changed config-outdated", objects)
