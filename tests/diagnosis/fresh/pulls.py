"""Images again, and places on nodes."""

from collections.abc import Callable

from tests.diagnosis.blame import FRESH, Blame, fault
from tests.diagnosis.faults.images import pull_fails
from tests.diagnosis.pods import template, unready, wait_for_node, waiting
from tests.diagnosis.shop import Shop
from tests.diagnosis.workloads import daemon_set
from tests.diagnosis.world import DAY, Object


def _pull(shop: Shop, cause: str, image: str, said: str) -> Blame:
    app = shop.victim()
    whole = image.format(app.image.rpartition(":")[0])
    for made in app.change(app.template_with(image=whole), ago=1400):
        pull_fails(app, made, said.format(whole), since=1390)
    return Blame(cause, (app.object,))


@fault("a digest that the registry does not have", among=FRESH)
def digest(shop: Shop) -> Blame:
    said = 'rpc error: code = NotFound desc = failed to pull and unpack image "{0}": failed to'
    said += ' resolve reference "{0}": {0}: not found'
    return _pull(shop, "image-not-found", "{}@sha256:" + "1f" * 32, said)


@fault("the login at the registry ran out", among=FRESH)
def ran_out(shop: Shop) -> Blame:
    said = 'rpc error: code = Unknown desc = failed to pull and unpack image "{0}": failed to'
    said += ' resolve reference "{0}": pull access denied, repository does not exist or may require'
    said += " authorization: authorization failed: Your authorization token has expired."
    said += " Reauthenticate and try again."
    return _pull(shop, "image-unauthorized", "{}:21.4.0", said)


@fault("no room on the node for the layers of an image", among=FRESH)
def layers(shop: Shop) -> Blame:
    said = 'rpc error: code = Unknown desc = failed to pull and unpack image "{0}": failed to'
    said += " extract layer sha256:9f2: write /var/lib/containerd/tmpmounts/containerd-mount88/usr:"
    said += " no space left on device: unknown"
    return _pull(shop, "image-pull volume-full node-pressure ephemeral-storage", "{}:21.4.0", said)


@fault("a pull that takes longer than it may", among=FRESH)
def too_slow(shop: Shop) -> Blame:
    said = 'rpc error: code = DeadlineExceeded desc = failed to pull and unpack image "{0}": failed'
    said += ' to copy: httpReadSeeker: failed open: failed to do request: Get "https://cdn.example/'
    said += 'blobs/sha256/77": context deadline exceeded'
    return _pull(shop, "image-unreachable image-pull", "{}:21.4.0", said)


@fault("the image of an init container does not exist", among=FRESH)
def init_image(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    of = app.template_with()
    image = f"{world.registry}/migrations:nope"
    of["spec"]["initContainers"] = [{"name": "migrate", "image": image, "resources": {}}]
    for made in app.change(of, ago=1350):
        unready(world, made, 1350)
        waiting(world, made, "PodInitializing", since=1350)
        back = f'Back-off pulling image "{image}"'
        made["status"]["initContainerStatuses"][0] |= {
            "state": {"waiting": {"reason": "ImagePullBackOff", "message": back}},
            "ready": False,
            "imageID": "",
        }
        said = f'Failed to pull image "{image}": rpc error: code = NotFound desc = failed to pull'
        said += f' and unpack image "{image}": failed to resolve reference "{image}": {image}:'
        about: Object = {"first": 1340, "last": 50, "count": 8, "container": "migrate"}
        world.event(made, "Failed", f"{said} not found", **about)
    return Blame("image-not-found", (app.object,), says="nope")


def _pend(shop: Shop, cause: str, said: str, change: Callable[[Object], None]) -> Blame:
    world, app = shop.world, shop.victim()
    of = app.template_with()
    change(of["spec"])
    for made in app.change(of, ago=1800):
        wait_for_node(world, made, said, since=1800)
    return Blame(cause, (app.object,))


def _none(shop: Shop, *reasons: tuple[int, str]) -> str:
    """What the scheduler says; 0 stands for the workers that are left."""
    count = len(shop.world.all("Node"))
    left = count - sum(number for number, _ in reasons)
    told = ", ".join(sorted(f"{number or left} {reason}" for number, reason in reasons))
    end = f"{count} Preemption is not helpful for scheduling."
    return (
        f"0/{count} nodes are available: {told}. preemption: 0/{count} nodes are available: {end}"
    )


_CHIEF = (1, "node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }")


@fault("a graphics card that no node has", among=FRESH)
def gpu(shop: Shop) -> Blame:
    def change(spec: Object) -> None:
        asks = {"limits": {"nvidia.com/gpu": "1"}, "requests": {"nvidia.com/gpu": "1"}}
        spec["containers"][0]["resources"] = asks

    said = _none(shop, _CHIEF, (0, "Insufficient nvidia.com/gpu"))
    return _pend(shop, "unschedulable-resources", said, change)


@fault("the nodes that it wants are for somebody else", among=FRESH)
def dedicated(shop: Shop) -> Blame:
    """Its selector fits one node, whose taint it does not tolerate: the toleration is missing."""
    node = shop.world.nodes()[0]
    node["metadata"]["labels"]["pool"] = "memory"
    node["spec"]["taints"] = [{"key": "dedicated", "value": "memory", "effect": "NoSchedule"}]

    def change(spec: Object) -> None:
        spec["nodeSelector"] = {"pool": "memory"}

    taint = (1, "node(s) had untolerated taint {dedicated: memory}")
    fit = "node(s) didn't match Pod's node affinity/selector"
    return _pend(shop, "unschedulable-taint", _none(shop, _CHIEF, taint, (0, fit)), change)


@fault("no node takes one more volume", among=FRESH)
def volumes(shop: Shop) -> Blame:
    said = _none(shop, _CHIEF, (0, "node(s) exceed max volume count"))
    causes = "unschedulable volume-attach unschedulable-resources"
    return _pend(shop, causes, said, lambda _: None)


@fault("a gate keeps the pod from being scheduled", among=FRESH)
def gated(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    of = app.template_with()
    of["spec"]["schedulingGates"] = [{"name": "quota.example.com/reserved"}]
    for made in app.change(of, ago=7200):
        wait_for_node(world, made, "", since=7200)
        made["status"]["conditions"][0] |= {
            "reason": "SchedulingGated",
            "message": "Scheduling is blocked due to non-empty scheduling gates",
        }
    return Blame("unschedulable", (app.object,), says="[Gg]ate")


@fault("waits for a node since two days, its events gone", among=FRESH)
def long_wait(shop: Shop) -> Blame:
    world, app = shop.world, shop.victim()
    asks = {"requests": {"cpu": "31", "memory": "1Gi"}, "limits": {"memory": "1Gi"}}
    new = app.change(app.template_with(resources=asks), ago=2 * DAY)
    for made in new:
        said = _none(shop, _CHIEF, (0, "Insufficient cpu"))
        wait_for_node(world, made, said, since=2 * DAY)
    world.forget_events([*new, app.workload])
    return Blame("unschedulable-resources", (app.object,))


@fault("one node has no memory left for a pod of a daemon set", among=FRESH)
def daemon_pending(shop: Shop) -> Blame:
    """Each pod of it fits one node only: what the others say is beside the point."""
    world = shop.world
    of = template("scanner", f"{world.registry}/scanner:2.0.0", port=0, memory="6Gi")
    app = daemon_set(world, of, age=2 * DAY)
    shop.apps["scanner"] = app
    made, count = app.pods[0], len(world.all("Node"))
    name = made["spec"]["nodeName"]
    field = {"key": "metadata.name", "operator": "In", "values": [name]}
    terms = {"nodeSelectorTerms": [{"matchFields": [field]}]}
    made["spec"]["affinity"] = {
        "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}
    }
    said = f"0/{count} nodes are available: 1 Insufficient memory, {count - 1} node(s) didn't"
    said += f" satisfy plugin(s) [NodeAffinity]. preemption: 0/{count} nodes are available: 1 No"
    said += f" preemption victims found for incoming pod, {count - 1} Preemption is not helpful."
    wait_for_node(world, made, said, since=2000)
    return Blame("unschedulable-resources", (app.object, f"node/{name}"))
