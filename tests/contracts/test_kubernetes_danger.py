"""What was read as harmless and is not: parts of dangerous fields, owners, cut connections."""

import socket
import struct
import threading
from pathlib import Path

import pytest
import yaml

from bot.sandbox.cluster import Cluster
from tests.contracts.stage import DB, deployment, made, writes
from tools import Catalog, JsonObject, Refused, Risk, Unavailable, open_providers
from tools.kubernetes.cluster import Cluster as Client
from tools.kubernetes.settings import Settings

_OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "0"}
_APPARMOR = {"container.apparmor.security.beta.kubernetes.io/cart": "unconfined"}
_POD = "spec: {template: {spec: {%s}}}"


@pytest.mark.parametrize(
    "patch",
    [
        _POD % "volumes: [{name: host, hostPath: {path: /}}]",
        _POD % "securityContext: {seccompProfile: {type: Unconfined}}",
        _POD % "securityContext: {windowsOptions: {hostProcess: true}}",
        yaml.safe_dump({"metadata": {"ownerReferences": [_OWNER]}}),
        yaml.safe_dump({"spec": {"template": {"metadata": {"annotations": _APPARMOR}}}}),
        _POD % "containers: [{name: cart, securityContext: {capabilities: {drop: [CHOWN]}}}]",
        _POD % "containers: [{name: cart, ports: [{containerPort: 80, hostPort: 80}]}]",
    ],
    ids=[
        *("a part of hostPath", "unconfined", "host process", "an owner", "apparmor", "drops less"),
        "a port of its node",
    ],
)
async def test_it_is_danger(patch: str, catalog: Catalog, cluster: Cluster) -> None:
    volumes = [{"name": "tmp", "emptyDir": {}}]  # so that only parts of the list are new
    writes("Deployment", "cart", "spec.template.spec.volumes", volumes)(cluster)
    bounds = {"capabilities": {"drop": ["ALL"]}}
    writes("Deployment", "cart", "spec.template.spec.containers.0.securityContext", bounds)(cluster)
    arguments = {"namespace": "shop", "kind": "deployment", "name": "cart", "patch": patch}
    seen = await catalog.change("k8s_patch", {**arguments}).preview()
    assert seen.risk is Risk.DANGER


async def test_to_go_back_to_what_reached_out_is_danger(catalog: Catalog, cluster: Cluster) -> None:
    for on in (True, False):
        writes("Deployment", "cart", "spec.template.spec.hostNetwork", on)(cluster)
        await cluster.advance(60)
    call = catalog.change("k8s_rollout_undo", {"namespace": "shop", "name": "cart"})
    assert (await call.preview()).risk is Risk.DANGER


async def test_an_autoscaler_of_another_kind_is_not_changed(
    catalog: Catalog, cluster: Cluster
) -> None:
    """It has the deployment's name and scales the stateful set of that name."""
    named = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web"}
    made("StatefulSet", "apps/v1", "web", {**deployment("web-db", "shop/db:1", 1), **DB})(cluster)
    writes("HorizontalPodAutoscaler", "web", "spec.scaleTargetRef", named)(cluster)
    await cluster.advance(30)
    call = catalog.change("k8s_autoscale", {"namespace": "shop", "name": "web", "min": 2, "max": 5})
    with pytest.raises(Refused, match="scales something else"):
        await call.preview()


async def test_the_bots_own_namespace_is_danger_with_a_kubeconfig_too(
    cluster: Cluster, tmp_path: Path
) -> None:
    kubeconfig = str(cluster.write_kubeconfig(tmp_path / "kubeconfig"))
    config: JsonObject = {"kubeconfig": kubeconfig, "own_namespace": "shop"}
    async with open_providers({"kubernetes": config}) as catalog:
        call = catalog.change("k8s_scale", {"namespace": "shop", "name": "cart", "replicas": 3})
        assert (await call.preview()).risk is Risk.DANGER


async def test_a_command_whose_answer_was_cut_off_is_not_said_to_be_unsent(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            taken, _ = server.accept()
            taken.recv(4096)
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            taken.close()  # with a reset

        thread = threading.Thread(target=answer)
        thread.start()
        path = tmp_path / "kubeconfig"
        path.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "c",
                    "clusters": [
                        {
                            "name": "c",
                            "cluster": {"server": f"http://127.0.0.1:{server.getsockname()[1]}"},
                        }
                    ],
                    "users": [{"name": "u", "user": {"token": "t"}}],
                    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                }
            )
        )
        client = Client(Settings(kubeconfig=path))
        with pytest.raises(Unavailable) as cut:
            await client.execute("shop", "web-1", "app", ("date",))
        thread.join()
        await client.close()
    assert not cut.value.nothing_sent
