"""Time that a run may take, shared out among its sections."""

import signal
import time
from contextlib import contextmanager


class OutOfTime(BaseException):
    """The time of the run is over; not an Exception, so that nothing in progress takes it for an error of its own."""


class TimeLimit:
    """A moment by which something has to end.

    Args:
        end (float): By ``time.monotonic``.
    """

    def __init__(self, end):
        self.end = end

    @property
    def over(self):
        return time.monotonic() >= self.end

    def shared(self, weights):
        """Share out what is left; time that one does not need goes to those after it.

        Args:
            weights (dict): A weight for each name.

        Yields:
            tuple: A name and its time limit, in order.
        """
        weights = dict(weights)
        while weights:
            now, total = time.monotonic(), sum(weights.values())
            name = next(iter(weights))
            yield name, TimeLimit(now + max(0, self.end - now) * weights.pop(name) / total)

    @contextmanager
    def enforced(self):
        """Raise OutOfTime in the main thread once this moment has come."""

        def stop(number, frame):
            raise OutOfTime

        before = signal.signal(signal.SIGALRM, stop)
        signal.setitimer(signal.ITIMER_REAL, max(1e-3, self.end - time.monotonic()))
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
