"""Images that cannot be had: by each reason of the registry, the name, the policy."""

import re
from collections.abc import Iterator
from typing import Final

from tools.kubernetes.diagnosis.case import Case, Group
from tools.kubernetes.diagnosis.causes import Cause
from tools.kubernetes.diagnosis.clues import HIGH, MEDIUM, Clue, Confidence, Proposal, Said
from tools.kubernetes.diagnosis.onset import Onset, onset
from tools.kubernetes.diagnosis.symptoms import What
from tools.kubernetes.diagnosis.wording import both_ends, event, pods_of
from tools.kubernetes.events import Report
from tools.kubernetes.objects import name_of

REASONS: Final = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
# The first that matches: what a registry says of a name may hold words of the others.
_WORDS: Final = (
    (
        Cause.IMAGE_INVALID_NAME,
        r"invalid ?image ?name|couldn't parse image|invalid reference format",
    ),
    (Cause.IMAGE_PULL_NEVER, r"ErrImageNeverPull|not present with pull policy of never"),
    (Cause.IMAGE_RATE_LIMIT, r"toomanyrequests|rate limit|too many requests|\b429\b"),
    (
        Cause.IMAGE_DNS,
        r"no such host|name resolution|server misbehaving|NXDOMAIN|lookup \S+ on \S+:53",
    ),
    (
        Cause.IMAGE_TLS,
        r"x509|certificate|tls: |server gave HTTP response to HTTPS client|handshake failure",
    ),
    (
        Cause.IMAGE_PLATFORM,
        r"no match(?:ing manifest)? for|platform in manifest|cannot be used on this platform",
    ),
    (
        Cause.IMAGE_UNAUTHORIZED,
        (
            r"unauthori[sz]ed|authentication required|access denied|access forbidden"
            r"|insufficient_scope|no basic auth|failed to authorize|authorization failed|"
            r"authorization token|\b40[13]\b"
            r"|denied: |credentials"
        ),
    ),
    (
        Cause.IMAGE_NOT_FOUND,
        r"not ?found|manifest unknown|name unknown|does not exist|no such image|\b404\b",
    ),
    (
        Cause.IMAGE_UNREACHABLE,
        (
            r"timeout|timed out|connection refused|unreachable|no route|\bEOF\b|connection reset"
            r"|\b50[0234]\b|deadline exceeded|service unavailable"
        ),
    ),
)
_EITHER: Final = re.compile(r"does not exist or may require", re.IGNORECASE)
_RAN_OUT: Final = re.compile(r"token (?:has |is )?expired", re.IGNORECASE)
_SAYS: Final = {
    Cause.IMAGE_INVALID_NAME: "is not a valid image name",
    Cause.IMAGE_PULL_NEVER: "is not on the node, and its pull policy Never forbids to fetch it",
    Cause.IMAGE_RATE_LIMIT: "cannot be pulled: the registry's rate limit is reached",
    Cause.IMAGE_DNS: "cannot be pulled: the name of its registry is not resolved",
    Cause.IMAGE_TLS: "cannot be pulled: the certificate of its registry is not accepted",
    Cause.IMAGE_PLATFORM: "is not built for the platform of the node",
    Cause.IMAGE_UNAUTHORIZED: "cannot be pulled: the registry accepts no credentials of it",
    Cause.IMAGE_NOT_FOUND: "does not exist in its registry",
    Cause.IMAGE_UNREACHABLE: "cannot be pulled: its registry does not answer",
    Cause.IMAGE_PULL: "cannot be pulled",
}
_ITS_NAME: Final = (Cause.IMAGE_NOT_FOUND, Cause.IMAGE_INVALID_NAME, Cause.IMAGE_PULL_NEVER)


def images(case: Case) -> Iterator[Said]:
    """One clue for each container whose image cannot be had."""
    for group in case.groups_of(What.WAITING):
        if group.first.reason in REASONS:
            yield _clue(case, group)


def _clue(case: Case, group: Group) -> Clue:
    one = group.first
    image = str(one.spec.get("image") or one.status.get("image") or "")
    reports = _reports(case, group, image)
    said = " ".join([one.reason, one.message, *(report.message for report in reports)])
    said = said.replace(image, "") if image else said  # its name may hold any of the words
    cause, confidence, alternative = _judged(said, case, group)
    begun = onset(case, group, r"image|imagePull")
    evidence = [
        f"pod/{name_of(one.pod)} {one.container}: waiting, {one.reason}: {both_ends(one.message)}"
    ]
    evidence += [event(report, case.now) for report in reports[:1]]
    words = f"Image {image} {_SAYS[cause]}: {pods_of(case, group)} must wait for it."
    if cause is Cause.IMAGE_UNAUTHORIZED:
        words += _pull_secrets(case, group)
    return Clue(
        cause,
        group.owner,
        " ".join(part for part in (words, begun.words) if part),
        (*evidence, *begun.evidence),
        confidence,
        since=begun.since,
        explains=group.refs,
        alternative=alternative,
        change=_change(cause, begun),
    )


def _reports(case: Case, group: Group, image: str) -> list[Report]:
    """What the kubelet said of this image, the reason itself first."""
    found = [
        report
        for symptom in group.symptoms
        for report in case.snapshot.reports(
            symptom.ref, "Failed", "InspectFailed", "ErrImageNeverPull"
        )
        if image and image in report.message
    ]
    return sorted(found, key=lambda report: "ailed to pull" not in report.message)


def _judged(said: str, case: Case, group: Group) -> tuple[Cause, Confidence, str]:
    for cause, pattern in _WORDS:
        if not re.search(pattern, said, re.IGNORECASE):
            continue
        if cause is Cause.IMAGE_UNAUTHORIZED and _EITHER.search(said) and not _RAN_OUT.search(said):
            return _either(case, group)
        return cause, HIGH, ""
    return Cause.IMAGE_PULL, MEDIUM, "the events do not say why"


def _either(case: Case, group: Group) -> tuple[Cause, Confidence, str]:
    """A registry that does not say whether there is no such repository, or no right to it."""
    begun = onset(case, group, r"\.image$")
    if begun.blamed and not (group.first.pod.get("spec") or {}).get("imagePullSecrets"):
        return Cause.IMAGE_NOT_FOUND, MEDIUM, "the repository exists and wants credentials"
    return Cause.IMAGE_UNAUTHORIZED, MEDIUM, "the repository does not exist"


def _pull_secrets(case: Case, group: Group) -> str:
    named = [
        str(one.get("name"))
        for one in (group.first.pod.get("spec") or {}).get("imagePullSecrets") or ()
    ]
    place = group.owner.namespace
    missing = [name for name in named if case.snapshot.lacks("secret", place, name)]
    if missing:
        return f" Its pull secret {', '.join(missing)} does not exist in {place}."
    return "" if named else " The pod names no pull secret."


def _change(cause: Cause, begun: Onset) -> Proposal | None:
    return begun.undo if begun.blamed and cause in (*_ITS_NAME, Cause.IMAGE_PLATFORM) else None
