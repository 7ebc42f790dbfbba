"""What the page has done to a video: its faces found, some seconds of it tried, all of it restored."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from ..devices import memory_advice
from ..faces.analysis import Analysis
from ..faces.sheet import face_tiles, time_span
from ..images import read_image
from ..restoration.faces.analysis import ANALYSIS_SUFFIX, file_beside
from ..restoration.faces.choice import is_one_face, read_shown_frames
from ..restoration.preview import comparison_path
from ..restoration.whole_video import Restorer
from ..video.encoding import SUFFIXES
from .progress import PageReport

__all__ = ['PREVIEW_SECONDS', 'Choice', 'Face', 'Faces', 'Preview', 'Result', 'find_faces', 'make_preview', 'restore']

PREVIEW_SECONDS = 5
# Faces to choose from: the ones longest in view, where there are more.
MAX_FACES = 60
LESS_MEMORY = 'a smaller --size, or --precision bf16 or fp16'


class Face(NamedTuple):
    """A face of a video.

    Attributes:
        number (int): Its number.
        label (str): Its number and when it is in view.
        image (ndarray): What it looks like, (H, W, 3) uint8 RGB.
    """

    number: int
    label: str
    image: np.ndarray


class Faces(NamedTuple):
    """The faces of a video.

    Attributes:
        faces (list[Face]): Those to choose from.
        is_one_face (bool): Whether the video is cropped to one face.
        summary (str): What was found, a sentence.
        notes (list[str]): What else there is to say, a sentence each.
    """

    faces: Sequence[Face]
    is_one_face: bool
    summary: str
    notes: Sequence[str]


@dataclass(frozen=True)
class Choice:
    """What the user has chosen, as of `Settings`."""

    faces: str
    fidelity: float
    strength: float
    stride: int


class Result(NamedTuple):
    """A restored video.

    Attributes:
        video (Path): The video.
        summary (str): What was done, a sentence.
        notes (list[str]): What is kept of the input and what is not, and what else there is to say, a phrase each.
    """

    video: Path
    summary: str
    notes: Sequence[str]


class Preview(NamedTuple):
    """Some seconds of a video, restored.

    Attributes:
        result (Result): They.
        before (ndarray): A frame of the input (H, W, 3) uint8 RGB.
        after (ndarray): The same frame, restored.
    """

    result: Result
    before: np.ndarray
    after: np.ndarray


def find_faces(restorer: Restorer, video: Path, report: PageReport) -> Faces:
    """Find the faces of a video, which are kept beside it for what follows.

    Raises:
        UserError: The video cannot be read.
    """
    analysis = restorer.with_settings(analysis=_analysis_of(video)).analyse(video, report)
    longest = sorted(analysis.tracks, key=lambda track: -len(track.detections))[:MAX_FACES]
    shown = replace(analysis, tracks=sorted(longest, key=lambda track: track.id))
    images = face_tiles(shown, read_shown_frames(video, shown, restorer.settings))
    faces = [
        Face(track.id, f'Face {track.id}\n{time_span(shown, track)}', images[track.id])
        for track in shown.tracks
        if track.id in images
    ]
    return Faces(faces, is_one_face(analysis), _summary(video.name, analysis), list(_notes(analysis, len(faces))))


def make_preview(restorer: Restorer, video: Path, folder: Path, choice: Choice, report: PageReport) -> Preview:
    """Restore some seconds of a video, from where a face is in view.

    Raises:
        UserError: As of `restore`.
    """
    restorer = restorer.with_settings(preview=Fraction(PREVIEW_SECONDS))
    result = _restore(restorer, video, folder / f'{video.stem}_preview{_suffix(video)}', choice, report)
    before, after = np.hsplit(read_image(comparison_path(result.video)), 2)
    return Preview(result, before, after)


def restore(restorer: Restorer, video: Path, folder: Path, choice: Choice, report: PageReport) -> Result:
    """Restore a video.

    Raises:
        UserError: It cannot be read or written, or a setting does not fit.
    """
    return _restore(restorer, video, folder / f'{video.stem}_restored{_suffix(video)}', choice, report)


def _restore(restorer: Restorer, video: Path, target: Path, choice: Choice, report: PageReport) -> Result:
    analysis = _analysis_of(video)
    with memory_advice(LESS_MEMORY):
        outcome = restorer.with_settings(analysis=analysis, **asdict(choice)).restore_video(
            video, target, report=report
        )
    # That the faces are those that were found before goes without saying.
    warnings = [warning for warning in report.warnings if str(analysis) not in warning]
    notes = [*outcome.faces, *(f'kept: {what}' for what in outcome.kept), *warnings]
    return Result(target, f'{outcome.frames} frames restored in {outcome.seconds:.0f} seconds.', notes)


def _summary(name: str, analysis: Analysis) -> str:
    facts, number = analysis.video, len(analysis.tracks)
    faces = {0: 'No face', 1: 'One face'}.get(number, f'{number} faces')
    length = tqdm.format_interval(facts.frames / facts.rate)
    return f'{faces} in {name}: {facts.width}×{facts.height} pixels, {length}.'


def _notes(analysis: Analysis, shown: int) -> Iterator[str]:
    if is_one_face(analysis):
        yield 'The video seems to be cropped to one face, so its frames are restored as a whole.'
    elif not analysis.tracks:
        yield 'A video that is nothing but one face can be restored as a whole.'
    if shown < len(analysis.tracks):
        yield f'{shown} are shown, those longest in view. The others are restored if you choose all of these.'


def _analysis_of(video: Path) -> Path:
    return file_beside(video, ANALYSIS_SUFFIX)


def _suffix(video: Path) -> str:
    """That of the output: the input's, if such files can be written."""
    return video.suffix.lower() if video.suffix.lower() in SUFFIXES else '.mp4'
