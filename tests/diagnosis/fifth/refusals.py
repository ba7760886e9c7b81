"""Pods that may not be made: who refuses them, and why."""

from tests.diagnosis.blame import Blame
from tests.diagnosis.faults.admission import refuse
from tests.diagnosis.fifth.common import (
    broken,
    daemon,
    running_job,
    some_time,
    stateful,
    with_volume,
)
from tests.diagnosis.pods import crashing, template
from tests.diagnosis.shop import Shop
from tests.diagnosis.workloads import App, deployment, service
from tests.diagnosis.world import Object


def _refused_set(shop: Shop, app: App, why: str, since: float, *, verb: str = "create Pod") -> None:
    """A stateful set whose last pod may not be made again."""
    made = app.pods[-1]
    name = made["metadata"]["name"]
    app.drop(made)
    shop.world.forget_events([made])
    said = f"{verb} {name} in StatefulSet {app.name} failed error: {why}"
    shop.world.event(app.workload, "FailedCreate", said, first=since, last=50, count=14)


@broken("a quota was made smaller than what it holds, and a pod was moved")
def smaller(shop: Shop) -> Blame:
    world, since = shop.world, some_time(shop)
    app = stateful(shop, "zookeeper", "zookeeper:3.9.2", port=2181)
    hard, used = {"requests.memory": "2Gi"}, {"requests.memory": "3840Mi"}
    world.make(
        "ResourceQuota", "mem", age=900, spec={"hard": hard}, status={"hard": hard, "used": used}
    )
    why = (
        'pods "zookeeper-2" is forbidden: exceeded quota: mem, requested:'
        " requests.memory=256Mi, used:"
        " requests.memory=3840Mi, limited: requests.memory=2Gi"
    )
    _refused_set(shop, app, why, since)
    return Blame("quota", (app.object, "resourcequota/mem"))


@broken("a job may make no pod: the namespace has all that it may have")
def job_quota(shop: Shop) -> Blame:
    world, since = shop.world, some_time(shop)
    hard, used = {"pods": "30", "limits.cpu": "12"}, {"pods": "17", "limits.cpu": "11500m"}
    world.make("ResourceQuota", "team", spec={"hard": hard}, status={"hard": hard, "used": used})
    of = template("reconcile-ledger", "ghcr.io/acme/ledger:8.8", port=0)
    found, made = running_job(world, "reconcile-ledger", of, ago=since)
    world.remove(made)
    found["status"] = {"startTime": world.ago(since), "ready": 0, "terminating": 0}
    found["status"]["uncountedTerminatedPods"] = {}
    said = (
        'Error creating: pods "reconcile-ledger-x5k2p" is forbidden: exceeded quota: team,'
        " requested:"
        " limits.cpu=1, used: limits.cpu=11500m, limited: limits.cpu=12"
    )
    world.event(found, "FailedCreate", said, first=since - 1, last=100, count=8)
    return Blame("quota", ("job/reconcile-ledger", "resourcequota/team"))


@broken("a limit may be only twice what is asked for")
def ratio(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    rules = [{"type": "Container", "maxLimitRequestRatio": {"cpu": "2"}}]
    world.make("LimitRange", "no-overcommit", spec={"limits": rules})
    of = app.template_with(
        resources={
            "requests": {"cpu": "100m", "memory": "1Gi"},
            "limits": {"cpu": "1", "memory": "1Gi"},
        }
    )
    refuse(
        app,
        "cpu max limit to request ratio per Container is 2, but provided ratio is 10.000000",
        template=of,
    )
    return Blame("limit-range", (app.object, "limitrange/no-overcommit"))


@broken("a pod asks for less than the least")
def least(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    rules = [{"type": "Container", "min": {"memory": "128Mi"}}]
    world.make("LimitRange", "floor", spec={"limits": rules})
    of = app.template_with(resources={"requests": {"memory": "32Mi"}, "limits": {"memory": "32Mi"}})
    refuse(app, "minimum memory usage per Container is 128Mi, but request is 32Mi", template=of)
    return Blame("limit-range", (app.object, "limitrange/floor"))


def _hook(shop: Shop, name: str, place: str, serves: str) -> None:
    serving = {"name": serves, "namespace": place, "path": "/inject", "port": 443}
    rules = [
        {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    ]
    hook: Object = {
        "name": name,
        "clientConfig": {"service": serving},
        "failurePolicy": "Fail",
        "rules": rules,
    }
    hook |= {"timeoutSeconds": 10, "sideEffects": "None", "admissionReviewVersions": ["v1"]}
    shop.world.make("MutatingWebhookConfiguration", serves, webhooks=[hook])


@broken("the mesh's injector died of its memory and nobody gets pods", alone=True)
def injector(shop: Shop) -> Blame:
    world, since = shop.world, some_time(shop, 900)
    world.make("Namespace", "istio-system", status={"phase": "Active"})
    world.make("ServiceAccount", "default", namespace="istio-system")
    of = template("istiod", "docker.io/istio/pilot:1.22.3", port=15017, memory="128Mi")
    mesh = deployment(world, of, namespace="istio-system", replicas=1, revisions=1)
    service(world, mesh, port=443, target=15017)
    shop.system["istiod"] = mesh
    for made in mesh.pods:
        log = ["info\tads\tPush debounce stable[88] 2103 for config ServiceEntry"]
        crashing(world, made, code=137, reason="OOMKilled", since=since + 200, lived=30, log=log)
    name = "rev.namespace.sidecar-injector.istio.io"
    _hook(shop, name, "istio-system", "istiod")
    app = shop.victim()
    why = (
        f'Internal error occurred: failed calling webhook "{name}": failed to call webhook: Post'
        ' "https://istiod.istio-system.svc:443/inject?timeout=10s": no endpoints available'
        " for service"
        ' "istiod"'
    )
    refuse(app, why, forbidden=False)
    also = Blame("oom dependency crash", ("deployment/istiod",))
    config = "mutatingwebhookconfiguration"
    objects = (
        app.object,
        f"{config}/istiod",
        f"{config}/{name}",
        "service/istiod",
        f"webhook/{name}",
    )
    return Blame("webhook", objects, (also,))


@broken("a webhook's authority was made anew and nobody told the API server")
def authority(shop: Shop) -> Blame:
    app, name = shop.victim(), "pod-policy.kubewarden.admission"
    _hook(shop, name, "kubewarden", "policy-server-default")
    why = (
        f'Internal error occurred: failed calling webhook "{name}": failed to call webhook: Post'
        ' "https://policy-server-default.kubewarden.svc:443/inject?timeout=10s": tls:'
        " failed to verify"
        " certificate: x509: certificate signed by unknown authority (possibly because of"
        ' "crypto/rsa:'
        ' verification error" while trying to verify candidate authority certificate "ca")'
    )
    refuse(app, why, forbidden=False)
    config = "mutatingwebhookconfiguration/policy-server-default"
    objects = (
        app.object,
        config,
        f"webhook/{name}",
        f"mutatingwebhookconfiguration/{name}",
        "service/policy-server-default",
    )
    return Blame("webhook certificate-expired", objects)


@broken("a signature is wanted that the image does not have")
def unsigned(shop: Shop) -> Blame:
    app = shop.victim()
    why = (
        'admission webhook "mutate.kyverno.svc-fail" denied the request:  resource Pod/'
        f"{shop.world.namespace}/{app.name} was blocked due to the following policies "
        " verify-images:"
        f"  check-signature: 'failed to verify image {app.image}-2:"
        " .attestors[0].entries[0].keys: no"
        " signatures found'"
    )
    refuse(app, why, forbidden=False)
    return Blame("webhook-denied", (app.object,))


@broken("an admission policy of the API server itself says no")
def policy(shop: Shop) -> Blame:
    app = shop.victim()
    refuse(
        app,
        "ValidatingAdmissionPolicy 'require-team-label' with binding"
        " 'require-team-label-binding' denied"
        " request: every pod names the team that is called at night",
    )
    causes = "webhook forbidden pod-security invalid-template"
    return Blame(causes, (app.object,), says="require-team-label|called at night")


@broken("an agent wants the node's own files where that is not allowed")
def host_path(shop: Shop) -> Blame:
    world, since = shop.world, some_time(shop)
    app = daemon(shop, "disk-exporter", "quay.io/acme/disk-exporter:1.0")
    labels = {"pod-security.kubernetes.io/enforce": "baseline"}
    world.find("Namespace", world.namespace, "")["metadata"]["labels"] = labels
    volume = {"name": "root", "hostPath": {"path": "/", "type": ""}}
    app.workload["spec"]["template"] = with_volume(app, volume, "/host")
    for made in list(app.pods):
        app.drop(made)
    said = (
        'Error creating: pods "disk-exporter-9xq7v" is forbidden: violates PodSecurity'
        ' "baseline:latest": hostPath volumes (volume "root")'
    )
    world.event(app.workload, "FailedCreate", said, first=since, last=90, count=15)
    count = len(world.nodes())

    def seen() -> None:
        app.workload["status"] |= {"desiredNumberScheduled": count, "numberUnavailable": count}

    shop.after.append(seen)
    return Blame("pod-security", (app.object, f"namespace/{world.namespace}"))


@broken("a clean-up took the account of a set away")
def account(shop: Shop) -> Blame:
    since = some_time(shop)
    app = stateful(shop, "patroni", "ghcr.io/acme/patroni:3.3", port=8008, account="patroni")
    place = shop.world.namespace
    why = (
        'pods "patroni-2" is forbidden: error looking up service account'
        f' {place}/patroni: serviceaccount "patroni" not found'
    )
    _refused_set(shop, app, why, since)
    return Blame("service-account", (app.object, "serviceaccount/patroni"))


@broken("a sandbox of pods that the cluster does not know")
def runtime(shop: Shop) -> Blame:
    app = shop.victim()
    of = app.template_with()
    of["spec"]["runtimeClassName"] = "gvisor"
    refuse(app, 'pod rejected: RuntimeClass "gvisor" not found', template=of)
    return Blame("invalid-template forbidden", (app.object, "runtimeclass/gvisor"), says="gvisor")


@broken("an app may not hold the lease by which its replicas take turns")
def lease(shop: Shop) -> Blame:
    world, app, since = shop.world, shop.victim(), some_time(shop)
    account = app.template["spec"]["serviceAccountName"]
    user = f"system:serviceaccount:{world.namespace}:{account}"
    log = [
        (
            "E1126 leaderelection.go:332] error retrieving resource lock"
            f" {world.namespace}/turns: leases."
            f'coordination.k8s.io "turns" is forbidden: User "{user}" cannot get resource'
            ' "leases" in API'
            f' group "coordination.k8s.io" in the namespace "{world.namespace}"'
        ),
        "leader election lost",
    ]
    for made in app.pods:
        crashing(world, made, log=log, since=since, lived=20)
    return Blame("forbidden permission-denied", (app.object, f"serviceaccount/{account}"))
