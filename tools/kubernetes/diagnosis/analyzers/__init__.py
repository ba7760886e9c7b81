"""One file for each subject: pure functions from what was read to what it means."""

from collections.abc import Callable, Iterator
from typing import Final

from tools.kubernetes.diagnosis.analyzers.admission import admission
from tools.kubernetes.diagnosis.analyzers.autoscaling import autoscaling
from tools.kubernetes.diagnosis.analyzers.calm import calm
from tools.kubernetes.diagnosis.analyzers.configuration import configuration
from tools.kubernetes.diagnosis.analyzers.crashes import crashes
from tools.kubernetes.diagnosis.analyzers.dependencies import dependencies
from tools.kubernetes.diagnosis.analyzers.expiry import expiry
from tools.kubernetes.diagnosis.analyzers.images import images
from tools.kubernetes.diagnosis.analyzers.jobs import jobs
from tools.kubernetes.diagnosis.analyzers.nodes import nodes
from tools.kubernetes.diagnosis.analyzers.probes import probes
from tools.kubernetes.diagnosis.analyzers.rollouts import rollouts
from tools.kubernetes.diagnosis.analyzers.scheduling import scheduling
from tools.kubernetes.diagnosis.analyzers.services import services
from tools.kubernetes.diagnosis.analyzers.skew import skew
from tools.kubernetes.diagnosis.analyzers.storage import storage
from tools.kubernetes.diagnosis.analyzers.words import words
from tools.kubernetes.diagnosis.case import Case
from tools.kubernetes.diagnosis.clues import Said

Analyzer = Callable[[Case], Iterator[Said]]

ANALYZERS: Final[tuple[Analyzer, ...]] = (
    images,
    crashes,
    probes,
    scheduling,
    configuration,
    storage,
    admission,
    rollouts,
    jobs,
    words,
    dependencies,
    services,
    autoscaling,
    nodes,
    expiry,
    skew,
    calm,
)
