"""What was read as harmless and is not: parts of dangerous fields, owners, cut connections."""

import socket
import struct
import threading
from pathlib import Path

import pytest
import yaml

from bot.sandbox.cluster import Cluster
from tests.contracts.stage import writes
from tools import Catalog, Risk, Unavailable
from tools.kubernetes.cluster import Cluster as Client
from tools.kubernetes.settings import Settings

_OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "0"}
_POD = "spec: {template: {spec: {%s}}}"


@pytest.mark.parametrize(
    "patch",
    [
        _POD % "volumes: [{name: host, hostPath: {path: /}}]",
        _POD % "securityContext: {seccompProfile: {type: Unconfined}}",
        _POD % "securityContext: {windowsOptions: {hostProcess: true}}",
        yaml.safe_dump({"metadata": {"ownerReferences": [_OWNER]}}),
    ],
    ids=["a part of hostPath", "unconfined", "host process", "an owner that is gone"],
)
async def test_it_is_danger(patch: str, catalog: Catalog, cluster: Cluster) -> None:
    volumes = [{"name": "tmp", "emptyDir": {}}]  # so that only parts of the list are new
    writes("Deployment", "cart", "spec.template.spec.volumes", volumes)(cluster)
    arguments = {"namespace": "shop", "kind": "deployment", "name": "cart", "patch": patch}
    seen = await catalog.change("k8s_patch", {**arguments}).preview()
    assert seen.risk is Risk.DANGER


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
        client.close()
    assert not cut.value.nothing_sent
