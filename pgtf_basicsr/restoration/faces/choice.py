"""Which faces of a video are restored."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import numpy as np

from ...faces.analysis import Analysis, FaceTrack
from ...faces.crop_paths import CropPath
from ...faces.sampling import sample_crop
from ...faces.selection import select_faces
from ...faces.sharpness import blur
from ...faces.sheet import shown_frames
from ...video.frame import Frame
from ..io.sources import open_source
from ..settings import AUTO, Settings
from .analysis import square_images

__all__ = ['FaceChoice', 'Shown', 'choose_faces', 'is_one_face', 'read_shown_frames', 'shown_images']

# Number and image of a frame.
Shown: TypeAlias = tuple[int, np.ndarray]

# A video is that of one face if its square takes this much of the short side, and the frame is no longer than this.
LARGE, LONGEST = 0.6, 4 / 3
# Frames whose sides differ by less are square.
SQUARE = 1.02
# Side of the crops in which blur is measured.
MEASURED_SIZE = 512


@dataclass(frozen=True)
class FaceChoice:
    """Faces of a video to restore.

    Attributes:
        analysis (Analysis): All faces of the video.
        tracks (Sequence[FaceTrack]): Those that are restored.
        left_alone (Sequence[str]): Which others were asked for, and why they are not restored, a phrase each.
        begin (int): Number of the first frame of the part of the video that is restored.
        frames (int, optional): Number of its frames. Default: up to the end.
    """

    analysis: Analysis
    tracks: Sequence[FaceTrack]
    left_alone: Sequence[str] = ()
    begin: int = 0
    frames: int | None = None

    def part(self, begin: int, frames: int) -> 'FaceChoice':
        """Take the part of so many frames from a number on, which is then 0."""
        return replace(self, begin=self.begin + begin, frames=frames)

    @cached_property
    def paths(self) -> list[CropPath]:
        """Paths of their crops in the part."""
        whole = (path for track in self.tracks for path in self.analysis.paths[track.id])
        return [path for path in (self._cut(path) for path in whole) if len(path)]

    @cached_property
    def counts(self) -> np.ndarray:
        """Number of them in view in each frame of the part, (frames,)."""
        counts = self.analysis.counts(self.tracks)[self.begin :]
        return counts[: self.frames]

    @property
    def digest(self) -> str:
        """SHA-256 of what places their crops."""
        digest = hashlib.sha256()
        for path in self.paths:
            places = np.column_stack([path.centres, path.sizes, path.angles])
            digest.update(repr((path.first, places.round(3).tolist())).encode())
        return digest.hexdigest()

    @property
    def summary(self) -> Sequence[str]:
        """What is restored in the part, a phrase each."""
        if not self.tracks:
            return self.left_alone or ('none was found',)
        frames = len(self.counts)
        shown = sum(any(len(self._cut(path)) for path in self.analysis.paths[track.id]) for track in self.tracks)
        restored = f'{shown} {"face" if shown == 1 else "faces"} in {np.count_nonzero(self.counts)} of {frames} frames'
        return [f'{restored} restored', *self.left_alone]

    @property
    def largest(self) -> int | None:
        """Number of the frame of the part with the largest face; None if no face is in view."""
        found = [(size, number) for path in self.paths for number, size in enumerate(path.sizes, path.first)]
        return max(found)[1] if found else None

    def _cut(self, path: CropPath) -> CropPath:
        """The part of a path, numbered as frames of the part are."""
        first = max(path.first, self.begin)
        end = path.last + 1 if self.frames is None else min(path.last + 1, self.begin + self.frames)
        inside = slice(first - path.first, max(end - path.first, 0))
        return CropPath(first - self.begin, path.centres[inside], path.sizes[inside], path.angles[inside])


def choose_faces(
    analysis: Analysis, settings: Settings, read_shown: Callable[[], Iterable[Shown]], warn: Callable[[str], object]
) -> FaceChoice | None:
    """Choose the faces to restore. Each is judged as a whole: one that is restored in some frames alone flickers.

    Args:
        analysis (Analysis): The faces of the video.
        settings (Settings): The selection, and limits of size and blur.
        read_shown (Callable): Reads frames where faces are seen best, see `shown_images`.
        warn (Callable): Takes a line that says what is done.

    Returns:
        FaceChoice | None: None to restore frames as a whole.

    Raises:
        UserError: The video has no such face.
    """
    name = analysis.video.name
    if settings.faces == AUTO and is_one_face(analysis):
        warn(f'{name} is a video of one face: its frames are restored as a whole, as by --faces crop')
        return None
    if not analysis.tracks:
        warn(f'no face was found in {name}: its frames are kept as they are')
    tracks = select_faces(analysis, 'all' if settings.faces == AUTO else settings.faces)
    left_alone = []
    large = [track for track in tracks if track.width >= settings.min_face]
    if len(large) < len(tracks):
        left_alone.append(f'{len(tracks) - len(large)} left alone (smaller than {settings.min_face:g} pixels)')
    blurred = large
    if settings.min_blur and large:
        blurs = _blurs(analysis, read_shown())
        blurred = [track for track in large if blurs[track.id] >= settings.min_blur]
    if len(blurred) < len(large):
        left_alone.append(f'{len(large) - len(blurred)} left alone (blur below {settings.min_blur:g}: sharp already)')
    return FaceChoice(analysis, blurred, left_alone)


def is_one_face(analysis: Analysis) -> bool:
    """Whether a video is cropped to one face: it is large and alone in most frames; or none is found in a square."""
    video = analysis.video
    short, long = sorted((video.width, video.height))
    if not analysis.tracks:
        return long <= SQUARE * short
    sizes = np.zeros(video.frames)
    for paths in analysis.paths.values():
        for path in paths:
            sizes[path.first : path.last + 1] = path.sizes
    alone = (analysis.counts(analysis.tracks) == 1) & (sizes >= LARGE * short)
    return bool(long <= LONGEST * short and 2 * alone.sum() > video.frames)


def shown_images(frames: Iterable[Frame], analysis: Analysis) -> Iterator[Shown]:
    """Take the frames of a video where its faces are seen best, see `faces.sheet.shown_frames`.

    Yields:
        tuple[int, ndarray]: Number and image (H, W, 3) uint8 RGB of square pixels.
    """
    shown = shown_frames(analysis)
    numbered = zip(range(max(shown, default=-1) + 1), frames)
    yield from zip(shown, square_images((frame for number, frame in numbered if number in shown), analysis.video))


def read_shown_frames(path: str | Path, analysis: Analysis, settings: Settings) -> Iterator[Shown]:
    """Read these from a video."""
    with open_source(path, settings, lambda damage: None) as source:
        yield from shown_images(source, analysis)


def _blurs(analysis: Analysis, images: Iterable[Shown]) -> dict[int, float]:
    """Blur of each face where it is seen best, by its number."""
    shown, blurs = shown_frames(analysis), {}
    for number, image in images:
        for track in shown[number]:
            matrix = analysis.path_at(track, number).matrix(number, MEASURED_SIZE)
            blurs[track.id] = blur(sample_crop(image, matrix, MEASURED_SIZE))
    return blurs
