"""Pods that may not be made, and objects that cannot be had as they are written."""

from tests.diagnosis.blame import UNSEEN, Blame, fault
from tests.diagnosis.faults.admission import refuse
from tests.diagnosis.pods import template, wait_for_node
from tests.diagnosis.shop import Shop, cron_job, job
from tests.diagnosis.world import DAY, Object


@fault("a runtime class that the cluster does not have", among=UNSEEN)
def runtime_class(shop: Shop) -> Blame:
    app = shop.victim()
    of = app.template_with()
    of["spec"]["runtimeClassName"] = "gvisor"
    refuse(app, 'pod rejected: RuntimeClass "gvisor" not found', template=of)
    return Blame("invalid-template", (app.object,), says="gvisor")


@fault("a webhook adds a container that is not valid", among=UNSEEN)
def injected(shop: Shop) -> Blame:
    app = shop.victim()
    owner = f"{app.name}-{shop.world.letters(5)}"
    why = f'Pod "{owner}" is invalid: spec.containers[1].image: Required value'
    refuse(app, why, forbidden=False)
    return Blame("invalid-template webhook", (app.object,), says="image")


@fault("an admission policy of the cluster denies the pod", among=UNSEEN)
def admission_policy(shop: Shop) -> Blame:
    app = shop.victim()
    why = "ValidatingAdmissionPolicy 'images-from-us.example.com' with binding 'images-from-us'"
    why += " denied request: images must come from registry.corp.example"
    refuse(app, why)
    causes = "webhook pod-security invalid-template"
    return Blame(causes, (app.object,), says="images-from-us")


@fault("the certificate of a webhook is not trusted", among=UNSEEN)
def webhook_tls(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    client = {"service": {"namespace": "istio-system", "name": "istiod", "path": "/inject"}}
    world.make(
        "MutatingWebhookConfiguration",
        "istio-sidecar-injector",
        webhooks=[
            {"name": "namespace.sidecar-injector.istio.io", "failurePolicy": "Fail"}
            | {"clientConfig": client}
        ],
    )
    why = 'Internal error occurred: failed calling webhook "namespace.sidecar-injector.istio.io":'
    why += ' failed to call webhook: Post "https://istiod.istio-system.svc:443/inject?timeout=10s":'
    why += " tls: failed to verify certificate: x509: certificate signed by unknown authority"
    refuse(app, why, forbidden=False)
    objects = (app.object, "mutatingwebhookconfiguration/istio-sidecar-injector", "service/istiod")
    return Blame("webhook", objects, says="x509|certificate")


@fault("a limit is too many times its request", among=UNSEEN)
def ratio(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    rules = [{"type": "Container", "maxLimitRequestRatio": {"cpu": "4"}}]
    world.make("LimitRange", "ratio", spec={"limits": rules})
    sizes = {"requests": {"cpu": "100m"}, "limits": {"cpu": "2"}}
    why = "cpu max limit to request ratio per Container is 4, but provided ratio is 20.000000"
    refuse(app, why, template=app.template_with(resources=sizes))
    return Blame("limit-range", (app.object, "limitrange/ratio"), says="ratio")


@fault("a quota counts the jobs of a cron job", among=UNSEEN)
def counted_jobs(shop: Shop) -> Blame:
    world = shop.world
    name = world.random.choice(("sync-orders", "poll-mailbox"))
    found = cron_job(world, name, schedule="*/5 * * * *", last=1900)
    hard, used = {"count/jobs.batch": "10"}, {"count/jobs.batch": "10"}
    world.make("ResourceQuota", "objects", spec={"hard": hard}, status={"hard": hard, "used": used})
    said = (
        f'Error creating job: jobs.batch "{name}-29400310" is forbidden: exceeded quota: objects,'
    )
    said += (
        " requested: count/jobs.batch=1, used: count/jobs.batch=10, limited: count/jobs.batch=10"
    )
    world.event(found, "FailedCreate", said, first=1600, last=40, count=6)
    return Blame("quota", (f"cronjob/{name}", "resourcequota/objects"))


@fault("the pods of a job are not as safe as the namespace asks", among=UNSEEN)
def unsafe_job(shop: Shop) -> Blame:
    world = shop.world
    name = world.random.choice(("import-legacy", "fix-permissions"))
    found, pods = job(world, name, template(name, "busybox:1.37", port=0), ago=2400)
    for made in pods:
        world.remove(made)
    found["status"] = {"startTime": world.ago(2400), "ready": 0, "terminating": 0}
    place = world.find("Namespace", world.namespace, "")
    place["metadata"]["labels"] = {"pod-security.kubernetes.io/enforce": "restricted"}
    said = f'Error creating: pods "{name}-8k2jd" is forbidden: violates PodSecurity'
    said += ' "restricted:latest": allowPrivilegeEscalation != false (container "x" must set'
    said += " securityContext.allowPrivilegeEscalation=false), runAsNonRoot != true"
    world.event(found, "FailedCreate", said, first=2390, last=90, count=9)
    return Blame("pod-security", (f"job/{name}",))


@fault("a claim that is being deleted is asked for again", among=UNSEEN)
def dying_claim(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    name = f"{app.name}-cache"
    claim: Object = world.make(
        "PersistentVolumeClaim",
        name,
        age=30 * DAY,
        metadata={
            "finalizers": ["kubernetes.io/pvc-protection"],
            "deletionTimestamp": world.ago(4000),
            "deletionGracePeriodSeconds": 0,
        },
        spec={
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "5Gi"}},
            "storageClassName": "gp3",
            "volumeName": "pvc-dying",
        },
        status={"phase": "Bound", "capacity": {"storage": "5Gi"}},
    )
    volume = {"name": "cache", "persistentVolumeClaim": {"claimName": name}}
    for made in app.pods[1:]:
        app.drop(made)
    app.workload["spec"]["replicas"] = 1
    app.pods[0]["spec"]["volumes"].insert(0, volume)
    of = app.template_with()
    of["spec"]["volumes"] = [volume]
    count, since = len(world.all("Node")), world.random.randrange(300, 3500)
    for made in app.change(of, ago=since):
        said = f'0/{count} nodes are available: persistentvolumeclaim "{name}" is being deleted.'
        wait_for_node(world, made, f"{said} preemption: not helpful for scheduling", since=since)
    assert claim
    objects = (app.object, f"persistentvolumeclaim/{name}")
    return Blame("terminating-stuck pvc-missing pvc-lost", objects)
