"""The demo cluster as one object: put together, started, asked, disturbed and stopped."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import Literal, Self

import yaml

from bot.sandbox.cluster import kept as keeping
from bot.sandbox.cluster import page, schema
from bot.sandbox.cluster import seed as demo
from bot.sandbox.cluster.api import Api, Request
from bot.sandbox.cluster.binding import Binding
from bot.sandbox.cluster.calls import Call, Place
from bot.sandbox.cluster.certificates import Certificates
from bot.sandbox.cluster.clock import Clock, stamp
from bot.sandbox.cluster.deployments import Deployments
from bot.sandbox.cluster.engine import Engine
from bot.sandbox.cluster.fate import Behaviour, Timing
from bot.sandbox.cluster.faults import Fault, Faults
from bot.sandbox.cluster.housekeeping import Autoscalers, Budgets, Endpoints, Quotas
from bot.sandbox.cluster.jobs import CronJobs, Jobs
from bot.sandbox.cluster.journal import Journal
from bot.sandbox.cluster.jsons import clone
from bot.sandbox.cluster.kinds import DEPLOYMENTS, PODS, of_kind, of_manifest
from bot.sandbox.cluster.kubelet import Kubelet
from bot.sandbox.cluster.metrics import Metrics
from bot.sandbox.cluster.removal import Removal
from bot.sandbox.cluster.replicasets import ReplicaSets
from bot.sandbox.cluster.revisioned import DaemonSets, StatefulSets
from bot.sandbox.cluster.rights import Rights, Rule
from bot.sandbox.cluster.server import Server
from bot.sandbox.cluster.store import Change, Object, Store
from bot.sandbox.cluster.subresources import Subresources
from bot.sandbox.cluster.traffic import Traffic
from bot.sandbox.cluster.verbs import Verbs, full
from bot.sandbox.cluster.watches import Watches
from bot.sandbox.keeping import Unreadable


class Cluster:
    """A Kubernetes API on the loopback interface with controllers that act over time.

    `seed` fills it with the demo's content; else it has three nodes and no workload. With
    `virtual` time moves only by `advance`. `speed` shortens every wait of the model. With `kept`,
    a file, it goes on from where it was when it was last stopped, and `restored` says so.
    """

    def __init__(  # noqa: PLR0913 - each has a name and a default
        self,
        *,
        seed: bool | Literal["few"] = False,
        virtual: bool = False,
        speed: float = 1.0,
        port: int = 0,
        behaviours: Sequence[Behaviour] = demo.IMAGES,
        timing: Timing | None = None,
        random: int = 1,
        kept: Path | None = None,
    ) -> None:
        self.clock = Clock(speed=speed, virtual=virtual)
        self.store = Store(self.clock, Random(random))  # noqa: S311 - names and ids of a toy
        self.rights = Rights(self.store)
        self.faults = Faults()
        self._journal = Journal(self.store, self.clock)
        self._engine = Engine(self.store, self.clock)
        self._kubelet = Kubelet(
            self.store, self.clock, self._journal, behaviours, timing or Timing()
        )
        self.traffic = Traffic(self.store, self.clock, self._kubelet)
        self._kubelet.load_of = self.traffic.per_pod
        removal = Removal(self.store, self.clock)
        self._verbs = Verbs(self.store, self.clock, removal)
        below = Subresources(self.store, self.clock, self._verbs, removal, self._kubelet)
        below.retell = self.traffic.retell
        self._watches = Watches(self.store, self._verbs)
        self._api = Api(
            self.store,
            self.clock,
            self.rights,
            self.faults,
            self._verbs,
            below,
            self._watches,
            Metrics(self.store, self._kubelet),
        )
        self._server = Server(self._api.handle, port)
        self._stack = AsyncExitStack()
        self._seed = seed
        self._kept = keeping.Kept(kept, keeping.KIND, keeping.VERSION) if kept else None
        self.restored = False
        self._start_controllers(removal)

    def _start_controllers(self, removal: Removal) -> None:
        store, clock, journal = self.store, self.clock, self._journal
        deployments, sets = Deployments(store, clock, journal), ReplicaSets(store, clock, journal)
        endpoints, budgets = Endpoints(store), Budgets(store)
        scalers = Autoscalers(store, clock, journal)
        add = self._engine.add
        add("namespace", removal.empty, removal.namespaces)
        add("garbage", removal.collect, removal.owners)
        # Pods settle before they are counted, and counts before a rollout goes on.
        add("kubelet", self._kubelet.reconcile, self._kubelet.concerns)
        add("replicaset", sets.reconcile, sets.concerns)
        add("deployment", deployments.reconcile, deployments.concerns)
        stateful = StatefulSets(store, clock, journal)
        daemons = DaemonSets(store, clock, journal)
        add("statefulset", stateful.reconcile, stateful.concerns)
        add("daemonset", daemons.reconcile, daemons.concerns)
        jobs, crons = Jobs(store, clock, journal), CronJobs(store, clock, journal)
        binding = Binding(store, journal)
        add("job", jobs.reconcile, jobs.concerns)
        add("cronjob", crons.reconcile, crons.concerns)
        add("volume", binding.reconcile, binding.concerns)
        certificates = Certificates(store, clock, journal)
        add("certificate", certificates.reconcile, certificates.concerns)
        add("endpoints", endpoints.reconcile, endpoints.concerns)
        add("budget", budgets.reconcile, budgets.concerns)
        quotas = Quotas(store)
        add("quota", quotas.reconcile, quotas.concerns)
        add("autoscaler", scalers.reconcile, scalers.concerns)

    async def __aenter__(self) -> Self:
        """Start serving and let the controllers run.

        Raises OSError when the port is taken and Unreadable when what was kept cannot be read.
        """
        await asyncio.to_thread(schema.load)
        if not self._restore():
            self._begin()
        async with AsyncExitStack() as stack:
            await self._server.start()
            stack.push_async_callback(self._server.stop)
            stack.callback(self._watches.end)
            group = await stack.enter_async_context(asyncio.TaskGroup())
            task = group.create_task(self._engine.run(), name="cluster controllers")
            stack.callback(task.cancel)
            if self._kept is not None:
                stack.callback(self._follow(self._kept, group))
            self._stack = stack.pop_all()
        return self

    def _begin(self) -> None:
        if not self._seed:
            for manifest in demo.base():
                self.apply(manifest)
            self._engine.run_due()
        else:
            demo.live_through(self.apply, self._engine, self._journal, self.clock, self._seed)
            self._kubelet.hasten()
            self._engine.hasten()

    def _restore(self) -> bool:
        document = self._kept.read() if self._kept else None
        if self._kept is None or document is None:
            return False
        try:
            keeping.restore(document, self.store, self.clock, self._journal, self._kubelet)
        except keeping.Misshapen as error:
            raise Unreadable(f"{self._kept.path} is not a kept cluster: {error}.") from error
        self._engine.run_due()
        self.restored = True
        return True

    def _picture(self) -> Object:
        return keeping.picture(self.store, self.clock, self._journal, self._kubelet)

    def _follow(self, kept: keeping.Kept, group: asyncio.TaskGroup) -> Callable[[], None]:
        """Keep each change; the returned function ends that and writes the last picture."""
        changed = asyncio.Event()
        changed.set()
        ignore = self.store.listen(lambda _: changed.set())
        task = group.create_task(kept.follow(self._picture, changed), name="cluster keeping")

        def end() -> None:
            ignore()
            task.cancel()
            kept.close(self._picture())

        return end

    async def __aexit__(self, *error: object) -> None:
        """Stop everything; open watches end as when a server goes away."""
        await self._stack.aclose()

    # Where it is.

    @property
    def url(self) -> str:
        """Return the address of the API."""
        return self._server.url

    def kubeconfig(self, user: str = "admin") -> Object:
        """Return a kubeconfig for a user. Raises ValueError for an unknown one."""
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "demo", "cluster": {"server": self.url}}],
            "users": [{"name": user, "user": {"token": self.rights.token(user)}}],
            "contexts": [{"name": "demo", "context": {"cluster": "demo", "user": user}}],
            "current-context": "demo",
        }

    def write_kubeconfig(self, path: Path, user: str = "admin") -> Path:
        """Write a kubeconfig, readable by its owner only, and return its path."""
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(self.kubeconfig(user)))
        return path

    def write_kubectl_config(self, path: Path, user: str = "admin") -> Path:
        """The same for kubectl, which sends a token over TLS only, but an address's password."""
        config = self.kubeconfig(user)
        login = f"//{user}:{self.rights.token(user)}@"
        config["clusters"][0]["cluster"]["server"] = self.url.replace("//", login, 1)
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(config))
        return path

    def allow(self, user: str, *rules: Rule) -> None:
        """Replace what a user may do; without rules nothing."""
        self.rights.allow(user, rules)

    def rotate_token(self, user: str) -> None:
        """Give a user another token; the one he has is accepted no longer."""
        self.rights.rotate(user)

    # What is in it.

    def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """Return a copy of an object, or None. `namespace` is "" for what has none."""
        resource = of_kind(kind)
        found = self.store.get(resource, namespace, name)
        return clone(full(resource, found)) if found else None

    def objects(self, kind: str, namespace: str | None = None) -> list[Object]:
        """Return copies of all objects of a kind, in one namespace or in all."""
        resource = of_kind(kind)
        found = self.store.objects(resource, namespace)
        return [clone(full(resource, thing)) for thing in found]

    def pods(self, namespace: str, app: str) -> list[Object]:
        """Return the pods with the label `app`."""
        found = self.objects("Pod", namespace)
        return [pod for pod in found if pod["metadata"].get("labels", {}).get("app") == app]

    def ready(self, namespace: str, name: str) -> bool:
        """Say whether a deployment runs its newest template with all its replicas."""
        found = self.store.get(DEPLOYMENTS, namespace, name)
        return found is not None and page.settled(found)

    def log(self, namespace: str, pod: str, *, previous: bool = False) -> str:
        """Return what a pod of one container wrote. Raises ApiError as the API would."""
        query = {"previous": "true"} if previous else {}
        call = Call(Place(PODS, namespace, pod, "log"), "GET", query, "admin")
        return self._api.below.log(call)

    def apply(self, manifest: Object) -> Object:
        """Create an object, or replace the one there is, as an administrator would.

        Raises ApiError as the API would and ValueError for a kind that is not served.
        """
        resource = of_manifest(manifest)
        meta = manifest["metadata"]
        namespace = meta.get("namespace", "default") if resource.namespaced else None
        there = self.store.get(resource, namespace or "", meta["name"]) is not None
        place = Place(resource, namespace, meta["name"] if there else "", "")
        body = json.dumps(manifest).encode()
        call = Call(
            place=place,
            method="PUT" if there else "POST",
            query={"fieldValidation": "Strict", "fieldManager": "setup"},
            user="admin",
            content_type="application/json",
            body=body,
        )
        return self._verbs.answer(call)[1]

    def delete(self, kind: str, namespace: str, name: str) -> None:
        """Delete an object as an administrator would. Raises ApiError if there is none."""
        resource = of_kind(kind)
        place = Place(resource, namespace if resource.namespaced else None, name, "")
        self._verbs.answer(Call(place, "DELETE", {}, "admin"))

    def usage(self, namespace: str, pod: str) -> tuple[int, int] | None:
        """Return a pod's CPU in millicores and memory in bytes, or None if nothing of it runs."""
        return self._kubelet.usage(namespace, pod)

    def claim_usage(self, namespace: str, claim: str) -> tuple[int, int] | None:
        """Return how full a claim is and what it holds, in bytes, or None for an unknown one."""
        return self._kubelet.claim_usage(namespace, claim)

    def snapshot(self) -> Object:
        """Return what a page shows: nodes, workloads, claims and events, with their load."""
        return page.snapshot(self.store, self.clock, self._kubelet, self.traffic)

    # Time and change.

    async def advance(self, seconds: float) -> None:
        """Let `seconds` of cluster time pass: at once when virtual, else by waiting."""
        if not self.clock.virtual:
            await asyncio.sleep(seconds / self.clock.speed)
            return
        self._engine.advance(seconds)
        await asyncio.sleep(0)  # watchers and the page hear of it

    async def until(self, holds: Callable[[], bool], timeout: float = 10.0) -> None:
        """Wait until `holds`, asked at each change and each request.

        Raises TimeoutError after `timeout` real seconds.
        """
        bell = asyncio.Event()
        ignore = self.store.listen(lambda _: bell.set())
        self._api.listeners.append(bell.set)
        try:
            async with asyncio.timeout(timeout):
                while not holds():
                    await bell.wait()
                    bell.clear()
        finally:
            ignore()
            self._api.listeners.remove(bell.set)

    async def subscribe(self) -> AsyncGenerator[Change, None]:
        """Yield every change from now on; for a page that follows the cluster."""
        queue: asyncio.Queue[Change] = asyncio.Queue()
        ignore = self.store.listen(queue.put_nowait)
        try:
            while True:
                yield await queue.get()
        finally:
            ignore()

    # What clients did.

    @property
    def requests(self) -> list[Request]:
        """Return every request over HTTP, oldest first."""
        return self._api.requests

    @property
    def mutations(self) -> list[Request]:
        """Return the writes that took effect: no dry run, no refusal, no controller."""
        return [request for request in self.requests if request.mutates and request.processed]

    # Faults.

    def delay(self, verb: str, path: str, seconds: float, times: int | None = None) -> None:
        """Answer matching requests late by `seconds` of real time."""
        self.faults.plan(Fault(verb, re.compile(path), seconds=seconds, times=times))

    def fail(
        self,
        verb: str,
        path: str,
        status: int,
        times: int | None = 1,
        *,
        after_processing: bool = False,
        spares_dry_runs: bool = False,
    ) -> None:
        """Answer matching requests with an error, or drop the connection when `status` is 0.

        `verb` is one of the API's (`patch`, `list`), an HTTP method, or `*`; `path` a regular
        expression searched for in the path. With `after_processing` the request takes effect.
        """
        fault = Fault(verb, re.compile(path), status=status, times=times)
        fault.after_processing = after_processing
        fault.spares_dry_runs = spares_dry_runs
        self.faults.plan(fault)

    def page_size(self, most: int | None) -> None:
        """Give at most so many objects of a list at once, as a server may; None: as asked."""
        self._verbs.page_size = most

    async def down(self) -> None:
        """Refuse connections and cut those that are open."""
        self._watches.end()
        await self._server.down()

    async def up(self) -> None:
        """Listen again on the same port."""
        await self._server.up()

    def touch_status(self, kind: str, namespace: str, name: str, times: int = 1) -> None:
        """Write an object's status `times` times without changing anything else.

        Raises ValueError when there is no such object.
        """
        resource = of_kind(kind)
        for number in range(times):
            found = self.store.get(resource, namespace, name)
            if found is None:
                raise ValueError(f"There is no {kind} {namespace}/{name}.")
            touched = clone(found)
            conditions = touched.setdefault("status", {}).setdefault("conditions", [])
            kept = [c for c in conditions if c["type"] != "Touched"]
            mark = {"type": "Touched", "status": "True", "reason": f"Touch{number}"}
            mark |= {
                "message": str(self.store.version),
                "lastTransitionTime": stamp(self.clock.now()),
            }
            touched["status"]["conditions"] = [*kept, mark]
            self.store.update(resource, touched)

    def forget_history(self) -> None:
        """Forget old versions, so that watches and pages from them end in 410."""
        self.store.compact()
