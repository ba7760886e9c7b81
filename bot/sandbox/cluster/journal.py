"""Events as the cluster's components write them; the same event again raises its count."""

from datetime import timedelta

from bot.sandbox.cluster.clock import Clock, micro_stamp, parse, stamp
from bot.sandbox.cluster.kinds import EVENTS, PODS, Resource
from bot.sandbox.cluster.store import Object, Store

KEPT = timedelta(hours=1)  # as long as a real API server keeps events by default


class Journal:
    """The one writer of events."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._swept = clock.now()
        self._known: dict[tuple[str, str, str], tuple[str, str]] = {}

    def write(
        self,
        resource: Resource,
        thing: Object,
        reason: str,
        message: str,
        *,
        component: str,
        warning: bool = False,
    ) -> None:
        """Note that something happened to `thing`."""
        now = self._clock.now()
        if now - self._swept > KEPT / 12:
            self.sweep()
        key = (thing["metadata"]["uid"], reason, message)
        if key in self._known and self._again(self._known[key]):
            return
        event = self._event(resource, thing, component)
        event |= {"reason": reason, "message": message}
        event["type"] = "Warning" if warning else "Normal"
        moment = stamp(now)
        event |= {"firstTimestamp": moment, "lastTimestamp": moment, "count": 1, "eventTime": None}
        made = self._store.create(EVENTS, event)
        self._known[key] = (made["metadata"]["namespace"], made["metadata"]["name"])

    def scheduled(self, pod: Object, node: str) -> None:
        """Note where a pod went; the scheduler writes the newer form of events."""
        event = self._event(PODS, pod, "default-scheduler")
        meta = pod["metadata"]
        event |= {
            "reason": "Scheduled",
            "message": f"Successfully assigned {meta['namespace']}/{meta['name']} to {node}",
            "type": "Normal",
            "source": {},
            "firstTimestamp": None,
            "lastTimestamp": None,
            "eventTime": micro_stamp(self._clock.now()),
            "action": "Binding",
            "reportingInstance": "default-scheduler-demo",
        }
        self._store.create(EVENTS, event)

    def known(self) -> dict[tuple[str, str, str], tuple[str, str]]:
        """Return which event tells of what: (uid, reason, message) to namespace and name."""
        return dict(self._known)

    def take_up(self, known: dict[tuple[str, str, str], tuple[str, str]]) -> None:
        """Go on counting the events of an earlier time; those too old are swept."""
        self._known = known
        self.sweep()

    def _event(self, resource: Resource, thing: Object, component: str) -> Object:
        meta = thing["metadata"]
        namespace = meta.get("namespace") or "default"
        involved = {
            "kind": resource.kind,
            "namespace": meta.get("namespace", ""),
            "name": meta["name"],
            "uid": meta["uid"],
            "apiVersion": resource.api_version,
            "resourceVersion": meta["resourceVersion"],
        }
        host = thing.get("spec", {}).get("nodeName") if component == "kubelet" else None
        suffix = f"{self._store.random.getrandbits(64):016x}"
        return {
            "metadata": {"name": f"{meta['name']}.{suffix}", "namespace": namespace},
            "involvedObject": {key: value for key, value in involved.items() if value},
            "source": {"component": component, **({"host": host} if host else {})},
            "reportingComponent": component,
            "reportingInstance": host or "",
        }

    def _again(self, place: tuple[str, str]) -> bool:
        stored = self._store.get(EVENTS, *place)
        if stored is None:
            return False
        seen = {"count": stored["count"] + 1, "lastTimestamp": stamp(self._clock.now())}
        self._store.update(EVENTS, {**stored, **seen})
        return True

    def sweep(self) -> None:
        """Forget events older than the time a server keeps them."""
        self._swept = self._clock.now()
        limit = self._swept - KEPT
        for event in self._store.objects(EVENTS):
            last = event.get("lastTimestamp") or event.get("eventTime")
            if last and parse(last) < limit:
                meta = event["metadata"]
                self._store.delete(EVENTS, meta["namespace"], meta["name"])
        self._known = {
            key: place
            for key, place in self._known.items()
            if self._store.get(EVENTS, *place) is not None
        }
