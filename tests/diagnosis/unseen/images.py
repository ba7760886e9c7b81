"""Images: what registries, proxies and policies answer."""

from tests.diagnosis.blame import UNSEEN, Blame, fault
from tests.diagnosis.faults.crashes import age_of, release
from tests.diagnosis.faults.images import pull_fails
from tests.diagnosis.pods import status_of, template, waiting
from tests.diagnosis.shop import Shop
from tests.diagnosis.workloads import stateful_set
from tests.diagnosis.world import Object


def _pull(shop: Shop, cause: str, said: str, *, says: str = "") -> Blame:
    app = shop.victim()
    for made in release(shop, app):
        image = made["spec"]["containers"][0]["image"]
        host = image.partition("/")[0]
        pull_fails(app, made, said.format(image=image, host=host), since=age_of(shop, made) - 2)
    return Blame(cause, (app.object,), says=says)


_RESOLVE = (
    'rpc error: code = Unknown desc = failed to pull and unpack image "{image}": failed to resolve'
    ' reference "{image}": '
)


@fault("a registry's mirror is out of order", among=UNSEEN)
def mirror(shop: Shop) -> Blame:
    said = _RESOLVE + "unexpected status from HEAD request to https://{host}/v2/x/manifests/8.0.0:"
    said += " 503 Service Unavailable"
    return _pull(shop, "image-unreachable image-pull", said, says="503")


@fault("the proxy before a registry has no name any more", among=UNSEEN)
def proxy(shop: Shop) -> Blame:
    said = (
        _RESOLVE + 'failed to do request: Head "https://{host}/v2/x/manifests/8.0.0": proxyconnect'
    )
    said += " tcp: dial tcp: lookup proxy.corp.internal on 10.0.0.2:53: no such host"
    return _pull(shop, "image-dns image-unreachable", said, says=r"proxy\.corp")


@fault("a registry speaks plain HTTP", among=UNSEEN)
def plain(shop: Shop) -> Blame:
    said = (
        _RESOLVE + 'failed to do request: Head "https://{host}/v2/x/manifests/8.0.0": http: server'
    )
    said += " gave HTTP response to HTTPS client"
    return _pull(shop, "image-tls image-unreachable", said)


@fault("an image is not signed as the node asks for", among=UNSEEN)
def signature(shop: Shop) -> Blame:
    """CRI-O's reason has a name of its own."""
    world, app = shop.world, shop.victim()
    for made in release(shop, app):
        image, since = made["spec"]["containers"][0]["image"], age_of(shop, made)
        said = (
            f"image pull failed for {image} because the signature validation failed: Source image"
        )
        said += " rejected: A signature was required, but no signature exists"
        waiting(world, made, "SignatureValidationFailed", said, since=since)
        about: Object = {"first": since, "last": 40, "container": app.name}
        world.event(made, "Failed", f'Failed to pull image "{image}": {said}', count=7, **about)
        world.event(made, "Failed", "Error: SignatureValidationFailed", count=7, **about)
    return Blame("image-pull image-unauthorized", (app.object,), says="[Ss]ignature")


@fault("a registry's clean-up took the tag that old pods still run", among=UNSEEN)
def pruned(shop: Shop) -> Blame:
    """No new revision: one pod was moved to a node that does not have the image."""
    world, app = shop.world, shop.victim()
    since = world.random.randrange(500, 9000)
    app.drop(app.pods[0])
    made = app.add_pod(age=since, node=world.random.choice(world.nodes()))
    image = app.image
    said = f'rpc error: code = NotFound desc = failed to pull and unpack image "{image}": failed to'
    said += f' resolve reference "{image}": {image}: not found'
    pull_fails(app, made, said, since=since - 2)
    return Blame("image-not-found", (app.object,))


@fault("a set's image was mended, and its broken pod still has the old one", among=UNSEEN)
def not_replaced(shop: Shop) -> Blame:
    """An ordered set waits for its pod, and that for an image: somebody must delete it."""
    world = shop.world
    name = world.random.choice(("rabbit", "etcd", "zookeeper"))
    of = template(name, f"{world.registry}/{name}:3.13.7", port=5672, probe="")
    app = stateful_set(world, of, replicas=3, claim="state")
    shop.apps[name] = app
    since = world.random.randrange(1500, 6000)
    wrong = app.template_with(image=f"{world.registry}/{name}:3.14.9")
    made = app.change(wrong, ago=since)[0]
    image = wrong["spec"]["containers"][0]["image"]
    said = f'rpc error: code = NotFound desc = failed to pull and unpack image "{image}": failed to'
    said += f' resolve reference "{image}": {image}: not found'
    pull_fails(app, made, said, since=since - 3)
    app.workload["spec"]["template"] = of
    app.workload["metadata"]["generation"] += 1
    assert status_of(made)
    objects = (app.object, f"pod/{made['metadata']['name']}")
    return Blame("image-not-found rollout-stuck", objects)
