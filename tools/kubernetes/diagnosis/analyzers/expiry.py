"""Certificates that the world is shown, and that have ended or soon will."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from tools.kubernetes.diagnosis.case import Case
from tools.kubernetes.diagnosis.causes import Cause
from tools.kubernetes.diagnosis.clues import HIGH, MEDIUM, Clue, Notice, Ref, Said
from tools.kubernetes.diagnosis.snapshot import CertificateOf, Denied
from tools.kubernetes.diagnosis.wording import at, listed, short
from tools.kubernetes.kinds import Object
from tools.kubernetes.objects import conditions, moment

_SOON: Final = timedelta(days=7)
_NOTED: Final = timedelta(days=21)


def expiry(case: Case) -> Iterator[Said]:
    """Secrets that ingresses name, and what an issuer says of its certificates."""
    issued = {}
    for ref, certificate in case.snapshot.refs("certificate"):
        secret = str((certificate.get("spec") or {}).get("secretName") or "")
        issued[Ref("secret", ref.namespace, secret)] = ref
        yield from _certificate(case, ref, certificate)
    for asked, got in sorted(case.snapshot.found.items(), key=str):
        if not isinstance(asked, CertificateOf):
            continue
        about = Ref("secret", asked.namespace, asked.name)
        if isinstance(got, Denied) and got.why == "missing":
            yield _missing(case, about)
        elif isinstance(got, datetime) and about not in issued:
            yield from _ends(case, about, got, _hosts(case, about))


def _ends(case: Case, about: Ref, end: datetime, hosts: str) -> Iterator[Said]:
    left = end - case.now
    evidence = (f"{about}: its certificate's notAfter is {at(end, case.now)}",)
    concerns = _ingresses(case, about)
    if left <= timedelta():
        text = f"The certificate for {hosts} has expired at {at(end, case.now)}."
        yield Clue(
            Cause.CERTIFICATE_EXPIRED, about, text, evidence, HIGH, since=end, concerns=concerns
        )
    elif left <= _SOON:
        text = f"The certificate for {hosts} ends at {at(end, case.now)}, and was not renewed."
        yield Clue(
            Cause.CERTIFICATE_EXPIRING, about, text, evidence, HIGH, since=end, concerns=concerns
        )
    elif left <= _NOTED:
        yield Notice(about, f"its certificate ends at {at(end, case.now)}")


def _ingresses(case: Case, secret: Ref) -> frozenset[Ref]:
    return frozenset(
        ref
        for ref, ingress in case.snapshot.refs("ingress")
        if ref.namespace == secret.namespace
        and any(
            tls.get("secretName") == secret.name
            for tls in (ingress.get("spec") or {}).get("tls") or ()
        )
    )


def _hosts(case: Case, secret: Ref) -> str:
    found = [
        str(host)
        for ref in sorted(_ingresses(case, secret))
        for tls in ((case.snapshot.at(ref) or {}).get("spec") or {}).get("tls") or ()
        if tls.get("secretName") == secret.name
        for host in tls.get("hosts") or ()
    ]
    return listed(dict.fromkeys(found)) or "its hosts"


def _missing(case: Case, about: Ref) -> Clue:
    ingresses = sorted(_ingresses(case, about))
    named = ingresses[0] if ingresses else about
    text = f"Its certificate should be in {about}, which does not exist in {about.namespace}."
    return Clue(
        Cause.SECRET_MISSING,
        named,
        text,
        (f"{named}: spec.tls names {about.name}",),
        HIGH,
        concerns=frozenset(ingresses),
    )


def _certificate(case: Case, ref: Ref, certificate: Object) -> Iterator[Said]:
    ready = conditions(certificate).get("Ready", {})
    status = certificate.get("status") or {}
    end, renewal = moment(status.get("notAfter")), moment(status.get("renewalTime"))
    secret = Ref("secret", ref.namespace, str((certificate.get("spec") or {}).get("secretName")))
    if end is not None and (end <= case.now or (end - case.now <= _SOON and _late(case, renewal))):
        yield from _ends(case, ref, end, _hosts(case, secret))
    elif ready.get("status") == "False":
        if end is not None and end > case.now and not _late(case, renewal):
            yield Notice(ref, f"is being issued anew: {short(ready.get('message'))}")
            return
        yield Clue(
            Cause.CERTIFICATE_EXPIRING,
            ref,
            f"It is not issued: {short(ready.get('message'))}",
            (f"{ref}: Ready is False, {ready.get('reason')}",),
            MEDIUM,
            since=moment(ready.get("lastTransitionTime")),
            concerns=_ingresses(case, secret),
        )


def _late(case: Case, renewal: datetime | None) -> bool:
    return renewal is None or renewal < case.now
