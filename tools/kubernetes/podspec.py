"""A pod's specification in lines: what runs, with which limits, probes and settings.

Values of environment variables are left out: where one comes from is told, and its name.
"""

from collections.abc import Iterator
from typing import Any

from tools.kubernetes.kinds import Object


def spec_lines(spec: Object) -> list[str]:
    """The containers, then what they stand on."""
    lines = []
    for part, word in (("initContainers", "init container"), ("containers", "container")):
        for one in spec.get(part) or ():
            told = "; ".join(words for words in _container(one) if words)
            lines.append(f"{word} {one.get('name')}: {told}")
    volumes = [f"{v.get('name')} ({_source(v)})" for v in spec.get("volumes") or ()]
    if volumes:
        lines.append(f"volumes: {', '.join(volumes)}")
    lines += [
        f"{word}: {spec[key]}"
        for key, word in (
            ("serviceAccountName", "service account"),
            ("priorityClassName", "priority class"),
            ("nodeName", "node"),
        )
        if spec.get(key)
    ]
    if wanted := spec.get("nodeSelector"):
        lines.append(f"node selector: {_pairs(wanted)}")
    return lines


def _container(one: Object) -> Iterator[str]:
    yield f"image {one.get('image')} ({one.get('imagePullPolicy', 'IfNotPresent')})"
    ports = [str(port.get("containerPort")) for port in one.get("ports") or ()]
    yield f"ports {', '.join(ports)}" if ports else ""
    resources = one.get("resources") or {}
    for part in ("requests", "limits"):
        yield f"{part} {_pairs(resources[part])}" if resources.get(part) else ""
    for kind in ("startup", "readiness", "liveness"):
        if probe := one.get(f"{kind}Probe"):
            yield f"{kind} {_probe(probe)}"
    yield from _environment(one)


def _environment(one: Object) -> Iterator[str]:
    names = [_variable(variable) for variable in one.get("env") or ()]
    yield f"environment {', '.join(names)}" if names else ""
    for source in one.get("envFrom") or ():
        for key, word in (("configMapRef", "configmap"), ("secretRef", "secret")):
            if reference := source.get(key):
                optional = " (optional)" if reference.get("optional") else ""
                yield f"all of {word}/{reference.get('name')} as environment{optional}"


def _variable(variable: Object) -> str:
    source = variable.get("valueFrom") or {}
    for key, word in (("secretKeyRef", "secret"), ("configMapKeyRef", "configmap")):
        if reference := source.get(key):
            optional = ", optional" if reference.get("optional") else ""
            where = f"{word}/{reference.get('name')} {reference.get('key')}"
            return f"{variable.get('name')} (from {where}{optional})"
    return str(variable.get("name"))


def _probe(probe: Object) -> str:
    every = f"every {probe.get('periodSeconds', 10)} s, fails after {_failures(probe)}"
    if http := probe.get("httpGet"):
        return f"GET :{http.get('port')}{http.get('path', '/')} {every}"
    if tcp := probe.get("tcpSocket"):
        return f"connects to :{tcp.get('port')} {every}"
    if grpc := probe.get("grpc"):
        return f"gRPC on :{grpc.get('port')} {every}"
    return f"runs a command {every}"


def _failures(probe: Object) -> str:
    return f"{probe.get('failureThreshold', 3)} times, waits {probe.get('timeoutSeconds', 1)} s"


def _source(volume: Object) -> str:
    for key, value in volume.items():
        if key == "name":
            continue
        name = value.get("secretName") or value.get("claimName") or value.get("name")
        word = {"persistentVolumeClaim": "persistentvolumeclaim"}.get(key, key.lower())
        return f"{word}/{name}" if name else key
    return "unknown"


def _pairs(values: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in sorted(values.items()))
