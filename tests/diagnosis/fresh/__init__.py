"""States written by somebody who had not seen the analyzers; importing the modules enters them.

They are counted by themselves: nothing of them is in the other two sets.
"""

from tests.diagnosis.blame import FRESH
from tests.diagnosis.decoys import FRESH_DECOYS
from tests.diagnosis.fresh import calm, ends, pulls, rollouts, settled, starts, volumes, wiring

__all__ = ["FRESH", "FRESH_DECOYS"]

MODULES = (calm, ends, pulls, rollouts, settled, starts, volumes, wiring)
