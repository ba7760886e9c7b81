"""cert-manager's part: gives each certificate its secret, and renews it in time."""

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from bot.sandbox.cluster.clock import Clock, parse, stamp
from bot.sandbox.cluster.engine import Name
from bot.sandbox.cluster.journal import Journal
from bot.sandbox.cluster.jsons import clone
from bot.sandbox.cluster.kinds import CERTIFICATES, SECRETS
from bot.sandbox.cluster.store import Change, Object, Store

_BY: Final = "cert-manager-certificates-issuing"
_HOURS: Final = re.compile(r"(\d{1,6})h(?:0m0s)?")


@dataclass
class Certificates:
    """Issues what is asked for, and again before it ends."""

    store: Store
    clock: Clock
    journal: Journal

    def concerns(self, change: Change) -> Iterable[Name]:
        """Look at a certificate when it changes."""
        if change.resource is CERTIFICATES and change.type != "DELETED":
            yield change.object["metadata"]["namespace"], change.object["metadata"]["name"]

    def reconcile(self, namespace: str, name: str) -> datetime | None:
        """Bring one certificate as far as it should be; return when it is to be renewed."""
        found = self.store.get(CERTIFICATES, namespace, name)
        if found is None:
            return None
        renewal = found.get("status", {}).get("renewalTime")
        if renewal is None or parse(renewal) <= self.clock.now():
            found = self._issue(found)
            renewal = found["status"]["renewalTime"]
        return parse(renewal)

    def _issue(self, certificate: Object) -> Object:
        meta, spec, status = (certificate.get(key, {}) for key in ("metadata", "spec", "status"))
        revision = int(status.get("revision", 0)) + 1
        self._keep(meta, spec["secretName"], revision)
        now = self.clock.now()
        end = now + _long(spec.get("duration"), 90 * 24)
        ready = {
            "type": "Ready",
            "status": "True",
            "reason": "Ready",
            "message": "Certificate is up to date and has not expired",
            "observedGeneration": meta.get("generation", 1),
            "lastTransitionTime": stamp(now),
        }
        changed = clone(certificate)
        changed["status"] = {
            "conditions": status.get("conditions") or [ready],
            "notBefore": stamp(now),
            "notAfter": stamp(end),
            "renewalTime": stamp(end - _long(spec.get("renewBefore"), 30 * 24)),
            "revision": revision,
        }
        made = self.store.update(CERTIFICATES, changed)
        message = "The certificate has been successfully issued"
        self.journal.write(CERTIFICATES, made, "Issuing", message, component=_BY)
        return made

    def _keep(self, meta: Object, name: str, revision: int) -> None:
        """Write the secret; what it holds is no certificate, as nothing here listens to TLS."""
        data = {"tls.crt": f"demo certificate {revision}", "tls.key": "demo-key-not-a-real-one"}
        coded = {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}
        there = self.store.get(SECRETS, meta["namespace"], name)
        if there is not None:
            self.store.update(SECRETS, {**clone(there), "data": coded})
            return
        notes = {"cert-manager.io/certificate-name": meta["name"]}
        about = {"name": name, "namespace": meta["namespace"], "annotations": notes}
        made = {"metadata": about, "type": "kubernetes.io/tls", "data": coded}
        self.store.create(SECRETS, made)


def _long(text: object, default: int) -> timedelta:
    """How long "2160h" is; anything else counts as the default's hours."""
    found = _HOURS.fullmatch(str(text or ""))
    return timedelta(hours=int(found[1]) if found else default)
