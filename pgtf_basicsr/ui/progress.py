"""What work reports to the page that waits for it."""

import threading
from collections.abc import Sequence

from ..restoration.reports import Outcome, Progress

__all__ = ['PageReport', 'Stopped']


class Stopped(Exception):  # noqa: N818 - not an error
    """The page that the work was for wants it no more."""


class PageReport:
    """A `restoration.reports.Report` that keeps what it takes, for a page that looks now and then.

    Attributes:
        total (int | None): Frames of the pass, where that is known.
        progress (Progress | None): How far the pass is; None until it begins.
        warnings (list[str]): What the user should know, a sentence each.
    """

    def __init__(self) -> None:
        self.total: int | None = None
        self.progress: Progress | None = None
        self.warnings: list[str] = []
        self._stop = threading.Event()

    @property
    def stopping(self) -> bool:
        """Whether the work has been asked to stop."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Ask the work to stop: the next thing that it reports raises `Stopped`."""
        self._stop.set()

    def begin(self, outcome: Outcome, step: str, total: int | None) -> None:
        self._check()
        self.total, self.progress = total, Progress(step, 0, 0)

    def warn(self, outcome: Outcome, message: str) -> None:
        self.warnings.append(message)

    def advance(self, outcome: Outcome, progress: Progress) -> None:
        self._check()
        self.progress = progress

    def end(self, outcome: Outcome) -> None:
        """Take the end of a video: what there is to say of it is in its outcome."""

    def finish(self, outcomes: Sequence[Outcome]) -> None:
        """Take the end of a folder of videos."""

    def _check(self) -> None:
        if self.stopping:
            raise Stopped
