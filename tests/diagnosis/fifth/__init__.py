"""States of a third judge who had not seen the analyzers; importing the modules enters them.

They are counted by themselves, with names and a namespace of their own: nothing of them is in the
other four sets.
"""

from tests.diagnosis.blame import FIFTH
from tests.diagnosis.decoys import FIFTH_DECOYS
from tests.diagnosis.fifth import (
    calm_pods,
    calm_rest,
    disks,
    images,
    machines,
    placing,
    probes,
    refusals,
    runs,
    starts,
    traffic,
)

__all__ = ["FIFTH", "FIFTH_DECOYS"]

MODULES = (
    calm_pods,
    calm_rest,
    disks,
    images,
    machines,
    placing,
    probes,
    refusals,
    runs,
    starts,
    traffic,
)
