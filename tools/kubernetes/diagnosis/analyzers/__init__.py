"""One file for each subject: pure functions from what was read to what it means."""

from collections.abc import Callable, Iterator
from typing import Final

from tools.kubernetes.diagnosis.analyzers.crashes import crashes
from tools.kubernetes.diagnosis.analyzers.images import images
from tools.kubernetes.diagnosis.analyzers.probes import probes
from tools.kubernetes.diagnosis.case import Case
from tools.kubernetes.diagnosis.clues import Said

Analyzer = Callable[[Case], Iterator[Said]]

ANALYZERS: Final[tuple[Analyzer, ...]] = (images, crashes, probes)
