"""The tools that only look, a class for each subject."""

from tools.kubernetes.reads.arguments import ClusterReads
from tools.kubernetes.reads.objects import ObjectReads
from tools.kubernetes.reads.rollouts import RolloutReads
from tools.kubernetes.reads.running import RunningReads

__all__ = ["READS", "ClusterReads"]

READS = (ObjectReads(), RunningReads(), RolloutReads())
