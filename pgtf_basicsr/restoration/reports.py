"""What a restoration reports while it works: to people on standard error, or to other programs as lines of JSON."""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from basicsr.utils import get_root_logger
from tqdm import tqdm

from ..errors import printable

__all__ = ['JsonReport', 'Outcome', 'Report', 'TextReport']

# Seconds between two lines of progress in JSON.
JSON_INTERVAL = 1


@dataclass
class Outcome:
    """What came of a video.

    Attributes:
        source (str): The input.
        target (str): The output.
        frames (int): Frames of the output.
        resumed (int): Those of them that an earlier run had finished.
        seconds (float): Time that it took.
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
    kept: Sequence[str] = ()
    dropped: Sequence[str] = ()
    changed: Sequence[str] = ()
    error: str | None = None
    skipped: bool = False


class Report(Protocol):
    """Takes what is to be reported of one video after the other."""

    def begin(self, outcome: Outcome, total: int | None) -> None:
        """Begin a video of so many frames; None if that is not known."""

    def warn(self, outcome: Outcome, message: str) -> None:
        """Take what a user should know of a video, which may not have begun."""

    def advance(self, outcome: Outcome) -> None:
        """Note that one more frame is restored."""

    def end(self, outcome: Outcome) -> None:
        """End a video that is restored, has failed, or is skipped."""

    def finish(self, outcomes: Sequence[Outcome]) -> None:
        """End a folder of videos."""


class TextReport:
    """For people: a progress bar, and lines on standard error; a table of several videos on standard output."""

    def __init__(self) -> None:
        self._bar: Any = None

    def begin(self, outcome: Outcome, total: int | None) -> None:
        self._bar = tqdm(desc=printable(Path(outcome.target).name), total=total, initial=outcome.resumed, unit='frame')

    def warn(self, outcome: Outcome, message: str) -> None:
        with tqdm.external_write_mode(sys.stderr):
            get_root_logger().warning(printable(message))

    def advance(self, outcome: Outcome) -> None:
        self._bar.update()

    def end(self, outcome: Outcome) -> None:
        if self._bar is not None:
            self._bar.close()
        if outcome.error is None and not outcome.skipped:
            lines = [f'{outcome.target}: {outcome.frames} frames']
            for name in ('kept', 'dropped', 'changed'):
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


class JsonReport:
    """For programs: an object a line on standard output, each with its `event`; see docs/videos.md."""

    def __init__(self) -> None:
        self._reported = 0.0

    def begin(self, outcome: Outcome, total: int | None) -> None:
        self._say('start', input=outcome.source, output=outcome.target, frames=total, resumed=outcome.resumed)

    def warn(self, outcome: Outcome, message: str) -> None:
        self._say('warning', input=outcome.source, message=message)

    def advance(self, outcome: Outcome) -> None:
        now = time.monotonic()
        if now - self._reported >= JSON_INTERVAL:
            self._reported = now
            self._say('progress', input=outcome.source, frames=outcome.frames, seconds=round(outcome.seconds, 3))

    def end(self, outcome: Outcome) -> None:
        values = asdict(outcome)
        self._say('end', input=values.pop('source'), output=values.pop('target'), **values)

    def finish(self, outcomes: Sequence[Outcome]) -> None:
        failed = [outcome.source for outcome in outcomes if outcome.error is not None]
        self._say('summary', videos=len(outcomes), failed=failed)

    def _say(self, event: str, **values: Any) -> None:
        sys.stdout.write(json.dumps({'event': event, **values}) + '\n')
        sys.stdout.flush()
