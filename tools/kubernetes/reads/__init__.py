"""The tools that only look, a class for each subject."""

from tools.kubernetes.reads.about import AboutReads
from tools.kubernetes.reads.arguments import ClusterReads
from tools.kubernetes.reads.objects import ObjectReads
from tools.kubernetes.reads.rollouts import RolloutReads
from tools.kubernetes.reads.running import RunningReads
from tools.kubernetes.reads.views import ViewReads

__all__ = ["READS", "ClusterReads"]

READS = (ObjectReads(), RunningReads(), RolloutReads(), ViewReads(), AboutReads())
