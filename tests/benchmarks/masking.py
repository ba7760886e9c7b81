"""What masking costs: CPU per 100 kB of logs, manifests and credentials."""

from tests.benchmarks.figures import Figure
from tests.benchmarks.harness import Bench
from tests.corpus.masking.measure import times


async def measure(_bench: Bench) -> list[Figure]:
    """The median and the 95th percentile of the thread's CPU, for each kind of text."""
    how = "thread's CPU, 15 rounds over the same generated text; p95 {:.1f} ms"
    return [
        Figure(f"masking 100 kB: {name}", middle, "ms", how.format(high))
        for name, (middle, high) in times().items()
    ]
