"""Restoration of all videos of a folder: one that fails does not stop the others."""

from collections.abc import Iterator
from pathlib import Path

from ..errors import UserError, printable, require
from ..files import is_hidden
from ..video.codecs import VIDEO_SUFFIXES, is_video_file
from ..video.encoding import CODECS, SUFFIXES
from .io.sources import refuse_rate
from .jobs import job_folder
from .reports import Outcome, Report
from .whole_video import Restorer

__all__ = ['restore_folder']

# It holds all codecs.
FALLBACK_SUFFIX = '.mkv'


def restore_folder(restorer: Restorer, source: Path, target: Path, resume: bool, report: Report) -> None:
    """Restore videos below a folder into another one, each at the same place under the same name.

    Names keep their suffix where files of that kind can be written, and end in .mkv else.

    Args:
        restorer (Restorer): Restores them.
        source (Path): The folder.
        target (Path): The folder to write to; it is made if needed.
        resume (bool): Skip what is there already, and continue what an earlier run has begun.
        report (Report): Takes what is to be reported.

    Raises:
        UserError: There is no video; or, at the end, videos have failed, which the message names.
    """
    require(not target.is_file(), f'{target} is a file: a folder of videos needs a folder to write to')
    require(target.resolve() != source.resolve(), f'{target} is the input itself: choose another output')
    refuse_rate('each video of ' + str(source), restorer.settings)
    require(restorer.settings.analysis is None, 'an analysis is of one video, not of a folder of them')
    outcomes = []
    for video, output in _targets(source, target, restorer.settings.codec):
        if resume and output.exists() and not job_folder(output).exists():
            outcomes.append(Outcome(str(video), str(output), skipped=True))
            report.end(outcomes[-1])
            continue
        try:
            outcomes.append(restorer.restore_video(video, output, resume, report))
        except Exception as error:  # whatever is wrong with one video, the others continue
            reason = str(error) if isinstance(error, UserError) else f'{type(error).__name__}: {error}'
            outcomes.append(Outcome(str(video), str(output), error=reason.splitlines()[0]))
            report.warn(outcomes[-1], reason if printable(str(video)) in reason else f'{video}: {reason}')
    report.finish(outcomes)
    failed = [outcome.source for outcome in outcomes if outcome.error is not None]
    require(not failed, f'{len(failed)} of {len(outcomes)} videos failed: {", ".join(failed)}')


def _videos_below(source: Path, target: Path) -> list[Path]:
    """List the videos below a folder, in order, without hidden ones and without those below the folder to write to.

    Raises:
        UserError: There is none.
    """
    paths = (path for path in source.rglob('*') if is_video_file(path.name) and path.is_file())
    inside = target.resolve()
    videos = sorted(
        path
        for path in paths
        if not any(map(is_hidden, path.relative_to(source).parts)) and inside not in path.resolve().parents
    )
    require(bool(videos), f'{source} holds no video ({", ".join(VIDEO_SUFFIXES)}) and no frames')
    return videos


def _targets(source: Path, target: Path, codec: str | None) -> Iterator[tuple[Path, Path]]:
    """Pair each video with the file to write; no two are the same."""
    fitting = SUFFIXES if codec is None or codec not in CODECS else CODECS[codec].suffixes
    taken: set[Path] = set()
    for video in _videos_below(source, target):
        output = target / video.relative_to(source)
        if output.suffix.lower() not in fitting:
            output = output.with_suffix(FALLBACK_SUFFIX)
        if output in taken:
            output = target / f'{video.relative_to(source)}{FALLBACK_SUFFIX}'
        taken.add(output)
        yield video, output
