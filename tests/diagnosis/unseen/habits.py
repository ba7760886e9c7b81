"""Nothing is wrong: how people set things up, and meant it."""

from datetime import timedelta

from tests.diagnosis.decoys import UNSEEN_DECOYS, _app, decoy
from tests.diagnosis.pods import spell, template
from tests.diagnosis.shop import Shop, autoscaler, certificate, cron_job, scaling
from tests.diagnosis.workloads import bound, service, stateful_set
from tests.diagnosis.world import DAY, set_condition


@decoy("an event-driven scaler keeps an app at nothing while nobody asks", among=UNSEEN_DECOYS)
def keda(shop: Shop) -> None:
    world, app = shop.world, shop.victim()
    world.objects["HorizontalPodAutoscaler"].pop((world.namespace, app.name), None)
    world.objects["PodDisruptionBudget"].pop((world.namespace, app.name), None)
    for made in list(app.pods):
        app.drop(made)
    app.workload["spec"]["replicas"] = 0
    found = autoscaler(world, app, low=1, high=10)
    found["metadata"]["name"] = f"keda-hpa-{app.name}"
    world.objects["HorizontalPodAutoscaler"].pop((world.namespace, app.name))
    world.add(found)
    found["status"] |= {"currentReplicas": 0, "desiredReplicas": 0, "currentMetrics": None}
    said = "scaling is disabled since the replica count of the target is zero"
    set_condition(found, scaling(world, "ScalingActive", False, "ScalingDisabled", said))


@decoy("a volume grows while it is in use", among=UNSEEN_DECOYS)
def grows(shop: Shop) -> None:
    world = shop.world
    of = template("registry", "registry:2.8.3", port=5000)
    app = stateful_set(world, of, claim="blobs")
    shop.apps["registry"] = app
    service(world, app)
    claim = world.find("PersistentVolumeClaim", "blobs-registry-0")
    claim["spec"]["resources"]["requests"]["storage"] = "40Gi"
    claim["status"]["conditions"] = [
        {"type": "FileSystemResizePending", "status": "True", "lastTransitionTime": world.ago(60)}
        | {"message": "Waiting for user to (re-)start a pod to finish file system resize."}
    ]
    said = "External resizer is resizing volume pvc"
    world.event(claim, "Resizing", said, type="Normal", first=90, last=90)
    said = "Require file system resize of volume on node"
    world.event(claim, "FileSystemResizeRequired", said, type="Normal", first=60, last=60)


@decoy("a stateful set was made smaller, its claims were kept", among=UNSEEN_DECOYS)
def kept_claims(shop: Shop) -> None:
    world = shop.world
    of = template("shards", f"{world.registry}/shards:4.4.0", port=7000)
    app = stateful_set(world, of, claim="data")
    shop.apps["shards"] = app
    service(world, app)
    for number in (1, 2):
        bound(world, f"data-shards-{number}")


@decoy("a certificate of one day that is renewed every eight hours", among=UNSEEN_DECOYS)
def short_lived(shop: Shop) -> None:
    world = shop.world
    found = certificate(world, "mesh-identity", host="mesh.svc", left=10 * 3600)
    found["spec"] |= {"duration": "24h0m0s", "renewBefore": "8h0m0s"}
    found["status"] |= {
        "notBefore": world.ago(14 * 3600),
        "notAfter": world.ago(-10 * 3600),
        "renewalTime": world.ago(-2 * 3600),
        "revision": 211,
    }
    world.make("Secret", "mesh-identity", type="kubernetes.io/tls", data={"tls.crt": ""})


@decoy("a certificate is being renewed at this moment", among=UNSEEN_DECOYS)
def renewing(shop: Shop) -> None:
    world = shop.world
    found = certificate(world, "shop-public", host="shop.example.com", left=30 * DAY - 90)
    said = "Renewing certificate as renewal was scheduled at this time"
    body = {"type": "Issuing", "status": "True", "reason": "Renewing", "message": said}
    set_condition(found, {**body, "lastTransitionTime": world.ago(90), "observedGeneration": 1})
    world.event(found, "Issuing", said, type="Normal", first=90, last=90)
    world.make("Secret", "shop-public", type="kubernetes.io/tls", data={"tls.crt": ""})


@decoy("a webhook that may fail, and whose service is gone", among=UNSEEN_DECOYS)
def may_fail(shop: Shop) -> None:
    client = {"service": {"namespace": "old-tools", "name": "auditor", "path": "/"}}
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"]}
    shop.world.make(
        "ValidatingWebhookConfiguration",
        "auditor",
        webhooks=[
            {
                "name": "audit.example.com",
                "failurePolicy": "Ignore",
                "clientConfig": client,
                "rules": [{**rule, "resources": ["pods"], "scope": "*"}],
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
            }
        ],
    )


@decoy("policies by expressions, blocks of addresses and the names of ports", among=UNSEEN_DECOYS)
def by_name(shop: Shop) -> None:
    world = shop.world
    names = sorted(shop.apps)
    everybody = {"matchExpressions": [{"key": "app", "operator": "In", "values": names}]}
    world.make(
        "NetworkPolicy",
        "ports-by-name",
        age=20 * DAY,
        spec={
            "podSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [
                {"from": [{"podSelector": everybody}], "ports": [{"port": "http"}]},
                {"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]},
            ],
            "egress": [
                {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]},
                {"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.169.254/32"]}}]},
            ],
        },
    )


@decoy("readiness gates that are open", among=UNSEEN_DECOYS)
def open_gates(shop: Shop) -> None:
    world, app = shop.world, _app(shop, serves=True)
    kind = "target-health.elbv2.k8s.aws/k8s-shop-web-1a2b"
    for one in (app.template, app.sets[-1]["spec"]["template"], *app.pods):
        one["spec"]["readinessGates"] = [{"conditionType": kind}]
    for made in app.pods:
        spell(world, made, kind, status="True", lastTransitionTime=world.ago(5 * DAY))


@decoy("a cron job of another time zone", among=UNSEEN_DECOYS)
def far_away(shop: Shop) -> None:
    """Kolkata is five and a half hours ahead: by its own clock it ran today."""
    world = shop.world
    last = 7 * 3600.0
    found = cron_job(world, "market-close", last=last)
    moment = world.now - timedelta(seconds=world.since(found["status"]["lastScheduleTime"]))
    there = moment + timedelta(hours=5, minutes=30)
    found["spec"] |= {"timeZone": "Asia/Kolkata", "schedule": f"{there.minute} {there.hour} * * *"}


@decoy("a cron job missed one start when the control plane was renewed", among=UNSEEN_DECOYS)
def missed_once(shop: Shop) -> None:
    world = shop.world
    found = cron_job(world, "half-hourly", schedule="*/30 * * * *", last=0)
    last = world.since(
        (world.now.replace(minute=world.now.minute // 30 * 30, second=0)).strftime(
            "%Y-%m-%dT%H:%M:%SZ"
        )
    )
    found["status"]["lastScheduleTime"] = world.ago(last)
    found["status"]["lastSuccessfulTime"] = world.ago(max(0, last - 20))
    said = "Missed scheduled time to start a job: Wed, 25 Nov 2026 03:30:00 +0000"
    world.event(found, "MissSchedule", said, first=3500, last=3500)


@decoy("an ingress without a class, of which the cluster has one by default", among=UNSEEN_DECOYS)
def default_class(shop: Shop) -> None:
    world = shop.world
    chosen = world.find("IngressClass", "nginx", "")
    chosen["metadata"]["annotations"] = {"ingressclass.kubernetes.io/is-default-class": "true"}
    app = _app(shop, serves=True)
    backend = {"service": {"name": app.name, "port": {"name": "http"}}}
    world.make(
        "Ingress",
        f"{app.name}-public",
        spec={"defaultBackend": backend},
        status={"loadBalancer": {"ingress": [{"ip": "203.0.113.10"}]}},
    )


@decoy("a quota of a kind of object that nobody wants more of", among=UNSEEN_DECOYS)
def full_of_balancers(shop: Shop) -> None:
    hard = {"services.loadbalancers": "0", "services.nodeports": "0", "count/secrets": "40"}
    used = {"services.loadbalancers": "0", "services.nodeports": "0", "count/secrets": "40"}
    shop.world.make(
        "ResourceQuota", "no-balancers", spec={"hard": hard}, status={"hard": hard, "used": used}
    )


@decoy("a service that leads to a name elsewhere", among=UNSEEN_DECOYS)
def elsewhere(shop: Shop) -> None:
    shop.world.make(
        "Service",
        "payments-gateway",
        spec={"type": "ExternalName", "externalName": "api.payments.example.net"},
        status={"loadBalancer": {}},
    )
