"""A namespace in which all is well, with the cluster around it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from tests.diagnosis.pods import ended, owned_by, pod, template
from tests.diagnosis.workloads import App, daemon_set, deployment, service, stateful_set
from tests.diagnosis.world import DAY, Object, World

SIZES = {"small": 3, "medium": 8, "large": 22, "huge": 62}  # applications; huge: about 200 pods


@dataclass
class Shop:
    """The world, and what of it is whose."""

    world: World
    apps: dict[str, App] = field(default_factory=dict)
    system: dict[str, App] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    after: list[Callable[[], None]] = field(default_factory=list)  # once controllers have seen it
    web: str = ""
    api: str = ""
    database: str = ""

    def victim(self, *, serves: bool = False) -> App:
        """A deployment that nothing else happened to and on which no other depends."""
        special = {self.web, self.api, self.database}
        free = [
            app
            for name, app in sorted(self.apps.items())
            if name not in self.taken | special and (app.service or not serves)
        ]
        app = self.world.random.choice(free)
        self.taken.add(app.name)
        return app

    def take(self, name: str) -> App:
        """One of the applications that depend on each other."""
        self.taken.add(name)
        return self.apps[name]


def shop(world: World, size: str) -> Shop:
    """A healthy namespace of that size."""
    made = Shop(world)
    _cluster(world, size)
    _system(made)
    _storage(world)
    world.make("Namespace", world.namespace, age=300 * DAY, status={"phase": "Active"})
    for name in ("default", "kube-system", "kube-public", "kube-node-lease"):
        world.make("Namespace", name, age=300 * DAY, status={"phase": "Active"})
    world.make("ServiceAccount", "default", age=300 * DAY)
    world.make("ConfigMap", "kube-root-ca.crt", age=300 * DAY, data={"ca.crt": "-----BEGIN CERT…"})
    _chain(made)
    for number in range(SIZES[size] - 3 if size != "small" else 2):
        _another(made, number)
    _furniture(made)
    return made


def _cluster(world: World, size: str) -> None:
    style = world.random.choice(("ip", "pool", "plain"))
    zones = ("eu-west-1a", "eu-west-1b", "eu-west-1c")
    count = {"small": 3, "medium": 3, "large": 6, "huge": 12}[size]
    for number in range(count + 1):
        chief = number == count
        name = {
            "ip": f"ip-10-0-{number + 1}-{world.random.randrange(10, 250)}",
            "pool": f"{'master' if chief else 'pool-a'}-{world.letters(5)}",
            "plain": f"{'cp' if chief else 'node'}-{number + 1}",
        }[style]
        node = world.node(name, zones[number % 3], control_plane=chief)
        assert node


def _system(made: Shop) -> None:
    """What every cluster has in kube-system."""
    world, place = made.world, "kube-system"
    for name in ("coredns", "metrics-server"):
        world.make("ServiceAccount", name, namespace=place)
        image = {"coredns": "registry.k8s.io/coredns/coredns:v1.12.1"}.get(
            name, "registry.k8s.io/metrics-server/metrics-server:v0.7.2"
        )
        labels = {"k8s-app": "kube-dns"} if name == "coredns" else {}
        of = template(name, image, port=8080, account=name, labels=labels)
        app = deployment(world, of, replicas=2, namespace=place, revisions=1, age=90 * DAY)
        made.system[name] = app
        found = service(world, app, port=53, name="kube-dns") if labels else service(world, app)
        if labels:
            found["spec"]["selector"] = labels
            found["spec"]["clusterIP"] = "10.96.0.10"
    for name in ("kube-proxy", "cilium"):
        of = template(name, f"registry.k8s.io/{name}:v1.32.5", port=0)
        tolerates = [{"operator": "Exists"}]
        of["spec"]["tolerations"] = tolerates
        made.system[name] = daemon_set(world, of, namespace=place)
    target = {"name": "metrics-server", "namespace": place, "port": 443}
    world.make(
        "APIService",
        "v1beta1.metrics.k8s.io",
        spec={"group": "metrics.k8s.io", "version": "v1beta1", "service": target},
        status={
            "conditions": [
                {
                    "type": "Available",
                    "status": "True",
                    "reason": "Passed",
                    "message": "all checks passed",
                    "lastTransitionTime": world.ago(20 * DAY),
                }
            ]
        },
    )


def _storage(world: World) -> None:
    for name, mode in (("gp3", "WaitForFirstConsumer"), ("standard", "Immediate")):
        default = {"storageclass.kubernetes.io/is-default-class": str(name == "gp3").lower()}
        world.make(
            "StorageClass",
            name,
            age=200 * DAY,
            metadata={"annotations": default},
            provisioner="ebs.csi.aws.com",
            reclaimPolicy="Delete",
            volumeBindingMode=mode,
            allowVolumeExpansion=True,
        )
    world.make("IngressClass", "nginx", age=200 * DAY, spec={"controller": "k8s.io/ingress-nginx"})


def _chain(made: Shop) -> None:
    """An ingress, a web that asks an api, and an api that asks a database."""
    world = made.world
    made.web, made.api = world.pick("web", "portal", "frontend", "site"), world.name()
    made.database = world.pick("postgres", "orders-db", f"{made.api}-db", "mysql")
    port = 3306 if made.database == "mysql" else 5432
    image = "mysql:8.0.36" if port == 3306 else "postgres:16.4"
    of = template(made.database, image, port=port, probe="", memory="1Gi")
    of["spec"]["containers"][0]["readinessProbe"] = {
        "exec": {"command": ["pg_isready"]},
        "periodSeconds": 10,
        "failureThreshold": 3,
        "timeoutSeconds": 1,
        "successThreshold": 1,
    }
    world.make("Secret", f"{made.database}-auth", type="Opaque", data={"password": "aHVudGVyMg=="})
    database = stateful_set(world, of, claim="data")
    service(world, database, port=port)
    secret = {"secretKeyRef": {"name": f"{made.database}-auth", "key": "password"}}
    where = world.pick(made.database, f"{made.database}.{world.namespace}.svc.cluster.local")
    env: list[Object] = [
        {"name": "DB_HOST", "value": where},
        {"name": "DB_PORT", "value": str(port)},
        {"name": "DB_PASSWORD", "valueFrom": secret},
    ]
    api = app_of(made, made.api, env=env, replicas=3)
    url = f"http://{made.api}" + world.pick("", f".{world.namespace}", ".", "")
    web = app_of(
        made, made.web, env=[{"name": "API_URL", "value": url.rstrip(".")}], replicas=2, port=3000
    )
    made.apps = {one.name: one for one in (database, api, web)}
    _ingress(made)


def _ingress(made: Shop) -> None:
    world = made.world
    host = f"{made.web}.{world.namespace}.example.com"
    backend = {"service": {"name": made.web, "port": {"number": 80}}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
    world.make(
        "Ingress",
        made.web,
        spec={
            "ingressClassName": "nginx",
            "rules": [{"host": host, "http": {"paths": paths}}],
            "tls": [{"hosts": [host], "secretName": f"{made.web}-tls"}],
        },
        status={"loadBalancer": {"ingress": [{"ip": "203.0.113.10"}]}},
    )
    data = {"tls.crt": "LS0tLS1CRUdJTg==", "tls.key": "LS0tLS1CRUdJTg=="}
    world.make("Secret", f"{made.web}-tls", type="kubernetes.io/tls", data=data)


def app_of(
    made: Shop,
    name: str,
    *,
    env: Sequence[Object] = (),
    replicas: int = 2,
    port: int = 8080,
    serves: bool = True,
) -> App:
    """An ordinary application: configuration, an account, a service."""
    world, random = made.world, made.world.random
    major = f"{random.randrange(1, 5)}.{random.randrange(1, 30)}.{random.randrange(0, 9)}"
    tag = world.pick(major, f"v{major}", f"{major}-{world.letters(7)}", f"v{major}-rc1")
    source: list[Object] = []
    volumes: list[Object] = []
    mounts: list[Object] = []
    if random.random() < 0.6:
        data = {"LOG_LEVEL": "info", "REGION": "eu-west-1", "app.yaml": "cache: 60\n"}
        world.make("ConfigMap", f"{name}-config", data=data)
        if random.random() < 0.5:
            source = [{"configMapRef": {"name": f"{name}-config"}}]
        else:
            volume = {"configMap": {"name": f"{name}-config", "defaultMode": 420}}
            volumes = [{"name": "config", **volume}]
            mounts = [{"name": "config", "mountPath": "/etc/app"}]
    account = name if random.random() < 0.4 else "default"
    if account != "default":
        world.make("ServiceAccount", account)
    of = template(
        name,
        f"{world.registry}/{name}:{tag}",
        port=port if serves else 0,
        env=env,
        env_from=source,
        volumes=volumes,
        mounts=mounts,
        account=account,
        probe=random.choice(("/healthz", "/ready", "/health", "/live")),
        cpu=random.choice(("50m", "100m", "200m")),
        memory=random.choice(("128Mi", "256Mi", "512Mi")),
    )
    app = deployment(world, of, replicas=replicas, age=random.randrange(9, 200) * DAY)
    if serves:
        service(world, app, target=random.choice(("http", port)))
        for one in app.pods:
            world.log(one, _chatter(made, name), until=random.randrange(1, 50))
    return app


def _chatter(made: Shop, name: str) -> list[str]:
    random = made.world.random
    paths = ("/api/items", "/healthz", f"/{name}", "/v1/status")
    return [
        f'level=info msg="request" path={random.choice(paths)} status=200 ms={random.randrange(90)}'
        for _ in range(random.randrange(3, 12))
    ]


def _another(made: Shop, number: int) -> None:
    random, world = made.world.random, made.world
    name = made.world.name() if number < 24 else f"worker-{number}"
    serves = number == 0 or random.random() < 0.75
    app = app_of(made, name, replicas=random.randrange(2, 5), serves=serves)
    made.apps[name] = app
    if serves and random.random() < 0.3:
        budget(world, app)
    if random.random() < 0.25:
        autoscaler(world, app)


def budget(world: World, app: App, *, at_least: int = 1) -> Object:
    """A disruption budget for an app that is well."""
    count = len(app.pods)
    return world.make(
        "PodDisruptionBudget",
        app.name,
        spec={"minAvailable": at_least, "selector": {"matchLabels": {"app": app.name}}},
        status={
            "currentHealthy": count,
            "desiredHealthy": at_least,
            "disruptionsAllowed": count - at_least,
            "expectedPods": count,
            "observedGeneration": 1,
        },
    )


def autoscaler(
    world: World, app: App, *, low: int = 0, high: int = 0, now_at: int | None = 45
) -> Object:
    """An autoscaler that finds what it needs."""
    count = app.workload["spec"]["replicas"]
    low, high = low or max(1, count - 1), high or count * 3
    current = (
        []
        if now_at is None
        else [
            {
                "type": "Resource",
                "resource": {
                    "name": "cpu",
                    "current": {"averageUtilization": now_at, "averageValue": "45m"},
                },
            }
        ]
    )
    target = {"apiVersion": "apps/v1", "kind": app.workload["kind"], "name": app.name}
    metric = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}
    return world.make(
        "HorizontalPodAutoscaler",
        app.name,
        spec={
            "scaleTargetRef": target,
            "minReplicas": low,
            "maxReplicas": high,
            "metrics": [{"type": "Resource", "resource": metric}],
        },
        status={
            "observedGeneration": 1,
            "currentReplicas": count,
            "desiredReplicas": count,
            "currentMetrics": current,
            "lastScaleTime": world.ago(3 * DAY),
            "conditions": [
                scaling(
                    world, "AbleToScale", True, "ReadyForNewScale",
                    "recommended size matches current size",
                ),
                scaling(
                    world, "ScalingActive", True, "ValidMetricFound",
                    "the HPA was able to successfully calculate a replica count from cpu resource"
                    " utilization (percentage of request)",
                ),
                scaling(
                    world, "ScalingLimited", False, "DesiredWithinRange",
                    "the desired count is within the acceptable range",
                ),
            ],
        },
    )  # fmt: skip


def scaling(
    world: World, kind: str, holds: bool, reason: str, message: str, *, at: float = 3 * DAY
) -> Object:
    """A condition of an autoscaler."""
    return {
        "type": kind,
        "status": str(holds),
        "reason": reason,
        "message": message,
        "lastTransitionTime": world.ago(at),
    }


def on_the_minute(world: World, ago: float) -> float:
    """That long ago, or a little longer: schedules know no seconds."""
    return ago + (world.now - timedelta(seconds=ago)).second


def daily(world: World, ago: float) -> str:
    """The schedule of what ran then and runs once a day."""
    moment = world.now - timedelta(seconds=ago)
    return f"{moment.minute} {moment.hour} * * *"


def cron_job(world: World, name: str, *, schedule: str = "", last: float = 12 * 3600) -> Object:
    """A cron job whose last job succeeded; by default it runs daily, when it ran last."""
    last = on_the_minute(world, last)
    schedule = schedule or daily(world, last)
    of = template(name, f"{world.registry}/{name}:2.1.0", port=0)
    of["spec"]["restartPolicy"] = "OnFailure"
    found = world.make(
        "CronJob",
        name,
        age=120 * DAY,
        spec={
            "schedule": schedule,
            "suspend": False,
            "concurrencyPolicy": "Forbid",
            "successfulJobsHistoryLimit": 3,
            "failedJobsHistoryLimit": 1,
            "jobTemplate": {"spec": {"backoffLimit": 2, "template": of}},
        },
        status={
            "lastScheduleTime": world.ago(last),
            "lastSuccessfulTime": world.ago(last - 60),
        },
    )
    job(world, f"{name}-{29_000_000 - int(last // 60)}", of, owner=found, ago=last)
    return found


def job(
    world: World,
    name: str,
    of: Object,
    *,
    owner: Object | None = None,
    ago: float = 3600,
    code: int = 0,
    attempts: int = 1,
    limit: int = 2,
    log: Sequence[str] = (),
) -> tuple[Object, list[Object]]:
    """A job that is over, with its pods."""
    of = {**of, "spec": {**of["spec"], "restartPolicy": "Never"}}
    spec = {
        "backoffLimit": limit,
        "completions": 1,
        "parallelism": 1,
        "completionMode": "NonIndexed",
        "suspend": False,
        "template": of,
    }
    spec["selector"] = {"matchLabels": {"batch.kubernetes.io/job-name": name}}
    meta = {"ownerReferences": [owned_by(owner)]} if owner else {}
    found = world.make("Job", name, age=ago, metadata=meta, spec=spec, status={})
    done = ago - 40 * attempts
    ends = {"type": "Complete", "reason": "CompletionsReached", "status": "True"}
    ends["message"] = "Reached expected number of succeeded pods"
    found["status"] = {"startTime": world.ago(ago), "ready": 0, "terminating": 0}
    found["status"] |= {"uncountedTerminatedPods": {}}
    if code:
        ends = {"type": "Failed", "reason": "BackoffLimitExceeded", "status": "True"}
        ends["message"] = "Job has reached the specified backoff limit"
        found["status"]["failed"] = attempts
    else:
        found["status"] |= {"succeeded": 1, "completionTime": world.ago(done)}
    ends |= {"lastProbeTime": world.ago(done), "lastTransitionTime": world.ago(done)}
    first = {"Complete": "SuccessCriteriaMet", "Failed": "FailureTarget"}[ends["type"]]
    found["status"]["conditions"] = [{**ends, "type": first}, ends]
    pods = []
    for number in range(attempts):
        began = ago - 40 * number
        labelled = {
            **of,
            "metadata": {
                "labels": {
                    **of["metadata"]["labels"],
                    "batch.kubernetes.io/job-name": name,
                    "job-name": name,
                }
            },
        }
        node = world.random.choice(world.nodes())
        made = pod(world, found, f"{name}-{world.letters(5)}", labelled, age=began, node=node)
        ended(world, made, code=code, ago=began - 20, lived=15)
        if log:
            world.log(made, log, until=began - 20)
        pods.append(made)
    return found, pods


def _furniture(made: Shop) -> None:
    world, random = made.world, made.world.random
    if random.random() < 0.7:
        cron_job(world, world.pick("nightly-report", "cleanup", "sync-stock", "db-backup"))
    if random.random() < 0.5:
        hard = {"requests.cpu": "60", "requests.memory": "120Gi", "pods": "400"}
        used = {"requests.cpu": "11500m", "requests.memory": "31Gi", "pods": "88"}
        world.make(
            "ResourceQuota", "compute", spec={"hard": hard}, status={"hard": hard, "used": used}
        )
    if random.random() < 0.5:
        rule: Object = {"from": [{"namespaceSelector": {}}]}
        world.make(
            "NetworkPolicy",
            "allow-cluster",
            spec={"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [rule]},
        )
    if random.random() < 0.5:
        limits = {"default": {"memory": "512Mi"}, "defaultRequest": {"cpu": "50m"}}
        kinds = [{"type": "Container", "max": {"memory": "4Gi"}, **limits}]
        world.make("LimitRange", "defaults", spec={"limits": kinds})
    if random.random() < 0.4:
        _certificate(made)


def _certificate(made: Shop) -> None:
    certificate(made.world, f"{made.web}-tls", host=f"{made.web}.example.com")


def certificate(world: World, name: str, *, host: str, left: float = 60 * DAY) -> Object:
    """cert-manager's certificate that is valid for so long."""
    return world.make(
        "Certificate",
        name,
        age=200 * DAY,
        spec={
            "dnsNames": [host],
            "secretName": name,
            "issuerRef": {
                "kind": "ClusterIssuer",
                "name": "letsencrypt",
                "group": "cert-manager.io",
            },
        },
        status={
            "conditions": [
                {
                    "type": "Ready",
                    "status": "True",
                    "reason": "Ready",
                    "message": "Certificate is up to date and has not expired",
                    "lastTransitionTime": world.ago(90 * DAY - left),
                    "observedGeneration": 1,
                }
            ],
            "notBefore": world.ago(90 * DAY - left),
            "notAfter": world.ago(-left),
            "renewalTime": world.ago(-(left - 30 * DAY)),
            "revision": 3,
        },
    )
