"""The volume controller: gives each claim a volume, lets it grow, and takes it back."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from bot.sandbox.cluster.engine import Name
from bot.sandbox.cluster.journal import Journal
from bot.sandbox.cluster.jsons import clone
from bot.sandbox.cluster.kinds import CLAIMS, PERSISTENT_VOLUMES, PODS, STORAGE_CLASSES
from bot.sandbox.cluster.quantities import quantity
from bot.sandbox.cluster.store import Change, Object, Store

_BY: Final = "persistentvolume-controller"
_IS_DEFAULT: Final = "storageclass.kubernetes.io/is-default-class"


@dataclass
class Binding:
    """Binds claims whose storage class makes volumes."""

    store: Store
    journal: Journal

    def concerns(self, change: Change) -> Iterable[Name]:
        """Look at a claim when it, what might use it, or its class changes."""
        meta = change.object["metadata"]
        if change.resource is CLAIMS:
            yield meta["namespace"], meta["name"]
        elif change.resource is PODS and change.type == "MODIFIED":
            for name in _used(change.object):
                yield meta["namespace"], name
        elif change.resource is STORAGE_CLASSES:
            for claim in self.store.objects(CLAIMS):
                yield claim["metadata"]["namespace"], claim["metadata"]["name"]

    def reconcile(self, namespace: str, name: str) -> datetime | None:
        """Bring one claim and its volume as far as they should be."""
        claim = self.store.get(CLAIMS, namespace, name)
        if claim is None:
            self._reclaim(namespace, name)
        elif claim.get("status", {}).get("phase") == "Bound":
            self._grow(claim)
        else:
            self._bind(claim)
        return None

    def _bind(self, claim: Object) -> None:
        if "storageClassName" not in claim["spec"] and (usual := self._default()):
            changed = clone(claim)
            changed["spec"]["storageClassName"] = usual
            claim = self.store.update(CLAIMS, changed)
        meta, spec = claim["metadata"], claim["spec"]
        wanted = spec.get("storageClassName", "")
        if not wanted:
            why = "no persistent volumes available for this claim and no storage class is set"
            self._wait(claim, "FailedBinding", why)
            return
        kind = self.store.get(STORAGE_CLASSES, "", wanted)
        if kind is None:
            message = f'storageclass.storage.k8s.io "{wanted}" not found'
            self._wait(claim, "ProvisioningFailed", message, warning=True)
            return
        if kind.get("volumeBindingMode") == "WaitForFirstConsumer" and not self._placed(meta):
            why = "waiting for first consumer to be created before binding"
            self._wait(claim, "WaitForFirstConsumer", why)
            return
        volume = _volume(claim, kind)
        if self.store.get(PERSISTENT_VOLUMES, "", volume["metadata"]["name"]) is None:
            self.store.create(PERSISTENT_VOLUMES, volume)
        bound = clone(claim)
        bound["spec"]["volumeName"] = volume["metadata"]["name"]
        notes = bound["metadata"].setdefault("annotations", {})
        notes["pv.kubernetes.io/bind-completed"] = "yes"
        bound["status"] = {
            "phase": "Bound",
            "accessModes": list(spec.get("accessModes") or []),
            "capacity": dict(volume["spec"]["capacity"]),
        }
        made = self.store.update(CLAIMS, bound)
        message = f"Successfully provisioned volume {volume['metadata']['name']}"
        by = str(kind["provisioner"])
        self.journal.write(CLAIMS, made, "ProvisioningSucceeded", message, component=by)

    def _wait(self, claim: Object, reason: str, why: str, *, warning: bool = False) -> None:
        if claim.get("status", {}).get("phase") != "Pending":
            changed = clone(claim)
            changed["status"] = {"phase": "Pending"}
            claim = self.store.update(CLAIMS, changed)
            self.journal.write(CLAIMS, claim, reason, why, component=_BY, warning=warning)

    def _default(self) -> str:
        """Return the class of claims that name none, or ""."""
        for kind in self.store.objects(STORAGE_CLASSES):
            if kind["metadata"].get("annotations", {}).get(_IS_DEFAULT) == "true":
                return str(kind["metadata"]["name"])
        return ""

    def _placed(self, meta: Object) -> bool:
        pods = self.store.objects(PODS, meta["namespace"])
        return any("nodeName" in p["spec"] and meta["name"] in _used(p) for p in pods)

    def _grow(self, claim: Object) -> None:
        """A volume becomes as large as its claim asks for where its class allows it."""
        asked = claim["spec"]["resources"]["requests"]["storage"]
        has = claim["status"].get("capacity", {}).get("storage", "0")
        if quantity(asked) <= quantity(has):
            return
        kind = self.store.get(STORAGE_CLASSES, "", claim["spec"].get("storageClassName", ""))
        if kind is None or not kind.get("allowVolumeExpansion"):
            return
        changed = clone(claim)
        changed["status"]["capacity"] = {"storage": asked}
        made = self.store.update(CLAIMS, changed)
        volume = self.store.get(PERSISTENT_VOLUMES, "", claim["spec"].get("volumeName", ""))
        if volume is not None:
            larger = clone(volume)
            larger["spec"]["capacity"] = {"storage": asked}
            self.store.update(PERSISTENT_VOLUMES, larger)
        message = "MountVolume.NodeExpandVolume succeeded for volume "
        message += f'"{claim["spec"].get("volumeName", "")}"'
        self.journal.write(CLAIMS, made, "FileSystemResizeSuccessful", message, component="kubelet")

    def _reclaim(self, namespace: str, name: str) -> None:
        for volume in self.store.objects(PERSISTENT_VOLUMES):
            of = volume["spec"].get("claimRef") or {}
            if (of.get("namespace"), of.get("name")) != (namespace, name):
                continue
            if volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete":
                self.store.delete(PERSISTENT_VOLUMES, "", volume["metadata"]["name"])
            elif volume.get("status", {}).get("phase") != "Released":
                released = clone(volume)
                released["status"] = {"phase": "Released"}
                self.store.update(PERSISTENT_VOLUMES, released)


def _used(pod: Object) -> list[str]:
    """Return the names of the claims that a pod mounts."""
    return [
        str(volume["persistentVolumeClaim"]["claimName"])
        for volume in pod["spec"].get("volumes") or []
        if "persistentVolumeClaim" in volume
    ]


def _volume(claim: Object, kind: Object) -> Object:
    meta, spec = claim["metadata"], claim["spec"]
    name = f"pvc-{meta['uid']}"
    by = str(kind["provisioner"])
    reference = {key: meta[key] for key in ("namespace", "name", "uid")}
    return {
        "metadata": {"name": name, "annotations": {"pv.kubernetes.io/provisioned-by": by}},
        "spec": {
            "capacity": dict(spec["resources"]["requests"]),
            "accessModes": list(spec.get("accessModes") or []),
            "persistentVolumeReclaimPolicy": kind.get("reclaimPolicy", "Delete"),
            "storageClassName": kind["metadata"]["name"],
            "volumeMode": "Filesystem",
            "claimRef": {"kind": "PersistentVolumeClaim", "apiVersion": "v1", **reference},
            "csi": {"driver": by, "volumeHandle": name},
        },
        "status": {"phase": "Bound"},
    }
