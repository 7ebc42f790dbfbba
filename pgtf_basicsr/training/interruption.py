"""A run that is asked to stop does so between two iterations, with everything saved."""

import multiprocessing
import signal
from contextlib import contextmanager
from multiprocessing.util import Finalize

__all__ = ['StopRequest', 'end_workers_at_exit', 'outlive_stop_request', 'stop_request']

SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Seconds that a data worker lives on after SIGTERM, so that its trainer can finish the iteration.
WORKER_GRACE = 60


class StopRequest:
    """Notes SIGTERM (a scheduler's time limit) and SIGINT (Ctrl-C) for a loop that looks at it.

    Until somebody looks, and from the second signal on, a signal ends the process at once with
    status 128 + its number.
    """

    def __init__(self):
        self.signal = None
        self._heeded = False

    @contextmanager
    def noted(self):
        """Context in which the signals are noted."""
        self.__init__()
        previous = {number: signal.signal(number, self._note) for number in SIGNALS}
        try:
            yield self
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def made(self):
        """Whether somebody has asked to stop; who calls this has promised to do so."""
        self._heeded = True
        return self.signal is not None

    def _note(self, number, frame):
        if self.signal is not None or not self._heeded:
            raise SystemExit(128 + number)
        self.signal = number


def outlive_stop_request():
    """In a data worker: let signals to the whole process group pass, for the trainer needs it to finish.

    The trainer ends its workers itself, see `end_workers_at_exit`. One whose trainer cannot do so any more ends itself
    a little later.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, lambda number, frame: signal.alarm(WORKER_GRACE))


def end_workers_at_exit():
    """Let this process end its data workers when it exits, for its SIGTERM they outlive."""
    Finalize(None, _kill_workers, exitpriority=0)


def _kill_workers():
    for process in multiprocessing.active_children():
        if process.daemon:
            process.kill()


# Signal handlers belong to the process, and so does what they note.
stop_request = StopRequest()
