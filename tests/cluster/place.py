"""Where the tools are tried: a namespace of their own, made before and removed after."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import yaml

from bot.sandbox.cluster import Cluster as DemoCluster
from bot.sandbox.cluster.fate import Behaviour
from bot.sandbox.cluster.images import IMAGES
from tools import Catalog, JsonObject, NotFound, open_providers
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.kinds import RESOURCES
from tools.kubernetes.wire import Request

IMAGE, OTHER = "busybox:1.36.1", "busybox:1.37.0"  # small, and they have a shell and programs
SHORT = "alpine:3.20.3"  # what ends by itself, in the demo cluster too
LATELY = 180.0  # seconds for images to be pulled and pods to come up

_BASE = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: web
        image: IMAGE
        command: [/bin/sh, -c, "while true; do echo INFO tick; sleep 1; done"]
        envFrom: [{configMapRef: {name: settings}}]
        resources: {requests: {cpu: 10m, memory: 16Mi}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: broken, labels: {app: broken}}
spec:
  selector: {matchLabels: {app: broken}}
  template:
    metadata: {labels: {app: broken}}
    spec: {containers: [{name: broken, image: "busybox:nope-countersign"}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {LEVEL: info}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: "0 3 * * *"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers: [{name: nightly, image: SHORT, command: [/bin/true]}]
"""


@dataclass
class Place:
    """The tools' catalog, and what the steps need to know of the cluster."""

    cluster: str
    namespace: str
    catalog: Catalog
    client: Cluster
    real: bool
    pods: list[str] = field(default_factory=list)  # of `web`
    node: str = ""

    async def look(self) -> None:
        """Which pods `web` has now."""
        found = await self.client.list("pod", self.namespace, labels="app=web")
        ready = [pod for pod in found.items if not pod["metadata"].get("deletionTimestamp")]
        self.pods = [str(pod["metadata"]["name"]) for pod in ready]
        self.node = str(ready[0]["spec"].get("nodeName", "")) if ready else ""


@asynccontextmanager
async def place() -> AsyncIterator[Place]:
    """`KUBECONFIG`'s current context, or the demo cluster where that is not set."""
    given = os.environ.get("KUBECONFIG")
    with TemporaryDirectory() as folder:
        if given:
            async with _opened(Path(given), real=True) as found:
                yield found
            return
        behaviours = (*IMAGES, Behaviour(SHORT, ends_after=2.0))
        async with DemoCluster(speed=20, behaviours=behaviours) as demo:
            path = demo.write_kubeconfig(Path(folder) / "kubeconfig", "admin")
            async with _opened(path, real=False) as found:
                yield found


@asynccontextmanager
async def _opened(path: Path, *, real: bool) -> AsyncIterator[Place]:
    settings: JsonObject = {"kubeconfig": str(path), "settle_seconds": 2}
    async with open_providers({"kubernetes": settings}) as catalog:
        (called,) = catalog.clients
        client = cast("Cluster", catalog.clients[called])
        namespace = f"countersign-test-{secrets.token_hex(3)}"
        found = Place(client.name, namespace, catalog, client, real)
        body: JsonObject = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": namespace, "labels": {"countersign.test": "yes"}},
        }
        await client.send(Request("the namespace", "POST", "/api/v1/namespaces", body=dict(body)))
        try:
            await _filled(found)
            yield found
        finally:
            path_of_it = RESOURCES["namespace"].path(None, namespace)
            with suppress(NotFound):
                await client.send(Request("the namespace", "DELETE", path_of_it))


async def _filled(found: Place) -> None:
    for manifest in yaml.safe_load_all(_BASE.replace("IMAGE", IMAGE).replace("SHORT", SHORT)):
        resource = RESOURCES[str(manifest["kind"]).lower()]
        where = resource.path(found.namespace)
        await found.client.send(Request(str(manifest["kind"]), "POST", where, body=manifest))
    async with asyncio.timeout(LATELY):
        while True:
            web = await found.client.get("deployment", found.namespace, "web")
            if (web.get("status") or {}).get("readyReplicas") == 2:
                break
            await asyncio.sleep(0.5)
    await found.look()
