"""Analysis of a video: which faces are in which of its frames, found as the frames stream by."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .crop_paths import CropPath, crop_paths
from .detection import DetectorChoice, FaceDetector
from .sharpness import FACE_WIDTH
from .squares import FaceSquare, face_square
from .tracks import follow_faces

__all__ = ['Analysis', 'FaceFinder', 'FaceTrack', 'VideoFacts', 'build_finder']

# Frames are shrunk to this for detection: two cores then search more than twenty a second, whatever their size, and
# find faces down to about a thirtieth of the frame's width.
DETECTION_SIDE = 512
# A face whose score falls, as it blurs or turns aside, is followed down to this fraction of what a new one needs.
FOLLOWED_SCORE = 0.5


@dataclass(frozen=True)
class VideoFacts:
    """What an analysis knows of its video.

    Attributes:
        name (str): Name of the file.
        width (int): Width of the frames in pixels, which are square here.
        height (int): Height of the frames in pixels.
        frames (int): Number of frames; 0 before they are counted.
        rate (float): Frames per second.
        bytes (int, optional): Size of the file.
        start (str, optional): Time from which it was read, in seconds, as a fraction.
        end (str, optional): Time up to which it was read.
        digest (str, optional): Digest that tells its contents from others of the same size.
    """

    name: str
    width: int
    height: int
    frames: int
    rate: float
    bytes: int | None = None
    start: str | None = None
    end: str | None = None
    digest: str | None = None


@dataclass(frozen=True)
class FaceTrack:
    """A face through the frames of one shot.

    Attributes:
        id (int): Its number, from 1, by which it is chosen.
        detections (dict[int, FaceSquare]): Where it was found, by frame number, ascending; one at least.
    """

    id: int
    detections: dict[int, FaceSquare]

    @property
    def first(self) -> int:
        """Number of the first frame where it was found."""
        return next(iter(self.detections))

    @property
    def last(self) -> int:
        """Number of the last frame where it was found."""
        return next(reversed(self.detections))

    @property
    def width(self) -> float:
        """Median width of the face in pixels."""
        return FACE_WIDTH * float(np.median([square.size for square in self.detections.values()]))


@dataclass(frozen=True)
class Analysis:
    """The faces of a video.

    Attributes:
        video (VideoFacts): The video.
        detector (str): Name of the detector.
        detect_every (int): Faces were detected in every so-manieth frame.
        max_fill (int): Gaps of a track of at most so many frames are filled, or as many as one search missed makes; in
            longer ones the face is not in view.
        cuts (list[int]): Numbers of the first frames of the second and later shots.
        tracks (list[FaceTrack]): The faces, in the order of their first frames.
    """

    video: VideoFacts
    detector: str
    detect_every: int
    max_fill: int
    cuts: list[int]
    tracks: list[FaceTrack]

    @cached_property
    def paths(self) -> dict[int, list[CropPath]]:
        """Paths of crops by a track's number, see `crop_paths`."""
        max_fill = max(self.max_fill, 2 * self.detect_every - 1)
        return {track.id: crop_paths(track.detections, *self.span(track), max_fill) for track in self.tracks}

    def path_at(self, track: FaceTrack, number: int) -> CropPath:
        """The path of a track's crops through a frame in which it is in view."""
        return next(path for path in self.paths[track.id] if path.first <= number <= path.last)

    def counts(self, tracks: Iterable[FaceTrack]) -> np.ndarray:
        """Number of faces of some tracks in view in each frame, (frames,)."""
        counts = np.zeros(self.video.frames, int)
        for track in tracks:
            for path in self.paths[track.id]:
                counts[path.first : path.last + 1] += 1
        return counts

    def span(self, track: FaceTrack) -> tuple[int, int]:
        """First and last frame of a track: a shot that begins between two searched frames has it from its beginning."""
        edges = [0, *self.cuts, self.video.frames]
        shot = bisect_right(edges, track.first)
        start, end = edges[shot - 1], edges[shot] - 1
        return (
            start if track.first - start < self.detect_every else track.first,
            end if end - track.last < self.detect_every else track.last,
        )


class FaceFinder:
    """Finds faces in frames as they come, and keeps some numbers of each, never a frame.

    Args:
        detector (FaceDetector): The detector.
        detect_every (int): Faces are detected in the first frame, and in every so-manieth after it.
        start_score (float): A face of a lower score continues a track, but begins none.
    """

    def __init__(self, detector: FaceDetector, detect_every: int = 1, start_score: float = 0):
        self._detector, self._detect_every, self._start_score = detector, detect_every, start_score
        self._squares: list[Sequence[FaceSquare]] = []

    def add(self, frame: np.ndarray) -> int:
        """Look at the next frame (H, W, 3) uint8 RGB; number of faces in the last frame that was searched."""
        searched = len(self._squares) % self._detect_every == 0
        self._squares.append(self._find(frame) if searched else ())
        return len(self._squares[(len(self._squares) - 1) // self._detect_every * self._detect_every])

    def tracks(self, cuts: Iterable[int], max_gap: int) -> list[FaceTrack]:
        """Follow the faces through the frames so far.

        Args:
            cuts (Iterable[int]): Numbers of the first frames of the second and later shots.
            max_gap (int): Number of frames for which a face may be missing and still be the same.

        Returns:
            list[FaceTrack]: In the order of their first frames, the largest first; numbered from 1.
        """
        # One search may miss the face, however far apart they are.
        max_gap = max(max_gap, 2 * self._detect_every - 1)
        found = follow_faces(self._squares, cuts, max_gap, self._start_score)
        return [
            FaceTrack(number, {frame: self._squares[frame][index] for frame, index in places})
            for number, places in enumerate(found, 1)
        ]

    def _find(self, frame: np.ndarray) -> list[FaceSquare]:
        squares = []
        for face in self._detector.detect(frame):
            try:
                squares.append(face_square(face.landmarks, face.score))
            except ValueError:  # landmarks that coincide
                continue
        return squares


def build_finder(choice: DetectorChoice, detect_every: int = 1) -> FaceFinder:
    """Build the detector and the finder for whole videos.

    Args:
        choice (DetectorChoice): The detector.
        detect_every (int): See `FaceFinder`.
    """
    detector = choice.build(DETECTION_SIDE)
    start_score = detector.min_score
    detector.min_score = FOLLOWED_SCORE * start_score
    return FaceFinder(detector, detect_every, start_score)
