"""The kinds that the states hold: those of the demo's cluster, and some beyond it."""

from bot.sandbox.cluster.kinds import LEASES, RESOURCES, Resource

CERTIFICATES = Resource(
    "cert-manager.io", "v1", "certificates", "Certificate", ("cert", "certs"), generation=True
)
_ADMISSION = "admissionregistration.k8s.io"
VALIDATING = Resource(
    _ADMISSION,
    "v1",
    "validatingwebhookconfigurations",
    "ValidatingWebhookConfiguration",
    namespaced=False,
    status=False,
)
MUTATING = Resource(
    _ADMISSION,
    "v1",
    "mutatingwebhookconfigurations",
    "MutatingWebhookConfiguration",
    namespaced=False,
    status=False,
)
API_SERVICES = Resource(
    "apiregistration.k8s.io", "v1", "apiservices", "APIService", namespaced=False
)
CUSTOM = Resource(
    "apiextensions.k8s.io",
    "v1",
    "customresourcedefinitions",
    "CustomResourceDefinition",
    ("crd", "crds"),
    namespaced=False,
)
INGRESS_CLASSES = Resource(
    "networking.k8s.io", "v1", "ingressclasses", "IngressClass", namespaced=False, status=False
)
ATTACHMENTS = Resource(
    "storage.k8s.io", "v1", "volumeattachments", "VolumeAttachment", namespaced=False
)
POD_METRICS = Resource("metrics.k8s.io", "v1beta1", "pods", "PodMetrics", status=False)
NODE_METRICS = Resource(
    "metrics.k8s.io", "v1beta1", "nodes", "NodeMetrics", namespaced=False, status=False
)
METRICS = (POD_METRICS, NODE_METRICS)
SERVED = (
    *(one for one in RESOURCES if one is not LEASES),
    CERTIFICATES,
    VALIDATING,
    MUTATING,
    API_SERVICES,
    CUSTOM,
    INGRESS_CLASSES,
    ATTACHMENTS,
)
BY_KIND = {one.kind: one for one in (*SERVED, *METRICS)}
# What somebody with the built-in role `view`, bound in the namespace, does not see.
BEYOND_VIEW = frozenset(
    one.qualified
    for one in SERVED
    if not one.namespaced or one.group == "rbac.authorization.k8s.io" or one.kind == "Secret"
)
