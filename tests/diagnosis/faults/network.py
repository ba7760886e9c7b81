"""Traffic that arrives nowhere."""

from tests.diagnosis.blame import Blame, fault
from tests.diagnosis.faults.crashes import release
from tests.diagnosis.pods import crashing, failing_probe, not_mounted
from tests.diagnosis.shop import Shop, app_of
from tests.diagnosis.workloads import App
from tests.diagnosis.world import Object


def _served(shop: Shop) -> tuple[App, Object]:
    app = shop.victim(serves=True)
    assert app.service is not None
    return app, app.service


@fault("service selects no pod")
def selector(shop: Shop) -> Blame:
    app, service = _served(shop)
    service["spec"]["selector"] = shop.world.pick(
        {"app": f"{app.name}-svc"},
        {"app.kubernetes.io/name": app.name},
        {"app": app.name, "version": "v2"},
        {"app": app.name, "tier": "green"},
    )
    return Blame("service-selector", (f"service/{service['metadata']['name']}", app.object))


@fault("service names a port that no pod has")
def named_port(shop: Shop) -> Blame:
    app, service = _served(shop)
    service["spec"]["ports"][0]["targetPort"] = shop.world.pick("web", "http-api", "https")
    return Blame("service-port", (f"service/{service['metadata']['name']}", app.object))


@fault("service sends to a port where nobody listens")
def number_port(shop: Shop) -> Blame:
    app, service = _served(shop)
    service["spec"]["ports"][0]["targetPort"] = shop.world.pick(8081, 9000, 80, 8443)
    return Blame("service-port", (f"service/{service['metadata']['name']}", app.object))


@fault("pods were relabelled and lost their service")
def relabelled(shop: Shop) -> Blame:
    """A service that wants two labels, one of which the new template no longer has."""
    app, service = _served(shop)
    service["spec"]["selector"]["component"] = "server"
    return Blame("service-selector", (f"service/{service['metadata']['name']}", app.object))


@fault("ingress names a service that does not exist")
def ingress_service(shop: Shop) -> Blame:
    world = shop.world
    found = world.find("Ingress", shop.web)
    gone = world.pick("web-v2", "storefront", "frontend-new", "portal-next")
    found["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"] = gone
    return Blame("ingress-backend", (f"ingress/{shop.web}", f"service/{gone}"))


@fault("ingress names a port that its service does not have")
def ingress_port(shop: Shop) -> Blame:
    found = shop.world.find("Ingress", shop.web)
    backend = found["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    backend["port"] = shop.world.pick({"number": 8080}, {"name": "web"})
    return Blame("ingress-port", (f"ingress/{shop.web}", f"service/{shop.web}"))


@fault("ingress class that nobody serves")
def ingress_class(shop: Shop) -> Blame:
    found = shop.world.find("Ingress", shop.web)
    found["spec"]["ingressClassName"] = shop.world.pick("ngnix", "traefik")
    found["status"] = {"loadBalancer": {}}
    found["metadata"]["creationTimestamp"] = shop.world.ago(3000)
    return Blame("ingress-class", (f"ingress/{shop.web}",))


@fault("network policy cuts an app off from its database", alone=True)
def policy(shop: Shop) -> Blame:
    world, api = shop.world, shop.take(shop.api)
    database = shop.take(shop.database)
    since = world.random.randrange(500, 2000)
    name = world.pick("default-deny", "deny-all-ingress", f"{database.name}-lockdown")
    chosen: Object = {} if name.startswith("de") else {"matchLabels": {"app": database.name}}
    if not chosen:  # everything else is let in
        for app in shop.apps.values():
            if app is not database:
                world.make(
                    "NetworkPolicy",
                    f"allow-{app.name}",
                    age=since,
                    spec={
                        "podSelector": {"matchLabels": {"app": app.name}},
                        "policyTypes": ["Ingress"],
                        "ingress": [{}],
                    },
                )
    spec = {"podSelector": chosen, "policyTypes": ["Ingress"]}
    allowing = world.objects["NetworkPolicy"].pop((world.namespace, "allow-cluster"), None)
    assert allowing is None or allowing["spec"]
    world.make("NetworkPolicy", name, age=since, spec=spec)
    where = api.container["env"][0]["value"]
    port = api.container["env"][1]["value"]
    log = world.pick(
        [f"dial tcp 10.96.3.7:{port}: i/o timeout", "fatal: cannot reach the database, giving up"],
        [(f'could not connect to server: Connection timed out. Is the server running on host "{where}"'
         f" and accepting TCP/IP connections on port {port}?")],
    )  # fmt: skip
    for made in api.pods:
        crashing(world, made, code=1, log=log, since=since - 40, lived=31)
    also = Blame("dependency", (api.object, f"deployment/{shop.web}"))
    return Blame("network-policy", (f"networkpolicy/{name}", api.object), (also,))


@fault("network policy forbids DNS", alone=True)
def egress(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    since = world.random.randrange(500, 2000)
    name = world.pick("restrict-egress", "egress-only-internal")
    to = [{"podSelector": {"matchLabels": {"app": shop.database}}}]
    world.make(
        "NetworkPolicy",
        name,
        age=since,
        spec={
            "podSelector": {"matchLabels": {"app": app.name}},
            "policyTypes": ["Egress"],
            "egress": [{"to": to}],
        },
    )
    log = world.pick(
        [("dial tcp: lookup api.stripe.com on 10.96.0.10:53: read udp 10.42.0.9:41234->10.96.0.10:53:"
         " i/o timeout")],
        ["Error: getaddrinfo EAI_AGAIN api.partner.example.com"],
    )  # fmt: skip
    for made in app.pods:
        crashing(world, made, code=1, log=log, since=since - 30, lived=20)
    return Blame("network-policy", (f"networkpolicy/{name}", app.object))


@fault("cluster's DNS is down", beyond_view=True, alone=True)
def dns(shop: Shop) -> Blame:
    world = shop.world
    since = world.random.randrange(400, 1800)
    core = shop.system["coredns"]
    log = world.pick(
        ['[FATAL] plugin/loop: Loop (127.0.0.1:57181 -> :53) detected for zone "."'],
        ["/etc/coredns/Corefile:8 - Error during parsing: Unknown directive 'forwrd'"],
    )
    for made in core.pods:
        crashing(world, made, code=1, log=log, since=since)
    names = [shop.api, shop.victim().name]
    for name in names:
        for made in shop.apps[name].pods:
            said = world.pick(
                f"dial tcp: lookup {shop.database} on 10.96.0.10:53: read udp"
                " 10.42.0.7:42113->10.96.0.10:53: i/o timeout",
                f"Error: getaddrinfo EAI_AGAIN {shop.database}",
                "java.net.UnknownHostException: partner.example.com: Temporary failure in name"
                " resolution",
            )
            crashing(world, made, code=1, log=["starting", said], since=since - 60, lived=16)
    affected = tuple(f"deployment/{name}" for name in (*names, shop.web))
    also = (Blame("dependency", affected), Blame("crash", affected))
    return Blame("dns", ("deployment/coredns", "service/kube-dns", *affected), also)


@fault("host name that does not exist")
def host(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    gone = world.pick("redis-cache", "kafka", f"inventory.{world.namespace}.svc.cluster.local")
    said = world.pick(
        f"dial tcp: lookup {gone} on 10.96.0.10:53: no such host",
        f"Error: getaddrinfo ENOTFOUND {gone}",
        f"java.net.UnknownHostException: {gone}: Name or service not known",
        f'could not translate host name "{gone}" to address: Name or service not known',
    )
    for made in release(shop, app, env=[{"name": "BACKEND_HOST", "value": gone}]):
        since = world.since(made["metadata"]["creationTimestamp"])
        crashing(world, made, code=1, log=["starting 8.0.0", said], since=since, lived=2)
    short = gone.partition(".")[0]
    return Blame("host-missing", (app.object, f"service/{short}"), says=short)


@fault("network of new pods cannot be set up", beyond_view=False)
def sandbox(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    said = world.pick(
        'plugin type="calico" failed (add): error getting ClusterInformation: connection is'
        " unauthorized: Unauthorized",
        'plugin type="aws-cni" name="aws-cni" failed (add): add cmd: failed to assign an IP address to'
        " container",
        'plugin type="cilium-cni" failed (add): unable to connect to Cilium agent: failed to create'
        " cilium agent client after 30.000000 seconds timeout",
        'plugin type="flannel" failed (add): loadFlannelSubnetEnv failed: open'
        " /run/flannel/subnet.env: no such file or directory",
    )
    for made in release(shop, app):
        since = world.since(made["metadata"]["creationTimestamp"])
        not_mounted(world, made, since)
        text = "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup"
        world.event(
            made,
            "FailedCreatePodSandBox",
            f'{text} network for sandbox "{world.digest()}": {said}',
            first=since,
            last=9,
            count=int(since // 13),
        )
    return Blame("cni", (app.object, "*"))


@fault("upstream that an app asks is not ready")
def upstream(shop: Shop) -> Blame:
    """A worker asks another app whose only pod never gets ready; that one is to be mended."""
    world = shop.world
    broken = shop.victim(serves=True)
    url = f"http://{broken.name}.{world.namespace}.svc:80"
    asking = app_of(shop, world.name(), env=[{"name": "UPSTREAM_URL", "value": url}], replicas=2)
    shop.apps[asking.name] = asking
    shop.taken.add(asking.name)
    since = world.random.randrange(600, 2400)
    for made in broken.pods:
        said = world.pick(
            "HTTP probe failed with statuscode: 500", "HTTP probe failed with statuscode: 503"
        )
        log = ['level=error msg="license expired, refusing traffic"'] * 4
        world.log(made, log, until=3)
        failing_probe(world, made, "Readiness", said, since=since)
    for made in asking.pods:
        said = f'Get "{url}/v1": dial tcp 10.96.8.8:80: connect: connection refused'
        failing_probe(
            world, made, "Readiness", "HTTP probe failed with statuscode: 503", since=since - 40
        )
        world.log(made, [f'level=error msg="upstream failed" err={said!r}'] * 4, until=2)
    also = Blame("dependency", (asking.object,))
    return Blame("not-ready", (broken.object,), (also,))
