"""Services whose selectors or ports match nothing, and ingresses that lead nowhere."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from tools.kubernetes.counting import counted
from tools.kubernetes.diagnosis.case import Case, template_labels
from tools.kubernetes.diagnosis.causes import Cause
from tools.kubernetes.diagnosis.clues import HIGH, LOW, MEDIUM, Clue, Notice, Ref, Said
from tools.kubernetes.diagnosis.snapshot import ref_of
from tools.kubernetes.diagnosis.wording import at, event, listed, short
from tools.kubernetes.kinds import Object
from tools.kubernetes.objects import meta, moment, name_of
from tools.kubernetes.pods import is_leaving, is_ready
from tools.kubernetes.workloads import counts_of

_CLASSES = ("nginx", "traefik", "haproxy", "alb", "gce", "kong", "istio", "contour", "cilium")
_UNBALANCED = ("SyncLoadBalancerFailed", "CreatingLoadBalancerFailed", "AllocationFailed")
_BALANCING = timedelta(minutes=5)  # that long a cloud may take
_WORKLOADS = ("deployment", "statefulset", "daemonset")


def services(case: Case) -> Iterator[Said]:
    """Services first, then what stands in front of them."""
    for ref, service in case.snapshot.refs("service"):
        spec = service.get("spec") or {}
        if spec.get("selector") and spec.get("type") != "ExternalName":
            yield from _service(case, ref, spec)
        if spec.get("type") == "LoadBalancer":
            yield from _balancer(case, ref, service)
    for ref, ingress in case.snapshot.refs("ingress"):
        yield from _ingress(case, ref, ingress)


def _service(case: Case, ref: Ref, spec: Object) -> Iterator[Said]:
    if not case.snapshot.knows("pod", ref.namespace):
        return
    selector = {str(key): str(value) for key, value in spec["selector"].items()}
    found = case.snapshot.selected(ref.namespace, {"matchLabels": selector})
    pods = [pod for pod in found if not is_leaving(pod) and _runs(pod)]
    if pods:
        wrong = [*_ports(case, ref, spec, pods)]
        yield from wrong
        if not wrong and not any(is_ready(pod) for pod in pods):
            yield _nobody(case, ref, pods)
        return
    behind = case.behind(ref)
    if behind:
        wanted = [one for one in behind if counts_of(case.snapshot.at(one) or {"spec": {}}).wanted]
        if not wanted:
            # Whether that is meant only people know; who stands in front of it they want to hear.
            shown = [
                str(one) for one, live in case.snapshot.refs("ingress") if _shows(one, live, ref)
            ]
            words = f"sends to nothing: {listed(map(str, sorted(behind)))} is scaled to 0"
            yield Notice(ref, words + (f", and {listed(shown)} leads to it" if shown else ""))
        else:
            yield _effect(ref, frozenset(wanted), "none of its pods exists")
        return
    if not found and (task := _task(case, ref, selector)) is not None:
        yield Notice(ref, f"sends to the pods of {task}, of which none runs now")
    elif not found:
        yield _selector(case, ref, selector)


def _shows(ingress: Ref, live: Object, service: Ref) -> bool:
    here = ingress.namespace == service.namespace
    return here and any(name == service.name for name, _ in backends(live))


def _task(case: Case, ref: Ref, selector: Mapping[str, str]) -> Ref | None:
    """The job or cron job that a service is meant for: its pods come and go."""
    for other, live in case.snapshot.refs("cronjob", "job"):
        made = (live.get("spec") or {}).get("jobTemplate") or live
        if other.namespace == ref.namespace and selector.items() <= template_labels(made).items():
            return other
    return None


def _balancer(case: Case, ref: Ref, service: Object) -> Iterator[Said]:
    """An address outside of the cluster that it should have and does not get."""
    balancer = (service.get("status") or {}).get("loadBalancer") or {}
    made = moment(meta(service).get("creationTimestamp"))
    if balancer.get("ingress") or made is None or case.now - made < _BALANCING:
        return
    reports = case.snapshot.reports(ref, *_UNBALANCED)
    if not reports:
        yield Notice(ref, f"has no address of a load balancer since {at(made, case.now)}")
        return
    yield Clue(
        Cause.LOAD_BALANCER,
        ref,
        f"It gets no load balancer: {short(reports[-1].message)}",
        (event(reports[-1], case.now), f"{ref}: status.loadBalancer is empty"),
        HIGH,
        since=moment(reports[-1].first),
        explains=frozenset({ref}),
        concerns=case.behind(ref),
    )


def _runs(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


def _effect(ref: Ref, owners: frozenset[Ref], words: str) -> Clue:
    """What another finding explains."""
    return Clue(
        Cause.UNKNOWN,
        ref,
        f"It sends to nothing: {words}.",
        (f"{ref}: no ready pod behind it",),
        LOW,
        explains=frozenset({ref}),
        hangs_on=owners,
    )


def _nobody(case: Case, ref: Ref, pods: Sequence[Object]) -> Said:
    owners = frozenset(case.snapshot.owner(pod) for pod in pods)
    refs = owners | {ref_of("pod", pod) for pod in pods}
    none = (
        f"none of its {len(pods)} pods is ready" if len(pods) > 1 else "its only pod is not ready"
    )
    if not refs & case.unwell:
        return Notice(
            ref, f"{none} yet: {'they just start' if len(pods) > 1 else 'it just starts'}"
        )
    return _effect(ref, refs, none)


def _selector(case: Case, ref: Ref, selector: Mapping[str, str]) -> Clue:
    near = _nearest(case, ref, selector)
    asked = ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
    text = f"Its selector {asked} matches no pod and no workload in {ref.namespace}."
    evidence = [f"{ref}: spec.selector {asked}; of {_count(case, ref)} none has these labels"]
    if near is not None:
        labels = template_labels(case.snapshot.at(near) or {})
        own = ",".join(f"{key}={labels.get(key, '(none)')}" for key in sorted(selector))
        text += f" The pods of {near} have {own}."
        evidence.append(f"{near}: template labels {own}")
    return Clue(
        Cause.SERVICE_SELECTOR,
        ref,
        text,
        tuple(evidence),
        HIGH if near is not None else MEDIUM,
        explains=frozenset({ref}),
        concerns=frozenset({near}) if near else frozenset(),
        alternative="" if near is not None else "it is left over, and nothing needs it",
    )


def _count(case: Case, ref: Ref) -> str:
    return counted(len(case.snapshot.of("pod", ref.namespace)), "pod")


def _nearest(case: Case, ref: Ref, selector: Mapping[str, str]) -> Ref | None:
    """The workload that was meant: of the same name, or whose labels differ the least."""
    best: tuple[float, Ref] | None = None
    for other, live in case.snapshot.refs(*_WORKLOADS):
        if other.namespace != ref.namespace:
            continue
        labels = template_labels(live)
        same = sum(labels.get(key) == value for key, value in selector.items())
        values = [labels.get(key) or "" for key in selector]
        pairs = zip(values, selector.values(), strict=True)
        alike = max((difflib.SequenceMatcher(None, a, b).ratio() for a, b in pairs), default=0.0)
        named = other.name == ref.name or other.name in selector.values()
        score = 2.0 * named + same / len(selector) + (alike if alike >= 0.75 else 0.0)
        if score >= 0.75 and (best is None or score > best[0]):
            best = (score, other)
    return best[1] if best else None


def _ports(case: Case, ref: Ref, spec: Object, pods: Sequence[Object]) -> Iterator[Clue]:
    """Ports that lead to none of the containers."""
    declared, names = _declared(pods)
    ports = spec.get("ports") or ()
    wrong, named = [], False
    for port in ports:
        target = port.get("targetPort", port.get("port"))
        if isinstance(target, str) and not target.isdecimal():
            if target not in names:
                wrong.append(f"{port.get('port')} → {target}")
                named = True
        elif declared and int(target or 0) not in declared:
            wrong.append(f"{port.get('port')} → {target}")
    if not wrong or (not named and len(wrong) < len(ports)):
        return
    owners = frozenset(case.snapshot.owner(pod) for pod in pods)
    known = ", ".join([*map(str, sorted(declared)), *sorted(names)]) or "no ports"
    probed = _probed(pods)
    sure = named or (bool(probed) and probed <= declared and len(ports) == 1)
    yield Clue(
        Cause.SERVICE_PORT,
        ref,
        f"Its port {listed(wrong)} leads to none of its pods' containers, which have {known}.",
        (
            f"{ref}: spec.ports {listed(wrong)}",
            f"pod/{name_of(pods[0])}: containerPorts {known}",
        ),
        HIGH if sure else MEDIUM,
        explains=frozenset({ref}),
        concerns=owners,
        alternative="" if sure else "the program listens there without saying so in its pod",
    )


def _declared(pods: Sequence[Object]) -> tuple[set[int], set[str]]:
    numbers: set[int] = set()
    names: set[str] = set()
    for pod in pods:
        spec = pod.get("spec") or {}
        for container in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]:
            for port in container.get("ports") or ():
                numbers.add(int(port.get("containerPort") or 0))
                if port.get("name"):
                    names.add(str(port["name"]))
    return numbers, names


def _probed(pods: Sequence[Object]) -> set[int]:
    """The ports that the readiness probes of ready pods reach."""
    found = set()
    for pod in pods:
        for container in (pod.get("spec") or {}).get("containers") or ():
            probe = container.get("readinessProbe") or {}
            port = ((probe.get("httpGet") or probe.get("tcpSocket")) or {}).get("port")
            by_name = {
                one.get("name"): one.get("containerPort") for one in container.get("ports") or ()
            }
            number = by_name.get(port, port)
            if is_ready(pod) and str(number).isdecimal():
                found.add(int(number or 0))
    return found


def backends(ingress: Object) -> list[tuple[str, object]]:
    """The services that an ingress leads to, each with the number or name of the port."""
    spec = ingress.get("spec") or {}
    paths = [
        path
        for rule in spec.get("rules") or ()
        for path in (rule.get("http") or {}).get("paths") or ()
    ]
    found: list[tuple[str, object]] = []
    for backend in [spec.get("defaultBackend") or {}, *(one.get("backend") or {} for one in paths)]:
        service = backend.get("service") or {}
        if name := service.get("name"):
            port = service.get("port") or {}
            found.append((str(name), port.get("name") or port.get("number")))
    return list(dict.fromkeys(found))


def _class(case: Case, ref: Ref, ingress: Object) -> Iterator[Said]:
    """Whether anybody serves an ingress."""
    named = str((ingress.get("spec") or {}).get("ingressClassName") or "")
    if not named or ((ingress.get("status") or {}).get("loadBalancer") or {}).get("ingress"):
        return
    others = {
        str((one.get("spec") or {}).get("ingressClassName") or "")
        for one in case.snapshot.of("ingress")
        if ((one.get("status") or {}).get("loadBalancer") or {}).get("ingress")
    } - {"", named}
    lacks = case.snapshot.lacks("ingressclass", "", named)
    known = [name_of(one) for one in case.snapshot.of("ingressclass")]
    usual = difflib.get_close_matches(named, _CLASSES, n=1, cutoff=0.75)
    misspelt = bool(usual) and usual[0] != named and named not in _CLASSES
    if not lacks and (case.snapshot.knows("ingressclass") or not (others or misspelt)):
        return
    if misspelt and not known and not others:
        others = {usual[0]}
    there = f"there is no ingress class {named}" if lacks else f"{named} looks misspelt"
    text = f"Nobody serves it: {there}."
    text += f" There is {listed(known or sorted(others))}." if known or others else ""
    yield Clue(
        Cause.INGRESS_CLASS,
        ref,
        text,
        (f"{ref}: spec.ingressClassName {named}, status.loadBalancer is empty",),
        HIGH if lacks else MEDIUM,
        explains=frozenset({ref}),
    )


def _ingress(case: Case, ref: Ref, ingress: Object) -> Iterator[Said]:
    yield from _class(case, ref, ingress)
    for name, port in backends(ingress):
        service = case.snapshot.get("service", ref.namespace, name)
        if service is None:
            if case.snapshot.lacks("service", ref.namespace, name):
                yield _leads_nowhere(case, ref, name)
            continue
        ports = (service.get("spec") or {}).get("ports") or ()
        if ports and not any(port in (one.get("name"), one.get("port")) for one in ports):
            known = ", ".join(str(one.get("name") or one.get("port")) for one in ports)
            text = f"It leads to port {port} of service/{name}, which has {known}."
            evidence = (f"{ref}: backend {name}:{port}", f"service/{name}: spec.ports {known}")
            yield Clue(
                Cause.INGRESS_BACKEND,
                ref,
                text,
                evidence,
                HIGH,
                explains=frozenset({ref}),
                concerns=frozenset({Ref("service", ref.namespace, name)}),
            )


def _leads_nowhere(case: Case, ref: Ref, name: str) -> Clue:
    known = [name_of(one) for one in case.snapshot.of("service", ref.namespace)]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
    text = f"It leads to service/{name}, which does not exist in {ref.namespace}."
    text += f" There is a service/{near[0]}." if near else ""
    return Clue(
        Cause.INGRESS_BACKEND,
        ref,
        text,
        (f"{ref}: backend {name}", f"services in {ref.namespace}: {listed(known, 8) or 'none'}"),
        HIGH,
        explains=frozenset({ref}),
    )
