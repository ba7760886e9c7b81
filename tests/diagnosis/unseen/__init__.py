"""States of a second judge who had not seen the analyzers; importing the modules enters them.

They are counted by themselves: nothing of them is in the other three sets. What the analyzers made
of them at first sight, before anything was mended for them: of 68 faults 57 right (83.8%), of 27
healthy states 2 called ill, of 52 findings marked high 45 right (86.5%); with only the role `view`
54 of 65, 2 of 27, 38 of 45.
"""

from tests.diagnosis.blame import UNSEEN
from tests.diagnosis.decoys import UNSEEN_DECOYS
from tests.diagnosis.unseen import (
    cascades,
    disks,
    ends,
    habits,
    images,
    life,
    places,
    refusals,
    runs,
    starts,
    traffic,
)

__all__ = ["UNSEEN", "UNSEEN_DECOYS"]

MODULES = (
    cascades,
    disks,
    ends,
    habits,
    images,
    life,
    places,
    refusals,
    runs,
    starts,
    traffic,
)
