"""The one custom kind that this API serves: cert-manager's certificates, and their definition.

Another definition can be stored, but no kind is served for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Json = dict[str, Any]


@dataclass(frozen=True)
class Model:
    """What an object may have: each field's type, as the client's models write it, and words."""

    words: str
    fields: Mapping[str, tuple[str, str]]
    required: tuple[str, ...] = field(default=())


_CERTIFICATE: Final = "V1Certificate"
MODELS: Final = {
    _CERTIFICATE: Model(
        "A Certificate resource should be created to ensure an up to date and signed X.509 "
        "certificate is stored in the Kubernetes Secret resource named in `spec.secretName`.",
        {
            "apiVersion": ("str", "The versioned schema of this representation of an object."),
            "kind": ("str", "The REST resource this object represents."),
            "metadata": ("V1ObjectMeta", "Standard object's metadata."),
            "spec": ("V1CertificateSpec", "Desired state of the Certificate resource."),
            "status": ("V1CertificateStatus", "Status of the Certificate, set by cert-manager."),
        },
    ),
    "V1CertificateSpec": Model(
        "Desired state of the Certificate resource.",
        {
            "secretName": ("str", "Name of the Secret that holds the key and the certificate."),
            "issuerRef": ("V1CertificateIssuer", "The issuer responsible for the certificate."),
            "commonName": ("str", "Requested common name X509 certificate subject attribute."),
            "dnsNames": ("List[str]", "Requested DNS subject alternative names."),
            "duration": ("str", "Requested lifetime of the certificate; by default 90 days."),
            "renewBefore": ("str", "How long before its end it is renewed."),
            "usages": ("List[str]", "Requested key usages and extended key usages."),
            "isCA": ("bool", "Whether it may sign other certificates."),
            "revisionHistoryLimit": ("int", "The most certificate requests that are kept."),
        },
        ("issuerRef", "secretName"),
    ),
    "V1CertificateIssuer": Model(
        "Reference to the issuer responsible for issuing the certificate.",
        {
            "name": ("str", "Name of the issuer."),
            "kind": ("str", "Kind of the issuer: Issuer or ClusterIssuer."),
            "group": ("str", "Group of the issuer; by default cert-manager.io."),
        },
        ("name",),
    ),
    "V1CertificateStatus": Model(
        "Status of the Certificate.",
        {
            "conditions": ("List[V1Condition]", "Known condition types are Ready and Issuing."),
            "notBefore": ("datetime", "The time from which on the certificate is valid."),
            "notAfter": ("datetime", "The time at which the certificate expires."),
            "renewalTime": ("datetime", "The time at which it will be next renewed."),
            "revision": ("int", "How often it was issued."),
        },
    ),
}
# The columns that its author chose: name, type, path; the last number is 1 for -o wide only.
_COLUMNS: Final = (
    ("Ready", "string", '.status.conditions[?(@.type == "Ready")].status', 0),
    ("Secret", "string", ".spec.secretName", 0),
    ("Issuer", "string", ".spec.issuerRef.name", 1),
    ("Status", "string", '.status.conditions[?(@.type == "Ready")].message', 1),
    ("Age", "date", ".metadata.creationTimestamp", 0),
)


def definition() -> Json:
    """Return the definition of the kind, as cert-manager's own manifests have it."""
    columns = [
        {"name": name, "type": kind, "jsonPath": path, **({"priority": 1} if wide else {})}
        for name, kind, path, wide in _COLUMNS
    ]
    names = {
        "plural": "certificates",
        "singular": "certificate",
        "kind": "Certificate",
        "listKind": "CertificateList",
        "shortNames": ["cert", "certs"],
        "categories": ["cert-manager"],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "certificates.cert-manager.io"},
        "spec": {
            "group": "cert-manager.io",
            "names": names,
            "scope": "Namespaced",
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": columns,
                    "schema": {"openAPIV3Schema": _schema(_CERTIFICATE)},
                }
            ],
        },
    }


def _schema(model: str) -> Json:
    found = MODELS[model]
    made: Json = {
        "type": "object",
        "description": found.words,
        "properties": {
            name: {"description": words, **_typed(kind)}
            for name, (kind, words) in found.fields.items()
        },
    }
    return made | ({"required": list(found.required)} if found.required else {})


def _typed(kind: str) -> Json:
    if kind.startswith("List["):
        return {"type": "array", "items": _typed(kind[5:-1])}
    if kind in MODELS:
        return _schema(kind)
    scalars = {"str": "string", "int": "integer", "bool": "boolean", "datetime": "string"}
    return {"type": scalars.get(kind, "object")}
