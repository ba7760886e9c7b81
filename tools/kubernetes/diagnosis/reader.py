"""Reading a snapshot: rounds in parallel, bounded; what may not be read is noted, not raised."""

import asyncio
import base64
import binascii
import ssl
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

from tools._kit import NotFound, Refused, Unavailable
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.diagnosis import needs
from tools.kubernetes.diagnosis.certificates import end_of_certificate
from tools.kubernetes.diagnosis.snapshot import (
    CertificateOf,
    Denied,
    Found,
    Items,
    Line,
    ListOf,
    LogOf,
    Read,
    Scope,
    Snapshot,
)
from tools.kubernetes.kinds import RESOURCES, Object, Resource
from tools.kubernetes.objects import moment
from tools.kubernetes.wire import Request, Unable

MOST_CALLS: Final = 60
_ROUNDS: Final = 5
_TAIL: Final = 60  # lines of a log
_LINE: Final = 400  # characters of a line
_PAGE: Final = 500
_NAMES_ONLY: Final = (
    "application/json;as=Table;v=v1;g=meta.k8s.io,"
    "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
)
_KINDS: Final = {
    name.lower(): name for name in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job")
}
# Kinds that only a diagnosis reads.
_MORE: Final = {
    one.kind: one
    for one in (
        Resource("endpointslice", "/apis/discovery.k8s.io/v1", "endpointslices"),
        Resource("networkpolicy", "/apis/networking.k8s.io/v1", "networkpolicies"),
        Resource("storageclass", "/apis/storage.k8s.io/v1", "storageclasses", namespaced=False),
        Resource("limitrange", "/api/v1", "limitranges"),
        Resource("serviceaccount", "/api/v1", "serviceaccounts"),
        Resource("podmetrics", "/apis/metrics.k8s.io/v1beta1", "pods"),
        Resource("ingressclass", "/apis/networking.k8s.io/v1", "ingressclasses", namespaced=False),
        Resource("certificate", "/apis/cert-manager.io/v1", "certificates"),
        *(
            Resource(
                f"{word}webhookconfiguration",
                "/apis/admissionregistration.k8s.io/v1",
                f"{word}webhookconfigurations",
                namespaced=False,
            )
            for word in ("validating", "mutating")
        ),
    )
}

# Of these, those that no other tool has a right to look at.
ONLY_HERE: Final = tuple(
    one for kind, one in _MORE.items() if kind not in RESOURCES and kind != "podmetrics"
)


def resource_of(kind: str) -> Resource:
    """Where a kind lives that a diagnosis reads."""
    return RESOURCES.get(kind) or _MORE[kind]


class Reader:
    """Reads what the symptoms ask for. At most `MOST_CALLS` calls; lists of thousands take more."""

    def __init__(self, cluster: Cluster, *, bound: bool = False) -> None:
        """`bound`: nothing outside of the namespace asked about may be looked at."""
        self._cluster = cluster
        self._bound = bound
        self._left = MOST_CALLS

    async def read(self, scope: Scope, now: datetime) -> Snapshot:
        """The snapshot. Raises `ToolError` when not even the pods can be read."""
        found: dict[Read, Found] = {}
        wanted = needs.first(scope)
        for _ in range(_ROUNDS):
            inside = [one for one in wanted if self._may(one, scope)]
            outside = Denied("outside of what may be looked at from here")
            found |= dict.fromkeys(set(wanted) - set(inside), outside)
            found |= await self._round(inside)
            self._insist(found, scope)
            snapshot = Snapshot(scope, now, found)
            more = await asyncio.to_thread(
                needs.more, snapshot
            )  # of thousands of pods it takes a while
            wanted = [one for one in more if one not in found]
            if not wanted:
                return snapshot
        late = Denied("it came up too late in this look: ask about that object alone")
        return Snapshot(scope, now, found | dict.fromkeys(wanted, late))

    def _may(self, asked: Read, scope: Scope) -> bool:
        return not self._bound or not scope.namespace or asked.namespace == scope.namespace

    async def _round(self, wanted: Iterable[Read]) -> Mapping[Read, Found]:
        asked = list(dict.fromkeys(wanted))
        now, later = asked[: self._left], asked[self._left :]
        self._left -= len(now)
        answers = await asyncio.gather(*(self._one(one) for one in now))
        found: dict[Read, Found] = dict(zip(now, answers, strict=True))
        why = Denied(f"the cluster is asked at most {MOST_CALLS} times: ask about one object alone")
        return {**found, **dict.fromkeys(later, why)}

    @staticmethod
    def _insist(found: Mapping[Read, Found], scope: Scope) -> None:
        """Without the pods of what was asked about there is nothing to say."""
        for asked, got in found.items():
            if not isinstance(asked, ListOf) or not isinstance(got, _Failed):
                continue
            if asked.kind == "pod" and asked.namespace == scope.namespace:
                raise got.error

    async def _one(self, asked: Read) -> Found:
        try:
            match asked:
                case ListOf():
                    return await self._list(asked)
                case LogOf():
                    return await self._log(asked)
                case CertificateOf():
                    return await self._certificate(asked)
        except NotFound as error:
            missing = isinstance(asked, CertificateOf)
            return _Failed("missing" if missing else "not served by this cluster", error)
        except Refused as error:
            why = "not allowed to read" if "does not allow" in str(error) else str(error)
            return _Failed(why, error)
        except Unavailable as error:
            return _Failed(str(error), error)

    async def _list(self, asked: ListOf) -> Items:
        resource, place = resource_of(asked.kind), asked.namespace or None
        if asked.kind == "secret":
            return await self._secrets(resource, place)
        try:
            found = await self._cluster.list(resource, place, fields=asked.fields)
        except Unable:
            found = await self._cluster.list(resource, place)  # it takes no field selectors
        self._left -= max(0, (len(found.items) - 1) // _PAGE)
        kind = _KINDS.get(asked.kind)  # an object in a list does not say its kind
        items = tuple({**one, "kind": kind} for one in found.items) if kind else found.items
        return Items(items, found.cut)

    async def _secrets(self, resource: Resource, place: str | None) -> Items:
        """Their names, and when they were written: what they hold is never asked for, or kept."""
        query = (("limit", str(_PAGE)), ("includeObject", "Metadata"))
        request = Request("secrets", "GET", resource.path(place), query, accept=_NAMES_ONLY)
        answer = await self._cluster.send(request)
        rows = answer.get("rows")
        items = [row.get("object") or {} for row in rows] if rows is not None else None
        kept = tuple(map(_named, answer.get("items") or () if items is None else items))
        return Items(kept, bool((answer.get("metadata") or {}).get("continue")))

    async def _log(self, asked: LogOf) -> tuple[Line, ...]:
        options = {"container": asked.container, "tailLines": str(_TAIL)}
        if asked.previous:
            options["previous"] = "true"
        try:
            text = await self._cluster.log(asked.namespace, asked.pod, options)
        except (Unable, NotFound):
            return ()  # it wrote none, or none is kept
        return tuple(_line(line) for line in text.splitlines() if line.strip())

    async def _certificate(self, asked: CertificateOf) -> datetime | Denied:
        secret = await self._cluster.get("secret", asked.namespace, asked.name)
        text = str((secret.get("data") or {}).get("tls.crt") or "")
        try:
            pem = base64.b64decode(text).decode("ascii")
            return end_of_certificate(ssl.PEM_cert_to_DER_cert(_first(pem)))
        except (binascii.Error, ValueError, IndexError):
            return Denied("its certificate cannot be understood")


class _Failed(Denied):
    """A read that failed, with its error."""

    def __init__(self, why: str, error: Exception) -> None:
        super().__init__(why)
        object.__setattr__(self, "error", error)

    error: Exception


def _first(pem: str) -> str:
    end = "-----END CERTIFICATE-----"
    return pem[: pem.index(end) + len(end)]


def _named(thing: Object) -> Object:
    about = thing.get("metadata") or {}
    kept = {key: about.get(key) for key in ("name", "namespace", "creationTimestamp")}
    written = [
        {key: one.get(key) for key in ("manager", "time")}
        for one in about.get("managedFields") or ()
    ]
    return {"metadata": {**kept, "managedFields": written}}


def _line(line: str) -> Line:
    stamp, _, text = line.partition(" ")
    at = moment(stamp[:19] + "Z") if len(stamp) > 19 else moment(stamp)
    words = text if at else line
    clean = "".join(c if c.isprintable() else " " for c in words).strip()
    return Line(at, clean if len(clean) <= _LINE else clean[: _LINE - 1] + "…")


def now() -> datetime:
    """The moment of a diagnosis."""
    return datetime.now(UTC)
