"""A Kubernetes API in memory: real objects, controllers over time, faults on request.

    async with Cluster(seed=True) as cluster:  # real time, port 0
        cluster.write_kubeconfig(tmp_path / "kubeconfig")  # user "admin", "viewer" or "bot"
        cluster.get("Deployment", "shop", "checkout")  # the stored object, or None
        cluster.objects("Pod", "shop")  # a list
        cluster.apply(manifest)  # create or replace, as admin
        await cluster.until(lambda: cluster.ready("shop", "web"))  # bounded wait on any condition
        cluster.mutations  # writes by API clients, no dry runs

    async with Cluster(virtual=True, seed=True) as cluster:  # time stands still until told
        await cluster.advance(30)  # seconds of cluster time

Faults: `cluster.fail("patch", "/deployments/", 500)`, `cluster.fail("patch", ".*", 0,
after_processing=True)` (0 drops the connection; here after the write took effect),
`cluster.delay("list", "/pods", 0.2)`, `await cluster.down()`, `await cluster.up()`,
`cluster.touch_status("Deployment", "shop", "web", 100)`.
Users are `admin`, `viewer` (reads) and `bot`, whose rights `cluster.allow("bot", Rule(...))` sets;
without rules he may nothing. Requests without a token are `system:anonymous`, who may nothing
until allowed. What has a controller here is alive (see `_start_controllers` of `cluster.py`);
quotas are counted, and refuse pods of replica sets only.
The seed is described in `seed.py`; what becomes of an image in `fate.py`.
"""

from bot.sandbox.cluster.clock import Clock
from bot.sandbox.cluster.cluster import Cluster
from bot.sandbox.cluster.fate import Behaviour, Timing
from bot.sandbox.cluster.rights import Rule
from bot.sandbox.cluster.store import Change, Object

__all__ = ["Behaviour", "Change", "Clock", "Cluster", "Object", "Rule", "Timing"]
