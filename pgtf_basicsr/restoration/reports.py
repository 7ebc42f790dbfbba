"""What a restoration reports while it works: to people on standard error, or to other programs as lines of JSON."""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Protocol

from basicsr.utils import get_root_logger
from tqdm import tqdm

from ..errors import printable

__all__ = ['ANALYSIS', 'RESTORATION', 'JsonReport', 'Outcome', 'Progress', 'Report', 'TextReport', 'VideoReport']

# Seconds between two lines of progress in JSON.
JSON_INTERVAL = 1
# The two passes over a video: faces are found, and restored.
ANALYSIS, RESTORATION = 'analysis', 'restoration'


@dataclass
class Outcome:
    """What came of a video.

    Attributes:
        source (str): The input.
        target (str): The output.
        frames (int): Frames of the output.
        resumed (int): Those of them that an earlier run had finished.
        seconds (float): Time that restoring took.
        faces (list[str]): Which faces are restored and which are not, a phrase each.
        kept (list[str]): What is kept of the input beside the frames, a phrase each.
        dropped (list[str]): What is not, a sentence each.
        changed (list[str]): What is changed, a sentence each.
        error (str | None): Why there is no output.
        skipped (bool): Whether the output was there already.
    """

    source: str
    target: str
    frames: int = 0
    resumed: int = 0
    seconds: float = 0
    faces: Sequence[str] = ()
    kept: Sequence[str] = ()
    dropped: Sequence[str] = ()
    changed: Sequence[str] = ()
    error: str | None = None
    skipped: bool = False


class Progress(NamedTuple):
    """How far a pass over a video is.

    Attributes:
        step (str): `ANALYSIS` or `RESTORATION`.
        frames (int): Frames that are done, with those that an earlier run has done.
        seconds (float): Time that the pass took so far.
        faces (int | None): Faces in view in the last of them; None where none are looked for.
    """

    step: str
    frames: int
    seconds: float
    faces: int | None = None


class Report(Protocol):
    """Takes what is to be reported of one video after the other."""

    def begin(self, outcome: Outcome, step: str, total: int | None) -> None:
        """Begin a pass, `ANALYSIS` or `RESTORATION`, over so many frames; None if that is not known."""

    def warn(self, outcome: Outcome, message: str) -> None:
        """Take what a user should know of a video, which may not have begun."""

    def advance(self, outcome: Outcome, progress: Progress) -> None:
        """Note that one more frame is done."""

    def end(self, outcome: Outcome) -> None:
        """End a video that is restored, has failed, or is skipped."""

    def finish(self, outcomes: Sequence[Outcome]) -> None:
        """End a folder of videos."""


class VideoReport:
    """A report of one video, which ends with a ``with`` block; what is said twice in two passes is reported once.

    Args:
        report (Report): Takes what is reported.
        outcome (Outcome): What comes of the video; if the block raises, its error is noted.
    """

    def __init__(self, report: Report, outcome: Outcome):
        self.outcome = outcome
        self._report, self._said = report, set[str]()

    def __enter__(self) -> 'VideoReport':
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self.outcome.error = (str(error) or type(error).__name__).splitlines()[0]
        self._report.end(self.outcome)

    def begin(self, step: str, total: int | None) -> None:
        """Begin a pass, see `Report.begin`."""
        self._report.begin(self.outcome, step, total)

    def warn(self, message: str) -> None:
        """Take what a user should know."""
        if message not in self._said:
            self._said.add(message)
            self._report.warn(self.outcome, message)

    def advance(self, progress: Progress) -> None:
        """Note that one more frame is done."""
        self._report.advance(self.outcome, progress)


class TextReport:
    """For people: a progress bar, and lines on standard error; a table of several videos on standard output."""

    def __init__(self) -> None:
        self._bar: Any = None

    def begin(self, outcome: Outcome, step: str, total: int | None) -> None:
        self._close()
        name, done = Path(outcome.target).name, outcome.resumed
        if step == ANALYSIS:
            name, done = f'Faces of {Path(outcome.source).name}', 0
        self._bar = tqdm(desc=printable(name), total=total, initial=done, unit='frame')

    def warn(self, outcome: Outcome, message: str) -> None:
        with tqdm.external_write_mode(sys.stderr):
            get_root_logger().warning(printable(message))

    def advance(self, outcome: Outcome, progress: Progress) -> None:
        if progress.faces is not None:
            self._bar.set_postfix_str(f'{progress.faces} in view', refresh=False)
        self._bar.update()

    def end(self, outcome: Outcome) -> None:
        self._close()
        if outcome.error is None and outcome.frames and not outcome.skipped:
            lines = [f'{outcome.target}: {outcome.frames} frames']
            for name in ('faces', 'kept', 'dropped', 'changed'):
                lines += [f'    {name}: {what}' for what in getattr(outcome, name)]
            sys.stderr.write('\n'.join(map(printable, lines)) + '\n')

    def finish(self, outcomes: Sequence[Outcome]) -> None:
        width = max(len(printable(outcome.source)) for outcome in outcomes)
        lines = [f'{"video":{width}}  frames  seconds  result']
        for outcome in outcomes:
            result = outcome.target if outcome.error is None else f'failed: {outcome.error}'
            if outcome.skipped:
                result = f'{outcome.target}, which was there already'
            source = printable(outcome.source)
            lines.append(f'{source:{width}}  {outcome.frames:6}  {outcome.seconds:7.1f}  {printable(result)}')
        sys.stdout.write('\n'.join(lines) + '\n')

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()


class JsonReport:
    """For programs: an object a line on standard output, each with its `event`; see docs/videos.md."""

    def __init__(self) -> None:
        self._reported = 0.0

    def begin(self, outcome: Outcome, step: str, total: int | None) -> None:
        values = {'pass': step, 'output': outcome.target, 'frames': total, 'resumed': outcome.resumed}
        self._say('start', input=outcome.source, **values)

    def warn(self, outcome: Outcome, message: str) -> None:
        self._say('warning', input=outcome.source, message=message)

    def advance(self, outcome: Outcome, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._reported >= JSON_INTERVAL:
            self._reported = now
            values = {'pass': progress.step, 'frames': progress.frames, 'seconds': round(progress.seconds, 3)}
            self._say('progress', input=outcome.source, **values, faces=progress.faces)

    def end(self, outcome: Outcome) -> None:
        values = asdict(outcome)
        self._say('end', input=values.pop('source'), output=values.pop('target'), **values)

    def finish(self, outcomes: Sequence[Outcome]) -> None:
        failed = [outcome.source for outcome in outcomes if outcome.error is not None]
        self._say('summary', videos=len(outcomes), failed=failed)

    def list_faces(self, source: str, faces: Sequence[NamedTuple]) -> None:
        """Report the faces of a video, see `faces.listing.ListedFace`."""
        self._say('faces', input=source, faces=[face._asdict() for face in faces])

    def _say(self, event: str, **values: Any) -> None:
        sys.stdout.write(json.dumps({'event': event, **values}) + '\n')
        sys.stdout.flush()
