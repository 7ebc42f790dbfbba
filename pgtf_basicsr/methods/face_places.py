"""Where faces are in the frames of a stream: found in each frame, followed through shots, smoothed over time."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice

import numpy as np
from torch import Tensor

from ..faces.detection import Face, FaceDetector
from ..faces.smoothing import smooth
from ..faces.squares import FaceSquare, face_square
from ..faces.tracks import FaceFollower
from ..images import to_image
from ..video.shots import ShotDetector

__all__ = ['LONGEST_GAP', 'FacesOfFrame', 'find_faces', 'follow_faces', 'smooth_faces']

# Number of frames for which a face may be missing and still be the same. Smoothing fills such gaps.
LONGEST_GAP = 8
# Frames to each side that a smoothed landmark depends on: three times the width of the stiffest curve.
REACH = 36
# How far smoothed landmarks may lie off the average of those that were found, in sides of the face's square.
TOLERANCE = 0.005
# Frames that must be known after a cut before it is found.
CUT_DELAY = 2
# Faces with eyes closer than this many pixels are left as they are, as in the programs of CodeFormer and GFPGAN.
MIN_EYE_DISTANCE = 5.0


@dataclass(frozen=True)
class FacesOfFrame:
    """A frame and its faces.

    Attributes:
        frame (Tensor): (3, H, W) float RGB in [0, 1].
        landmarks (Mapping[int, ndarray]): (5, 2) in pixels of the frame, by the number of the face.
    """

    frame: Tensor
    landmarks: Mapping[int, np.ndarray]


def find_faces(frames: Iterable[Tensor], detector: FaceDetector) -> Iterator[FacesOfFrame]:
    """Find the faces of each frame by itself. Only for methods that restore frame by frame numbers need not mean more:
    here they are those of the largest face, of the second, and so on, as long as there is one.

    Args:
        frames (Iterable[Tensor]): (3, H, W) float RGB in [0, 1].
        detector (FaceDetector): Finds landmarks.

    Yields:
        FacesOfFrame: One for each frame.
    """
    new, numbers = count(), list[int]()
    for frame in frames:
        faces, _ = _detect(to_image(frame), detector)
        numbers = [*numbers[: len(faces)], *islice(new, max(len(faces) - len(numbers), 0))]
        yield FacesOfFrame(frame, {number: face.landmarks for number, face in zip(numbers, faces)})


def follow_faces(frames: Iterable[Tensor], detector: FaceDetector) -> Iterator[FacesOfFrame]:
    """Find the faces of each frame and follow them: a face keeps its number, up to a cut or a longer absence.

    Args:
        frames (Iterable[Tensor]): (3, H, W) float RGB in [0, 1].
        detector (FaceDetector): Finds landmarks.

    Yields:
        FacesOfFrame: One for each frame, a few frames late, because that is when cuts are known.
    """
    shots, follower = ShotDetector(), FaceFollower(LONGEST_GAP)
    waiting: deque[tuple[int, Tensor, list[Face], list[FaceSquare]]] = deque()

    def followed() -> FacesOfFrame:
        number, frame, faces, squares = waiting.popleft()
        tracks = follower.add(squares, number in shots.cuts)
        landmarks = {track: face.landmarks for track, face in zip(tracks, faces) if track is not None}
        return FacesOfFrame(frame, landmarks)

    for number, frame in enumerate(frames):
        image = to_image(frame)
        shots.add(image)
        waiting.append((number, frame, *_detect(image, detector)))
        if len(waiting) > CUT_DELAY:
            yield followed()
    shots.finish()
    while waiting:
        yield followed()


def smooth_faces(followed: Iterable[FacesOfFrame]) -> Iterator[FacesOfFrame]:
    """Smooth the landmarks of each face over time, and fill short gaps.

    Args:
        followed (Iterable[FacesOfFrame]): What `follow_faces` yields: no face has the same number after a cut.

    Yields:
        FacesOfFrame: One for each frame, `REACH` frames late.
    """
    known: deque[FacesOfFrame] = deque(maxlen=2 * REACH + 1)
    waiting = 0
    for faces in followed:
        known.append(faces)
        waiting += 1
        if waiting > REACH:
            yield _smoothed(known, len(known) - 1 - REACH)
            waiting -= 1
    for left in range(waiting, 0, -1):
        # Frames that are out of reach of those that are left.
        while len(known) - left > REACH:
            known.popleft()
        yield _smoothed(known, len(known) - left)


def _detect(image: np.ndarray, detector: FaceDetector) -> tuple[list[Face], list[FaceSquare]]:
    """Find the faces of an image (H, W, 3) uint8 that can be aligned, and their squares."""
    faces, squares = [], []
    for face in detector.detect(image):
        try:
            square = face_square(face.landmarks, face.score)
        except ValueError:  # landmarks that coincide
            continue
        if np.linalg.norm(face.landmarks[1] - face.landmarks[0]) >= MIN_EYE_DISTANCE:
            faces.append(face)
            squares.append(square)
    return faces, squares


def _smoothed(known: Sequence[FacesOfFrame], index: int) -> FacesOfFrame:
    """Smooth the landmarks of one of some consecutive frames."""
    landmarks = {}
    for track in dict.fromkeys(track for faces in known for track in faces.landmarks):
        found = [number for number, faces in enumerate(known) if track in faces.landmarks]
        before = max((number for number in found if number <= index), default=None)
        after = min((number for number in found if number >= index), default=None)
        if before is not None and after is not None and after - before <= LONGEST_GAP + 1:
            landmarks[track] = _curve_at(known, track, found, index)
    return FacesOfFrame(known[index].frame, landmarks)


def _curve_at(known: Sequence[FacesOfFrame], track: int, found: Sequence[int], index: int) -> np.ndarray:
    """Landmarks (5, 2) of a face on the curve through those that were found."""
    first, last = found[0], found[-1]
    points = np.full((last - first + 1, 5, 2), np.nan)
    points[np.subtract(found, first)] = landmarks = [known[number].landmarks[track] for number in found]
    tolerance = TOLERANCE * float(np.median([face_square(five).size for five in landmarks]))
    columns = points.reshape(len(points), 10).T
    return np.array([smooth(column, tolerance)[index - first] for column in columns]).reshape(5, 2)
