"""How much of a cluster may be asked for: no question, and no crowd of them, may hurt it."""


class Pace:
    """A cluster's budget of requests, as client-go counts it: `qps` a second, `burst` at once.

    Of this process, whoever asks; first come, first served. What a cluster itself allows, its
    API Priority and Fairness says with 429. Times are seconds of any one clock that only goes on.
    """

    def __init__(self, qps: float, burst: int) -> None:
        self._interval = 1 / qps
        self._ahead = burst * self._interval  # of the budget that may be used up at once
        self._used_until = 0.0

    def wait(self, now: float, patience: float) -> float | None:
        """Take the next turn: how long until it comes. None: later than `patience`, none taken."""
        used_until = max(self._used_until, now) + self._interval
        wait = max(used_until - self._ahead - now, 0.0)
        if wait > patience:
            return None
        self._used_until = used_until
        return wait
