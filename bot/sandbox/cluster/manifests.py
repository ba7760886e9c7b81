"""The manifests that the demo's content is made of, as somebody would write them by hand."""

import base64
from collections.abc import Mapping
from typing import Final

from bot.sandbox.cluster.store import Object

CHANGE_CAUSE: Final = "kubernetes.io/change-cause"


def namespace(name: str) -> Object:
    """Return a namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def node(number: int) -> Object:
    """Return one of the nodes: 4 cores, 8 GiB."""
    name = f"node-{number}"
    size = {"cpu": "4", "memory": "8Gi", "pods": "110"}
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "topology.kubernetes.io/zone": f"zone-{'abc'[number - 1]}",
    }
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "message": "kubelet is posting ready status",
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": {"podCIDR": f"10.244.{number}.0/24"},
        "status": {
            "capacity": size,
            "allocatable": dict(size),
            "conditions": [ready],
            "addresses": [
                {"type": "InternalIP", "address": f"10.0.0.{number}"},
                {"type": "Hostname", "address": name},
            ],
            "nodeInfo": _node_info(name),
        },
    }


def _node_info(name: str) -> Object:
    return {
        "architecture": "amd64",
        "bootID": f"boot-{name}",
        "containerRuntimeVersion": "containerd://2.1.4",
        "kernelVersion": "6.1.0",
        "kubeProxyVersion": "",
        "kubeletVersion": "v1.36.2",
        "machineID": f"machine-{name}",
        "operatingSystem": "linux",
        "osImage": "Demo Linux",
        "systemUUID": f"system-{name}",
    }


def meta(namespace: str, name: str, cause: str = "") -> Object:
    """Return the metadata of what belongs to the app `name`."""
    found: Object = {"name": name, "namespace": namespace, "labels": {"app": name}}
    return found | ({"annotations": {CHANGE_CAUSE: cause}} if cause else {})


def container(name: str, image: str, memory: str = "128Mi") -> Object:
    """Return a container that listens on 8080, with a readiness probe and a memory limit."""
    return {
        "name": name,
        "image": image,
        "ports": [{"containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 5},
        "resources": {
            "requests": {"cpu": "100m", "memory": "64Mi"},
            "limits": {"memory": memory},
        },
    }


def deployment(
    namespace: str, name: str, image: str, replicas: int, memory: str = "128Mi", cause: str = ""
) -> Object:
    """Return a deployment of one container; `cause` tells why this revision was made."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": meta(namespace, name, cause),
        "spec": {"replicas": replicas, **_of_app(name, container(name, image, memory))},
    }


def stateful_set(
    namespace: str, name: str, image: str, replicas: int, memory: str, mount: str = ""
) -> Object:
    """Return a stateful set; with `mount` its only pod keeps the claim `data-<name>-0` there."""
    own = container(name, image, memory)
    spec: Object = {"replicas": replicas, "serviceName": name, **_of_app(name, own)}
    if mount:
        own["volumeMounts"] = [{"name": "data", "mountPath": mount}]
        kept = {"persistentVolumeClaim": {"claimName": f"data-{name}-0"}}
        spec["template"]["spec"]["volumes"] = [{"name": "data", **kept}]
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": meta(namespace, name),
        "spec": spec,
    }


def daemon_set(namespace: str, name: str, image: str) -> Object:
    """Return a daemon set."""
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": meta(namespace, name),
        "spec": _of_app(name, _bare(name, image)),
    }


def cron_job(namespace: str, name: str, image: str, schedule: str) -> Object:
    """Return a cron job whose runs do not overlap."""
    pod = {"containers": [_bare(name, image)], "restartPolicy": "Never"}
    template = {"metadata": {"labels": {"app": name}}, "spec": pod}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": meta(namespace, name),
        "spec": {
            "schedule": schedule,
            "concurrencyPolicy": "Forbid",
            "jobTemplate": {"spec": {"backoffLimit": 2, "template": template}},
        },
    }


def _of_app(name: str, own: Object) -> Object:
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [own]}}
    return {"selector": {"matchLabels": {"app": name}}, "template": template}


def _bare(name: str, image: str) -> Object:
    resources = {"requests": {"cpu": "20m", "memory": "32Mi"}, "limits": {"memory": "96Mi"}}
    return {"name": name, "image": image, "resources": resources}


def config_map(namespace: str, name: str, data: Mapping[str, str]) -> Object:
    """Return a config map."""
    about = meta(namespace, name)
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "data": dict(data)}


def secret(namespace: str, name: str, data: Mapping[str, str]) -> Object:
    """Return a secret with plain values."""
    coded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    about = meta(namespace, name)
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": about,
        "type": "Opaque",
        "data": coded,
    }


def service(namespace: str, name: str) -> Object:
    """Return the service of an app, port 80 to 8080."""
    spec = {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}
    about = meta(namespace, name)
    return {"apiVersion": "v1", "kind": "Service", "metadata": about, "spec": spec}


def autoscaler(namespace: str, name: str, low: int, high: int) -> Object:
    """Return an autoscaler of a deployment, at 70 % of the CPU it requests."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    usage = {"type": "Utilization", "averageUtilization": 70}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": meta(namespace, name),
        "spec": {
            "scaleTargetRef": target,
            "minReplicas": low,
            "maxReplicas": high,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": usage}}],
        },
    }


def budget(namespace: str, name: str, available: int) -> Object:
    """Return a disruption budget of an app."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": meta(namespace, name),
        "spec": {"minAvailable": available, "selector": {"matchLabels": {"app": name}}},
    }


def quota(namespace: str, **hard: str) -> Object:
    """Return the quota of a namespace; `requests_cpu` stands for `requests.cpu`."""
    limits = {name.replace("_", "."): value for name, value in hard.items()}
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "team", "namespace": namespace},
        "spec": {"hard": limits},
    }


def claim(namespace: str, name: str, size: str, used: int) -> Object:
    """Return a volume claim that holds `used` bytes already."""
    about: Object = {"name": name, "namespace": namespace}
    about["annotations"] = {"demo/used-bytes": str(used)}
    room = {"requests": {"storage": size}}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": about,
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "standard",
            "resources": room,
        },
    }


def storage_class() -> Object:
    """Return the class of all volumes here; a claim of it may grow."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": "standard",
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "disks.demo.example",
        "allowVolumeExpansion": True,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer",
    }


def certificate(namespace: str, name: str, *hosts: str) -> Object:
    """Return a certificate of cert-manager's for some hosts."""
    issuer = {"name": "letsencrypt", "kind": "ClusterIssuer", "group": "cert-manager.io"}
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "secretName": f"{name}-tls",
            "issuerRef": issuer,
            "dnsNames": list(hosts),
            "duration": "2160h",
            "renewBefore": "720h",
        },
    }


def ingress(namespace: str, name: str, host: str, service_name: str) -> Object:
    """Return an ingress of one host to one service."""
    backend = {"service": {"name": service_name, "port": {"name": "http"}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": meta(namespace, name),
        "spec": {"rules": [{"host": host, "http": {"paths": [path]}}]},
    }
