"""Everything that breaks in the generated states; importing the modules enters them."""

from tests.diagnosis.blame import FAULTS
from tests.diagnosis.faults import (
    admission,
    autoscaling,
    cascades,
    config,
    crashes,
    images,
    jobs,
    network,
    nodes,
    probes,
    scheduling,
    storage,
)

__all__ = ["FAULTS"]

MODULES = (
    admission,
    autoscaling,
    cascades,
    config,
    crashes,
    images,
    jobs,
    network,
    nodes,
    probes,
    scheduling,
    storage,
)
