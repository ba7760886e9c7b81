"""Traffic that does not arrive: services, ingresses, policies, names, networks of nodes."""

from tests.diagnosis.blame import Blame
from tests.diagnosis.fifth.common import (
    DAY,
    broken,
    extra,
    fallen,
    some_time,
    stateful,
    unwell,
)
from tests.diagnosis.pods import crashing, not_mounted
from tests.diagnosis.shop import Shop, certificate
from tests.diagnosis.world import Object, set_condition


@broken("a chart renamed its labels and the service kept the old ones")
def labels(shop: Shop) -> Blame:
    app = shop.victim(serves=True)
    assert app.service
    app.service["spec"]["selector"] = {"app.kubernetes.io/name": app.name, "app": app.name}
    return Blame("service-selector", (f"service/{app.name}", app.object))


@broken("a container renamed the port that its service sends to")
def port_name(shop: Shop) -> Blame:
    app = shop.victim(serves=True)
    assert app.service
    app.service["spec"]["ports"][0]["targetPort"] = "http-api"
    return Blame("service-port", (f"service/{app.name}", app.object))


@broken("a set's own service is not there, and its members do not find each other")
def headless(shop: Shop) -> Blame:
    world, since = shop.world, some_time(shop)
    app = stateful(shop, "kafka", "apache/kafka:3.7.1", port=9092)
    app.workload["spec"]["serviceName"] = "kafka-headless"
    world.remove(world.find("Service", "kafka"))
    place = f"{world.namespace}.svc.cluster.local"
    for number, made in enumerate(app.pods):
        peer = f"kafka-{(number + 1) % 3}.kafka-headless.{place}"
        log = [
            (
                f"WARN [RaftManager id={number}] Couldn't resolve server {peer}:9093 as DNS"
                " resolution failed"
            ),
            f"java.net.UnknownHostException: {peer}",
        ]
        crashing(world, made, log=log, since=since, lived=20)
    objects = (app.object, "service/kafka-headless")
    return Blame("service-missing dependency dns", objects, says="kafka-headless")


@broken("a name outside of the cluster is known to nobody")
def outside(shop: Shop) -> Blame:
    world, app, since = shop.world, shop.victim(), some_time(shop)
    host = "billing-db.c9akciq32.eu-central-1.rds.amazonaws.com"
    env = [*app.container.get("env", ()), {"name": "BILLING_DB", "value": f"{host}:5432"}]
    log = [f"dial tcp: lookup {host} on 10.96.0.10:53: no such host", "exit: no database"]
    for made in app.change(app.template_with(env=env), ago=since):
        crashing(world, made, log=log, since=since, lived=1)
    causes = "dependency dns service-missing crash"
    return Blame(causes, (app.object,), says="billing-db")


@broken(
    "resolvers answer themselves in a circle and nobody finds anybody", beyond_view=True, alone=True
)
def loop(shop: Shop) -> Blame:
    world, since = shop.world, some_time(shop, 700)
    dns = shop.system["coredns"]
    for made in dns.pods:
        log = [
            ".:53",
            "CoreDNS-1.12.1",
            (
                '[FATAL] plugin/loop: Loop (127.0.0.1:38411 -> :53) detected for zone ".", see https://coredns.io/'
                'plugins/loop#troubleshooting. Query: "HINFO'
                ' 4547991504243258144.3688648895315093531."'
            ),
        ]
        crashing(world, made, log=log, since=since + 60, lived=2)
    api = shop.take(shop.api)
    for made in api.pods:
        log = [
            (
                f'could not translate host name "{shop.database}" to address:'
                " Temporary failure in name resolution"
            )
        ]
        crashing(world, made, log=log, since=since, lived=8)
    web = shop.take(shop.web)
    url = web.container["env"][0]["value"]
    unwell(shop, web, since - 20, log=[f"getaddrinfo EAI_AGAIN {url[7:]}"])
    also = Blame(
        "dependency", (web.object, api.object, f"service/{shop.api}", f"ingress/{shop.web}")
    )
    more = Blame("crash", ("deployment/coredns",))
    return Blame("dns crash", ("*",), (also, more), says="(?i)dns|name resolution|Loop")


@broken("a policy lets only the old name of an app to the database", alone=True)
def ingress_policy(shop: Shop) -> Blame:
    world, since = shop.world, some_time(shop)
    api, web = shop.take(shop.api), shop.take(shop.web)
    # What lets everybody in would still let it in.
    for one in world.all("NetworkPolicy", world.namespace):
        world.remove(one)
    rule: Object = {"from": [{"podSelector": {"matchLabels": {"app": f"{api.name}-v1"}}}]}
    rule["ports"] = [{"protocol": "TCP", "port": shop.apps[shop.database].port}]
    world.make(
        "NetworkPolicy",
        "db-only-from-api",
        age=since + 30,
        spec={
            "podSelector": {"matchLabels": {"app": shop.database}},
            "policyTypes": ["Ingress"],
            "ingress": [rule],
        },
    )
    where = world.find("Service", shop.database)["spec"]["clusterIP"]
    line = f"dial tcp {where}:{shop.apps[shop.database].port}: i/o timeout (host {shop.database})"
    unwell(shop, api, since, log=[f'level=error msg="{line}"'])
    unwell(shop, web, since - 20, log=['level=error msg="upstream 503"'])
    also = Blame("dependency", (web.object, f"service/{api.name}", f"ingress/{web.name}"))
    objects = (api.object, "networkpolicy/db-only-from-api", f"statefulset/{shop.database}")
    return Blame("network-policy", objects, (also,))


@broken("an ingress has no certificate at hand", beyond_view=True)
def no_tls(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim(serves=True)
    backend = {"service": {"name": app.name, "port": {"number": 80}}}
    host = f"{app.name}.acme.io"
    world.make(
        "Ingress",
        f"{app.name}-public",
        spec={
            "ingressClassName": "nginx",
            "rules": [
                {
                    "host": host,
                    "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]},
                }
            ],
            "tls": [{"hosts": [host], "secretName": f"{app.name}-public-tls"}],
        },
        status={"loadBalancer": {"ingress": [{"ip": "203.0.113.10"}]}},
    )
    return Blame("secret-missing", (f"ingress/{app.name}-public", f"secret/{app.name}-public-tls"))


@broken("a certificate could not be renewed and has run out")
def run_out(shop: Shop) -> Blame:
    world = shop.world
    found = certificate(world, "shop-front-tls", host="shop-front.acme.io", left=-9 * 3600)
    said = (
        "The certificate request has failed to complete and will be retried: Failed to"
        " wait for order"
        ' resource "shop-front-tls-4-1802" to become ready: order is in "errored" state:'
        " Failed to create"
        " Order: 429 urn:ietf:params:acme:error:rateLimited: too many certificates already issued"
    )
    ready: Object = {"type": "Ready", "status": "False", "reason": "Expired"}
    ready |= {"message": f"Certificate expired on {world.ago(9 * 3600)}"}
    issuing: Object = {"type": "Issuing", "status": "False", "reason": "Failed", "message": said}
    for one in (ready, issuing):
        set_condition(found, {**one, "lastTransitionTime": world.ago(9 * 3600)})
    found["status"] |= {"failedIssuanceAttempts": 6, "lastFailureTime": world.ago(3000)}
    world.event(found, "Failed", said, first=DAY, last=3000, count=6)
    return Blame("certificate", ("certificate/shop-front-tls", "secret/shop-front-tls"))


@broken("a load balancer finds no subnet")
def balancer(shop: Shop) -> Blame:
    app, since = shop.victim(serves=True), some_time(shop)
    assert app.service
    app.service["spec"] |= {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": True}
    app.service["metadata"]["creationTimestamp"] = shop.world.ago(since)
    said = (
        "Error syncing load balancer: failed to ensure load balancer: could not find any"
        " suitable subnets"
        " for creating the ELB"
    )
    shop.world.event(app.service, "SyncLoadBalancerFailed", said, first=since, last=100, count=9)
    return Blame("load-balancer", (f"service/{app.name}",))


@broken("a node's subnet has no addresses left for pods")
def addresses(shop: Shop) -> Blame:
    app, since = shop.victim(), some_time(shop)
    world = shop.world
    for made in app.change(app.template_with(image=f"{app.image}-3"), ago=since):
        not_mounted(world, made, since)
        said = (
            "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to"
            " setup network for"
            f' sandbox "{world.digest()}": plugin type="aws-cni" name="aws-cni" failed'
            " (add): add cmd:"
            " failed to assign an IP address to container"
        )
        world.event(
            made, "FailedCreatePodSandBox", said, first=since, last=11, count=int(since // 13)
        )
    return Blame("cni", ("*",))


@broken("the network plugin may no longer talk to the API server")
def plugin(shop: Shop) -> Blame:
    """After a token had run out: what runs goes on, what is new gets no network."""
    world, since = shop.world, some_time(shop)
    for app in (shop.victim(), shop.victim()):
        for made in app.change(app.template_with(image=f"{app.image}-4"), ago=since):
            not_mounted(world, made, since)
            said = (
                "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to"
                " setup network"
                f' for sandbox "{world.digest()}": plugin type="calico" failed (add): error getting'
                " ClusterInformation: connection is unauthorized: Unauthorized"
            )
            world.event(
                made, "FailedCreatePodSandBox", said, first=since, last=9, count=int(since // 13)
            )
    return Blame("cni", ("*",))


@broken("a cache two steps away is out of memory, and the front page with it", alone=True)
def two_steps(shop: Shop) -> Blame:
    world, since = shop.world, some_time(shop, 800)
    cache = extra(shop, "valkey", replicas=1, port=6379)
    for made in cache.pods:
        log = [
            "* Ready to accept connections tcp",
            "* DB loaded from append only file: 31.2 seconds",
        ]
        crashing(world, made, code=137, reason="OOMKilled", since=since, lived=35, log=log)
    api = shop.take(shop.api)
    env = [*api.container["env"], {"name": "SESSION_STORE", "value": "redis://valkey:6379/1"}]
    api.workload["spec"]["template"] = api.template_with(env=env)
    api.sets[-1]["spec"]["template"]["spec"] = api.template["spec"]
    for made in api.pods:
        made["spec"]["containers"][0]["env"] = env
    unwell(
        shop,
        api,
        since - 30,
        log=['level=error msg="dial tcp valkey:6379: connect: connection refused"'],
    )
    also = fallen(shop, since - 20, api=False)
    objects = (*also.objects, api.object, "service/valkey")
    return Blame("oom", (cache.object,), (Blame("dependency", objects),))


@broken("brokers wait for a coordinator whose setting is wrong", alone=True)
def coordinator(shop: Shop) -> Blame:
    world, since = shop.world, some_time(shop, 800)
    keeper = stateful(shop, "zk", "zookeeper:3.9.2", port=2181)
    for made in keeper.pods:
        log = [
            "ERROR [main:QuorumPeerMain] - Invalid config, exiting abnormally",
            (
                "org.apache.zookeeper.server.quorum.QuorumPeerConfig$ConfigException: Address"
                " unresolved:"
                " zk-9.zk:2888:3888"
            ),
        ]
        crashing(world, made, code=2, since=since, lived=2, log=log)
    env = [{"name": "KAFKA_ZOOKEEPER_CONNECT", "value": "zk:2181"}]
    broker = stateful(shop, "broker", "confluentinc/cp-kafka:7.6.1", port=9092, env=env)
    for made in broker.pods:
        log = [
            "Opening socket connection to server zk/10.42.0.77:2181",
            (
                "Timed out waiting for connection"
                " to zookeeper server zk:2181 while in state CONNECTING: connection refused"
            ),
        ]
        crashing(world, made, code=1, since=since - 60, lived=18, log=log)
    also = Blame("dependency crash", (broker.object, "service/zk"))
    return Blame("crash config-value service-missing", (keeper.object,), (also,))
