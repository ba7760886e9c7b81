"""Images that cannot be had, each for its own reason."""

from tests.diagnosis.blame import Blame
from tests.diagnosis.fifth.common import (
    broken,
    daemon,
    initializing,
    renewed,
    running_job,
    some_time,
    stateful,
    with_init,
)
from tests.diagnosis.pods import template, waiting
from tests.diagnosis.shop import Shop
from tests.diagnosis.world import Object


def not_pulled(shop: Shop, made: Object, said: str, since: float, *, image: str = "") -> None:
    """The kubelet tried, and waits before it tries again."""
    world = shop.world
    container = made["spec"]["containers"][0]
    image = image or container["image"]
    where: Object = {"first": since - 3, "container": container["name"]}
    back = f'Back-off pulling image "{image}"'
    full = f'Failed to pull image "{image}": {said}'
    waiting(world, made, "ImagePullBackOff", f"{back}: ErrImagePull: {said}", since=since)
    tries = max(3, min(9, int(since // 200)))
    text = f'Pulling image "{image}"'
    world.event(made, "Pulling", text, type="Normal", last=70, count=tries, **where)
    world.event(made, "Failed", full, last=68, count=tries, **where)
    world.event(made, "Failed", "Error: ErrImagePull", last=68, count=tries, **where)
    world.event(made, "BackOff", back, type="Normal", last=7, count=int(since // 14), **where)
    world.event(made, "Failed", "Error: ImagePullBackOff", last=7, count=int(since // 14), **where)


def _rollout(shop: Shop, cause: str, image: str, said: str) -> Blame:
    """A new revision of an app whose image is not had."""
    app, since = shop.victim(), some_time(shop)
    for made in app.change(app.template_with(image=image), ago=since):
        not_pulled(shop, made, said.replace("IMAGE", image), since)
    return Blame(cause, (app.object,))


_PULL = 'failed to pull and unpack image "IMAGE": failed to resolve reference "IMAGE": '


@broken("a cloud's registry wants a login that nobody renewed")
def token(shop: Shop) -> Blame:
    image = "420014987654.dkr.ecr.us-east-1.amazonaws.com/risk/scoring:2026.02.1"
    said = (
        "rpc error: code = Unknown desc = "
        + _PULL
        + "pull access denied, repository does not exist or"
        " may require authorization: authorization failed: no basic auth credentials"
    )
    return _rollout(shop, "image-unauthorized image-not-found", image, said)


@broken("a registry's token may not read this project")
def scope(shop: Shop) -> Blame:
    image = "europe-docker.pkg.dev/acme-prod/backend/tax-engine:9f31c2e"
    said = (
        _PULL
        + "failed to authorize: failed to fetch oauth token: unexpected status from GET request"
        " to https://europe-docker.pkg.dev/v2/token?scope=repository%3Aacme-prod%2Fbackend%3Apull:"
        " 403 Forbidden"
    )
    return _rollout(shop, "image-unauthorized", image, said)


@broken("the hub lets nobody pull any more for now, not even an init container")
def limit(shop: Shop) -> Blame:
    world, app, since = shop.world, shop.victim(), some_time(shop)
    image = "docker.io/library/busybox:1.36"
    said = (
        f'failed to pull and unpack image "{image}": failed to copy: httpReadSeeker: failed open:'
        " unexpected status code https://registry-1.docker.io/v2/library/busybox/manifests/sha256:9ae9"
        ": 429 Too Many Requests - Server message: toomanyrequests: You have reached your"
        " unauthenticated pull rate limit. https://www.docker.com/increase-rate-limit"
    )
    for made in app.change(with_init(app, {"name": "chown", "image": image}), ago=since):
        back = f'Back-off pulling image "{image}"'
        state = {
            "waiting": {"reason": "ImagePullBackOff", "message": f"{back}: ErrImagePull: {said}"}
        }
        initializing(
            world, made, "chown", since, state=state, lastState={}, imageID="", restartCount=0
        )
        where: Object = {"first": since - 3, "container": "chown"}
        world.event(
            made, "Failed", f'Failed to pull image "{image}": {said}', last=60, count=5, **where
        )
        world.event(made, "Failed", "Error: ErrImagePull", last=60, count=5, **where)
        world.event(made, "BackOff", back, type="Normal", last=8, count=30, **where)
    return Blame("image-rate-limit", (app.object,))


@broken("a digest that the registry has cleaned away")
def digest(shop: Shop) -> Blame:
    app, since = stateful(shop, "typesense", "typesense/typesense:26.0", port=8108), some_time(shop)
    image = f"typesense/typesense@sha256:{shop.world.digest()}"
    made = renewed(app, app.template_with(image=image), ago=since)
    said = f"{_PULL.replace('IMAGE', image)}docker.io/{image}: not found"
    not_pulled(shop, made, said, since)
    return Blame("image-not-found", (app.object,))


@broken("a registry without TLS")
def plain_http(shop: Shop) -> Blame:
    image = "10.0.12.4:5000/tools/pdf-maker:12"
    said = (
        _PULL
        + 'failed to do request: Head "https://10.0.12.4:5000/v2/tools/pdf-maker/manifests/12":'
        " http: server gave HTTP response to HTTPS client"
    )
    return _rollout(shop, "image-tls", image, said)


@broken("a registry whose certificate has run out, for an agent of every node")
def certificate(shop: Shop) -> Blame:
    app, since = (
        daemon(shop, "fluent-bit", "harbor.internal.acme.io/infra/fluent-bit:3.0"),
        some_time(shop),
    )
    image = "harbor.internal.acme.io/infra/fluent-bit:3.1"
    said = (
        _PULL + 'failed to do request: Head "https://harbor.internal.acme.io/v2/infra/fluent-bit/'
        'manifests/3.1": tls: failed to verify certificate: x509: certificate has expired or is not'
        " yet valid: current time 2026-03-04T10:00:00Z is after 2026-03-01T23:59:59Z"
    )
    for made in app.change(app.template_with(image=image), ago=since):
        not_pulled(shop, made, said.replace("IMAGE", image), since)
    return Blame("image-tls", (app.object,))


@broken("a job may only use an image that its node has, and it has none")
def never(shop: Shop) -> Blame:
    world, since = shop.world, some_time(shop)
    of = template("seed-fixtures", "seed-fixtures:local", port=0)
    of["spec"]["containers"][0]["imagePullPolicy"] = "Never"
    found, made = running_job(world, "seed-fixtures", of, ago=since)
    found["status"]["ready"] = 0
    said = 'Container image "seed-fixtures:local" is not present with pull policy of Never'
    waiting(world, made, "ErrImageNeverPull", said, since=since)
    where: Object = {"first": since - 2, "container": "seed-fixtures"}
    world.event(made, "ErrImageNeverPull", said, last=9, count=int(since // 12), **where)
    world.event(made, "Failed", "Error: ErrImageNeverPull", last=9, count=int(since // 12), **where)
    return Blame("image-pull-never", ("job/seed-fixtures",))


@broken("a node has no room to unpack an image")
def room(shop: Shop) -> Blame:
    image = "nvcr.io/acme/llm-server:24.06"
    said = (
        'failed to pull and unpack image "IMAGE": failed to extract layer sha256:77aa: write'
        " /var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/912/fs/usr/lib/lib"
        "torch_cuda.so: no space left on device: unknown"
    )
    blame = _rollout(shop, "image-pull node-pressure ephemeral-storage volume-full", image, said)
    return Blame(blame.cause, ("*",), says="no space left")


@broken("an image's name has capitals")
def capitals(shop: Shop) -> Blame:
    app, since = shop.victim(), some_time(shop)
    world, image = shop.world, "ghcr.io/Acme/Portal-API:7.0.1"
    said = (
        f'Failed to apply default image tag "{image}": couldn\'t parse image name'
        f' "{image}": invalid'
        " reference format: repository name (Acme/Portal-API) must be lowercase"
    )
    for made in app.change(app.template_with(image=image), ago=since):
        waiting(world, made, "InvalidImageName", said, since=since)
        where: Object = {"first": since - 2, "container": app.container["name"]}
        world.event(made, "InspectFailed", said, last=8, count=int(since // 12), **where)
        world.event(
            made, "Failed", "Error: InvalidImageName", last=8, count=int(since // 12), **where
        )
    return Blame("image-invalid-name", (app.object,))


@broken("an image has nothing for the processors of the nodes")
def no_match(shop: Shop) -> Blame:
    said = 'failed to pull and unpack image "IMAGE": no match for platform in manifest: not found'
    return _rollout(shop, "image-platform", "public.ecr.aws/acme/edge-cache:3.3-arm64", said)


@broken("a mirror answers nobody")
def mirror(shop: Shop) -> Blame:
    said = (
        _PULL
        + 'failed to do request: Head "https://mirror.dc2.example.net/v2/web/manifests/5.5.0":'
        " dial tcp 172.22.4.19:443: connect: no route to host"
    )
    return _rollout(shop, "image-unreachable", "mirror.dc2.example.net/web:5.5.0", said)


@broken("a registry's name is known to no resolver of the nodes")
def resolver(shop: Shop) -> Blame:
    said = (
        _PULL + 'failed to do request: Head "https://artifactory.corp.lan/v2/app/manifests/1":'
        " dial tcp: lookup artifactory.corp.lan on 169.254.169.253:53: no such host"
    )
    return _rollout(shop, "image-dns", "artifactory.corp.lan/app:1", said)


@broken("a set that was taken back waits for the pod of the bad revision")
def deadlock(shop: Shop) -> Blame:
    """The template is well again; an ordered set does not replace a pod that never got ready."""
    app = stateful(shop, "keycloak", "quay.io/keycloak/keycloak:24.0.5")
    since, old = some_time(shop, 900), app.template
    image = "quay.io/keycloak/keycloak:25.0.0-beta9"
    made = renewed(app, app.template_with(image=image), ago=since)
    app.workload["spec"]["template"] = old
    app.workload["metadata"]["generation"] += 1
    said = _PULL.replace("IMAGE", image) + f"{image}: not found"
    not_pulled(shop, made, said, since)
    objects = (app.object, f"pod/{made['metadata']['name']}")
    return Blame("image-not-found rollout-stuck", objects)
