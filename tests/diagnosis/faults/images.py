"""Images that cannot be had, each for its reason."""

from tests.diagnosis.blame import Blame, fault
from tests.diagnosis.pods import crashing, waiting
from tests.diagnosis.shop import Shop
from tests.diagnosis.workloads import App
from tests.diagnosis.world import Object


def pull_fails(app: App, made: Object, said: str, *, since: float) -> None:
    """A pod whose image cannot be pulled; the kubelet says why in its events."""
    world, image, name = app.world, made["spec"]["containers"][0]["image"], app.container["name"]
    back = f'Back-off pulling image "{image}"'
    full = world.pick(back, back, f"{back}: ErrImagePull: {said}", f"{back}: ErrImagePull: {said}")
    if world.random.random() < 0.25:
        waiting(world, made, "ErrImagePull", said, since=since)
    else:
        waiting(world, made, "ImagePullBackOff", full, since=since)
    tries = max(2, min(12, int(since // 90)))
    last = world.random.randrange(20, 160)
    about = {"container": name, "first": since - 3, "last": last}
    world.event(made, "Pulling", f'Pulling image "{image}"', type="Normal", count=tries, **about)
    world.event(made, "Failed", f'Failed to pull image "{image}": {said}', count=tries, **about)
    world.event(made, "Failed", "Error: ErrImagePull", count=tries, **about)
    about |= {"last": world.random.randrange(1, 15)}
    many = int(since // 14)
    world.event(made, "BackOff", back, type="Normal", count=many, **about)
    world.event(made, "Failed", "Error: ImagePullBackOff", count=many, **about)


def _unpack(image: str) -> str:
    return f'failed to pull and unpack image "{image}": failed to resolve reference "{image}"'


def _release(shop: Shop, image: str) -> tuple[App, list[Object], float]:
    """A new revision with that image: `{}` is what the application's is called without its tag."""
    world, app = shop.world, shop.victim()
    bare = app.image.rpartition(":")[0]
    since = world.random.randrange(200, 2400)
    new = app.change(app.template_with(image=image.format(bare)), ago=since)
    return app, new, since


def _broken(shop: Shop, cause: str, image: str, said: str) -> Blame:
    app, new, since = _release(shop, image)
    whole = app.image
    host, _, rest = whole.partition("/")
    repository = rest.rpartition(":")[0]
    text = said.format(
        unpack=_unpack(whole), image=whole, host=host, repo=repository, tag=whole.rpartition(":")[2]
    )
    for made in new:
        pull_fails(app, made, text, since=since)
    return Blame(cause, (app.object,))


@fault("image tag does not exist")
def tag(shop: Shop) -> Blame:
    said = shop.world.pick(
        "rpc error: code = NotFound desc = {unpack}: {image}: not found",
        "reading manifest {tag} in {host}/{repo}: manifest unknown",
        "{unpack}: {image}: not found",
        "Error response from daemon: manifest for {image} not found: manifest unknown: manifest"
        " unknown",
    )
    return _broken(shop, "image-not-found", shop.world.pick("{}:1.9.l", "{}:2025.07-rc9"), said)


@fault("image repository does not exist or is private")
def repository(shop: Shop) -> Blame:
    said = shop.world.pick(
        "rpc error: code = Unknown desc = {unpack}: pull access denied, repository does not exist"
        " or may require authorization: server message: insufficient_scope: authorization failed",
        "Error response from daemon: pull access denied for {repo}, repository does not exist or"
        " may require 'docker login': denied: requested access to the resource is denied",
    )
    return _broken(shop, "image-not-found-or-unauthorized", "{}-next:1.0.0", said)


@fault("image registry wants other credentials")
def unauthorized(shop: Shop) -> Blame:
    said = shop.world.pick(
        "rpc error: code = Unknown desc = {unpack}: failed to authorize: failed to fetch oauth token:"
        " unexpected status from GET request to https://{host}/service/token?scope=repository%3A"
        "{repo}%3Apull&service=registry: 401 Unauthorized",
        "{unpack}: unexpected status from HEAD request to https://{host}/v2/{repo}/manifests/{tag}:"
        " 403 Forbidden",
        "rpc error: code = Unknown desc = Error response from daemon: Head"
        ' "https://{host}/v2/{repo}/manifests/{tag}": no basic auth credentials',
        "unable to retrieve auth token: invalid username/password: unauthorized: authentication"
        " required",
    )
    return _broken(shop, "image-unauthorized", "{}:5.0.0", said)


@fault("image pull secret is missing")
def pull_secret(shop: Shop) -> Blame:
    app = shop.victim()
    world = shop.world
    name = world.pick("regcred", "registry-pull", "ghcr", "harbor-robot")
    template = app.template_with(image=app.image.rpartition(":")[0] + ":5.1.0")
    template["spec"]["imagePullSecrets"] = [{"name": name}]
    since = world.random.randrange(300, 1500)
    for made in app.change(template, ago=since):
        made["spec"]["imagePullSecrets"] = [{"name": name}]
        said = f"{_unpack(app.image)}: failed to authorize: failed to fetch anonymous token:"
        pull_fails(app, made, f"{said} 401 Unauthorized", since=since)
        world.event(
            made,
            "FailedToRetrieveImagePullSecret",
            f"Unable to retrieve some image pull secrets ({name}); attempting to pull the image may"
            " not succeed.",
            first=since - 2,
            last=9,
            count=int(since // 12),
        )
    return Blame("pull-secret-missing", (app.object, f"secret/{name}"))


@fault("image registry limits the rate")
def rate(shop: Shop) -> Blame:
    image = shop.world.pick("docker.io/library/redis:7.4.2", "docker.io/bitnami/nginx:1.27.4")
    said = shop.world.pick(
        'rpc error: code = Unknown desc = failed to pull and unpack image "{image}": failed to copy:'
        " httpReadSeeker: failed open: unexpected status code https://registry-1.docker.io/v2/{repo}"
        "/manifests/sha256:1d9a: 429 Too Many Requests - Server message: toomanyrequests: You have"
        " reached your unauthenticated pull rate limit."
        " https://www.docker.com/increase-rate-limit",
        "Error response from daemon: toomanyrequests: You have reached your pull rate limit. You may"
        " increase the limit by authenticating and upgrading:"
        " https://www.docker.com/increase-rate-limit",
    )
    return _broken(shop, "image-rate-limit", image, said)


@fault("image registry's name does not resolve")
def name(shop: Shop) -> Blame:
    image = shop.world.pick("registry.exmaple.com/shop/a:1.0.0", "harbor.crop.example/team/b:3.2.1")
    said = shop.world.pick(
        'rpc error: code = Unknown desc = {unpack}: failed to do request: Head "https://{host}/v2/'
        '{repo}/manifests/{tag}": dial tcp: lookup {host} on 10.0.0.2:53: no such host',
        '{unpack}: failed to do request: Head "https://{host}/v2/{repo}/manifests/{tag}": dial tcp:'
        " lookup {host}: Temporary failure in name resolution",
    )
    return _broken(shop, "image-registry-dns", image, said)


@fault("image registry's certificate is not trusted")
def tls(shop: Shop) -> Blame:
    said = shop.world.pick(
        'rpc error: code = Unknown desc = {unpack}: failed to do request: Head "https://{host}/v2/'
        '{repo}/manifests/{tag}": tls: failed to verify certificate: x509: certificate signed by'
        " unknown authority",
        '{unpack}: failed to do request: Head "https://{host}/v2/{repo}/manifests/{tag}": tls: failed'
        " to verify certificate: x509: certificate has expired or is not yet valid",
        '{unpack}: failed to do request: Head "https://{host}/v2/{repo}/manifests/{tag}": http:'
        " server gave HTTP response to HTTPS client",
    )
    return _broken(shop, "image-registry-tls", "{}:6.0.1", said)


@fault("image registry does not answer")
def away(shop: Shop) -> Blame:
    said = shop.world.pick(
        'rpc error: code = DeadlineExceeded desc = {unpack}: failed to do request: Head "https://'
        '{host}/v2/{repo}/manifests/{tag}": dial tcp 10.20.7.4:443: i/o timeout',
        '{unpack}: failed to do request: Head "https://{host}/v2/{repo}/manifests/{tag}": dial tcp'
        " 10.20.7.4:443: connect: connection refused",
    )
    return _broken(shop, "image-registry-away", "{}:6.1.0", said)


@fault("image is not for this platform")
def platform(shop: Shop) -> Blame:
    said = shop.world.pick(
        'rpc error: code = NotFound desc = failed to pull and unpack image "{image}": no match for'
        " platform in manifest: not found",
        "choosing an image from manifest list docker://{image}: no image found in image index for"
        " architecture amd64, variant , OS linux",
    )
    return _broken(shop, "image-platform", "{}:7.0.0-arm64", said)


@fault("image runs another processor's code")
def exec_format(shop: Shop) -> Blame:
    app, new, since = _release(shop, "{}:7.1.0")
    log = shop.world.pick(
        ["exec /usr/local/bin/docker-entrypoint.sh: exec format error"],
        ["exec /app/server: exec format error"],
    )
    for made in new:
        crashing(shop.world, made, code=shop.world.pick(1, 255), log=log, since=since, lived=0)
    return Blame("image-platform", (app.object,))


@fault("image name is none")
def invalid(shop: Shop) -> Blame:
    app, new, since = _release(shop, shop.world.pick("{}/Next:1.0.0", "{}:1.0.0:latest"))
    world, image = shop.world, app.image
    said = f'Failed to apply default image tag "{image}": couldn\'t parse image name "{image}":'
    said += " invalid reference format"
    for made in new:
        waiting(world, made, "InvalidImageName", said, since=since)
        about = {"container": app.container["name"], "first": since, "last": 8, "count": 60}
        world.event(made, "InspectFailed", said, **about)
        world.event(made, "Failed", "Error: InvalidImageName", **about)
    return Blame("image-invalid-name", (app.object,))


@fault("image is not on the node and may not be pulled")
def never(shop: Shop) -> Blame:
    app = shop.victim()
    world = shop.world
    image = app.image.rpartition(":")[0] + world.pick(":dev", ":local")
    since = world.random.randrange(200, 1200)
    for made in app.change(app.template_with(image=image, imagePullPolicy="Never"), ago=since):
        said = f'Container image "{image}" is not present with pull policy of Never'
        waiting(world, made, "ErrImageNeverPull", said, since=since)
        about = {"container": app.container["name"], "first": since, "last": 5, "count": 40}
        world.event(made, "ErrImageNeverPull", said, **about)
        world.event(made, "Failed", "Error: ErrImageNeverPull", **about)
    return Blame("image-never-pulled", (app.object,))
