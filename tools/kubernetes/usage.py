"""What running pods use, where the cluster measures it."""

from tools._kit import Refused, Unavailable
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.kinds import Object
from tools.kubernetes.objects import namespace_of, selector_text
from tools.kubernetes.quantities import amount
from tools.kubernetes.wire import Request

_METRICS = "/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods"


async def of_container(cluster: Cluster, workload: Object, container: str) -> dict[str, str]:
    """The most that one container uses in any pod of a workload; nothing where nobody measures."""
    path = _METRICS.format(namespace=namespace_of(workload))
    labels = selector_text(workload["spec"].get("selector"))
    query = (("labelSelector", labels),)
    try:
        found = await cluster.send(Request("what its pods use", "GET", path, query))
    except (Refused, Unavailable):
        return {}
    most: dict[str, str] = {}
    for pod in found.get("items") or ():
        for one in pod.get("containers") or ():
            if one.get("name") != container:
                continue
            for name, used in (one.get("usage") or {}).items():
                if amount(used) > amount(most.get(name, "0")):
                    most[name] = str(used)
    return most
