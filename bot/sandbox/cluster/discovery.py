"""What the server says about itself: its version and the resources it serves."""

from typing import Any

from bot.sandbox.cluster import reviews
from bot.sandbox.cluster.kinds import RESOURCES, Resource

Json = dict[str, Any]

VERSION: Json = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.2",
    "gitCommit": "98b35193b2ac7a23a673325f5e9b830ecd5ba406",
    "gitTreeState": "clean",
    "buildDate": "2026-08-21T00:00:00Z",
    "goVersion": "go1.26.6",
    "compiler": "gc",
    "platform": "linux/amd64",
}
_METRICS = ("metrics.k8s.io", "v1beta1")
_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
_ALONE = ["get", "patch", "update"]


def document(path: str) -> Json | None:
    """Return the discovery document at a path, or None."""
    match path.strip("/").split("/"):
        case ["version"]:
            return VERSION
        case ["api"]:
            return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
        case ["apis"]:
            groups = [_group(name, version) for name, version in _groups()]
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
        case ["api", "v1"]:
            return _resources("", "v1")
        case ["apis", name]:
            found = next((g for g in _groups() if g[0] == name), None)
            return {"kind": "APIGroup", "apiVersion": "v1", **_group(*found)} if found else None
        case ["apis", name, version] if (name, version) in _groups():
            return _resources(name, version)
        case _:
            return None


def _groups() -> list[tuple[str, str]]:
    served = dict.fromkeys((r.group, r.version) for r in RESOURCES if r.group)
    return [*served, *reviews.KINDS, _METRICS]


def _group(name: str, version: str) -> Json:
    served = {"groupVersion": f"{name}/{version}", "version": version}
    return {"name": name, "versions": [served], "preferredVersion": served}


def _resources(group: str, version: str) -> Json:
    listed: list[Json] = []
    for resource in RESOURCES:
        if (resource.group, resource.version) == (group, version):
            listed += _entries(resource)
    for kind in reviews.KINDS.get((group, version), ()):
        local = kind.startswith("Local")
        listed.append(_entry(f"{kind.lower()}s", kind, ["create"], namespaced=local))
    if (group, version) == _METRICS:
        looks = ["get", "list"]
        listed.append(_entry("nodes", "NodeMetrics", looks, namespaced=False))
        listed.append(_entry("pods", "PodMetrics", looks, namespaced=True))
    name = f"{group}/{version}" if group else version
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": name,
        "resources": listed,
    }


def _entry(name: str, kind: str, verbs: list[str], *, namespaced: bool) -> Json:
    return {
        "name": name,
        "singularName": "" if "/" in name else kind.lower(),
        "namespaced": namespaced,
        "kind": kind,
        "verbs": verbs,
    }


def _entries(resource: Resource) -> list[Json]:
    spaced = resource.namespaced
    main = _entry(resource.plural, resource.kind, _VERBS, namespaced=spaced)
    if resource.short:
        main["shortNames"] = list(resource.short)
    if resource.categories:
        main["categories"] = list(resource.categories)
    entries = [main]
    if resource.status:
        name = f"{resource.plural}/status"
        entries.append(_entry(name, resource.kind, _ALONE, namespaced=spaced))
    if resource.scale:
        scale = _entry(f"{resource.plural}/scale", "Scale", _ALONE, namespaced=spaced)
        entries.append({**scale, "group": "autoscaling", "version": "v1"})
    if "log" in resource.subresources:
        entries.append(_entry(f"{resource.plural}/log", resource.kind, ["get"], namespaced=spaced))
    if "eviction" in resource.subresources:
        name = f"{resource.plural}/eviction"
        eviction = _entry(name, "Eviction", ["create"], namespaced=spaced)
        entries.append({**eviction, "group": "policy", "version": "v1"})
    return entries
