"""Pods that may not even be made: quotas, limits, policies, webhooks, accounts."""

from tests.diagnosis.blame import Blame, fault
from tests.diagnosis.shop import Shop
from tests.diagnosis.workloads import App
from tests.diagnosis.world import Object


def refuse(app: App, why: str, *, template: Object | None = None, forbidden: bool = True) -> None:
    """A new revision of which no pod may be created."""
    world = app.world
    since = world.random.randrange(200, 2800)
    for made in app.change(template or app.template_with(image=f"{app.image}-2"), ago=since):
        app.drop(made)
        world.forget_events([made])
    owner = app.owner["metadata"]["name"]
    text = f'pods "{owner}-{world.letters(5)}" is forbidden: {why}' if forbidden else why
    app.refused = text
    about = app.owner
    world.event(
        about,
        "FailedCreate",
        f"Error creating: {text}",
        first=since,
        last=world.random.randrange(20, 200),
        count=max(3, min(17, int(since // 70))),
    )


@fault("quota is used up")
def quota(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    what, used, hard, asks = world.pick(
        ("requests.cpu", "3950m", "4", "100m"),
        ("limits.memory", "15872Mi", "16Gi", "1Gi"),
        ("pods", "12", "12", "1"),
        ("requests.memory", "7936Mi", "8Gi", "512Mi"),
    )
    name = world.pick("team-quota", "compute-resources")
    limits = {what: hard}
    world.make(
        "ResourceQuota", name, spec={"hard": limits}, status={"hard": limits, "used": {what: used}}
    )
    refuse(
        app,
        f"exceeded quota: {name}, requested: {what}={asks}, used: {what}={used}, limited:"
        f" {what}={hard}",
    )
    return Blame("quota", (app.object, f"resourcequota/{name}"))


@fault("quota asks for limits that the pod does not have")
def must_specify(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    name = world.pick("limits", "hard-limits")
    hard = {"limits.cpu": "40", "limits.memory": "80Gi"}
    used = {"limits.cpu": "4", "limits.memory": "8Gi"}
    world.make("ResourceQuota", name, spec={"hard": hard}, status={"hard": hard, "used": used})
    refuse(app, f"failed quota: {name}: must specify limits.cpu for: {app.name}")
    return Blame("quota", (app.object, f"resourcequota/{name}"))


@fault("limit range forbids the size")
def limits(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    name = world.pick("mem-limit-range", "container-limits")
    rules = [{"type": "Container", "max": {"memory": "1Gi"}, "min": {"cpu": "100m"}}]
    world.make("LimitRange", name, spec={"limits": rules})
    asks = {"requests": {"cpu": "200m", "memory": "2Gi"}, "limits": {"memory": "2Gi"}}
    why = world.pick(
        "maximum memory usage per Container is 1Gi, but limit is 2Gi",
        "[maximum memory usage per Container is 1Gi, but limit is 2Gi, maximum memory usage per Pod"
        " is 1Gi, but limit is 2147483648]",
    )
    refuse(app, why, template=app.template_with(resources=asks))
    return Blame("limit-range", (app.object, f"limitrange/{name}"))


@fault("service account does not exist")
def account(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    name = f"{app.name}-{world.pick('sa', 'runner')}"
    template = app.template_with()
    template["spec"] |= {"serviceAccountName": name, "serviceAccount": name}
    place = world.namespace
    why = f'error looking up service account {place}/{name}: serviceaccount "{name}" not found'
    refuse(app, why, template=template)
    return Blame("service-account", (app.object, f"serviceaccount/{name}"))


@fault("pod security forbids the pod")
def security(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    world.find("Namespace", world.namespace, "")["metadata"]["labels"] = labels
    why = (
        'violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container'
        f' "{app.name}" must set securityContext.allowPrivilegeEscalation=false), unrestricted'
        f' capabilities (container "{app.name}" must set'
        ' securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or container'
        f' "{app.name}" must set securityContext.runAsNonRoot=true)'
    )
    refuse(app, why)
    return Blame("pod-security", (app.object, f"namespace/{world.namespace}"))


@fault("priority class does not exist")
def priority(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    name = world.pick("business-critical", "high-prio")
    template = app.template_with()
    template["spec"]["priorityClassName"] = name
    refuse(app, f"no PriorityClass with name {name} was found", template=template)
    return Blame("priority-class", (app.object, f"priorityclass/{name}"))


@fault("webhook fails closed")
def webhook(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    name, host, service = world.pick(
        ("sidecar-injector.istio.io", "istiod.istio-system", "istiod"),
        ("validate.kyverno.svc-fail", "kyverno-svc.kyverno", "kyverno-svc"),
        ("vault.hashicorp.com", "vault-agent-injector.vault", "vault-agent-injector"),
        ("validation.gatekeeper.sh", "gatekeeper-webhook.gatekeeper-system", "gatekeeper-webhook"),
    )
    said = world.pick(
        f'no endpoints available for service "{service}"',
        "dial tcp 10.96.141.7:443: connect: connection refused",
        "context deadline exceeded",
        "tls: failed to verify certificate: x509: certificate has expired or is not yet valid",
    )
    place = host.partition(".")[2]
    config = f"{service}-config"
    for kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"):
        client = {"service": {"name": service, "namespace": place, "path": "/mutate", "port": 443}}
        rules = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]  # fmt: skip
        hook = {"name": name, "clientConfig": client, "failurePolicy": "Fail", "rules": rules}
        if kind.startswith("Mutating") or name.startswith("valid"):
            world.make(
                kind, config, webhooks=[{**hook, "timeoutSeconds": 10, "sideEffects": "None"}]
            )
    text = f'failed calling webhook "{name}": failed to call webhook: Post'
    full = f'Internal error occurred: {text} "https://{host}.svc:443/mutate?timeout=10s": {said}'
    refuse(app, full, forbidden=False)
    kinds = ("mutatingwebhookconfiguration", "validatingwebhookconfiguration")
    objects = [f"{kind}/{one}" for kind in kinds for one in (config, name)]
    return Blame("webhook", (app.object, *objects, f"service/{service}", f"webhook/{name}"))


@fault("webhook denies the pod")
def denied(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    why = world.pick(
        'admission webhook "validate.kyverno.svc-fail" denied the request:  resource'
        f" Pod/{world.namespace}/{app.name} was blocked due to the following policies"
        " disallow-latest-tag: require-image-tag: 'validation error: Using a mutable image tag e.g."
        " 'latest' is not allowed.'",
        'admission webhook "validation.gatekeeper.sh" denied the request: [required-labels] you must'
        ' provide labels: {"cost-center"}',
    )
    refuse(app, why, forbidden=False)
    return Blame("webhook-denied", (app.object,))
