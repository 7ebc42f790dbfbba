"""Tracks: faces followed from frame to frame."""

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from .detection import Face
from .squares import FaceSquare, face_square

__all__ = ['FaceFollower', 'Track', 'box_iou', 'follow_faces', 'track_faces']

# How far a face may be from where its motion predicts it, in sides of its square: after one frame, for each further
# frame, and at most. Two people cheek to cheek are about half a side apart.
REACH, REACH_PER_FRAME, LONGEST_REACH = 0.4, 0.05, 0.8
# What a ratio of sizes of e counts, in sides.
SIZE_WEIGHT = 0.5
# Faces that are closer, in sides, may hide each other: where one is found is then drawn towards the other.
OVERLAP = 0.5
# The prediction is a line through about so many of the last places.
MEMORY = 3
_FAR = 1e6


@dataclass
class Track:
    """A face through consecutive frames.

    Attributes:
        first (int): Number of its first frame.
        faces (list[Face | None]): Its face in each frame, None in short gaps.
    """

    first: int
    faces: list[Face | None] = field(default_factory=list)

    @property
    def landmarks(self) -> dict[int, np.ndarray | None]:
        """Landmarks by frame number: (5, 2), or None in gaps."""
        return {self.first + index: face.landmarks if face else None for index, face in enumerate(self.faces)}


def track_faces(frames: Sequence[Sequence[Face]], cuts: Iterable[int], max_gap: int) -> list[Track]:
    """Follow all faces from frame to frame, see `follow_faces`.

    Args:
        frames (Sequence[Sequence[Face]]): The faces of each frame.
        cuts (Iterable[int]): Numbers of the first frames of new shots, where every track ends.
        max_gap (int): Number of frames for which a face may be missing.

    Returns:
        list[Track]: In the order of their first frames. Each begins and ends with a face.
    """
    squares = ([face_square(face.landmarks) for face in faces] for faces in frames)
    tracks = []
    for places in follow_faces(squares, cuts, max_gap):
        found = {number: frames[number][index] for number, index in places}
        tracks.append(Track(min(found), [found.get(number) for number in range(min(found), max(found) + 1)]))
    return tracks


def follow_faces(
    frames: Iterable[Sequence[FaceSquare]], cuts: Iterable[int], max_gap: int, start_score: float = 0
) -> list[list[tuple[int, int]]]:
    """Follow all faces from frame to frame, see `FaceFollower`.

    Args:
        frames (Iterable[Sequence[FaceSquare]]): The faces of each frame, read once.
        cuts (Iterable[int]): Numbers of the first frames of new shots, where every track ends.
        max_gap, start_score: As of `FaceFollower`.

    Returns:
        list[list[tuple[int, int]]]: Tracks in the order of their first frames, each as (number of the frame, index of
        the face in it).
    """
    cuts, follower = set(cuts), FaceFollower(max_gap, start_score)
    tracks: dict[int, list[tuple[int, int]]] = {}
    for number, faces in enumerate(frames):
        for index, track in enumerate(follower.add(faces, number in cuts)):
            if track is not None:
                tracks.setdefault(track, []).append((number, index))
    return list(tracks.values())


class FaceFollower:
    """Follows all faces from frame to frame as they come, through gaps, crossings, entries and exits.

    Each track predicts where its face is, at constant speed; faces are assigned so that the sum of distances from the
    predictions is least (the Hungarian method). Distances are in sides of the face's square, whatever its size in
    pixels, so that two faces that cross, even with one of them hidden for some frames, keep their tracks. While two
    overlap, each keeps the speed that it had before.

    Args:
        max_gap (int): Number of frames for which a face may be missing.
        start_score (float): A face of a lower score continues a track, but begins none.
    """

    def __init__(self, max_gap: int, start_score: float = 0):
        self._max_gap, self._start_score = max_gap, start_score
        self._open: list[_Motion] = []
        self._frames = self._tracks = 0

    def add(self, faces: Sequence[FaceSquare], is_cut: bool = False) -> list[int | None]:
        """Take the faces of the next frame.

        Args:
            faces (Sequence[FaceSquare]): The faces.
            is_cut (bool): Whether a new shot begins, where every track ends.

        Returns:
            list[int | None]: The track of each face, numbered from 0 in the order of their first frames; None for a
            face that begins none.
        """
        number = self._frames
        self._frames += 1
        oldest = number - self._max_gap - 1
        self._open = [motion for motion in self._open if not is_cut and motion.number >= oldest]
        matches = _match(self._open, faces, number)
        tracks: list[int | None] = []
        for index, face in enumerate(faces):
            motion = matches.get(index)
            if motion is not None:
                motion.update(number, face, keeps_speed=_overlaps(faces, index))
            elif face.score >= self._start_score:
                motion = _Motion(self._tracks, number, face)
                self._tracks += 1
                self._open.append(motion)
            tracks.append(None if motion is None else motion.track)
        return tracks


def box_iou(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two boxes (4,) left, top, right, bottom."""
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    shared = np.prod(np.maximum(sides, 0))
    both = np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2]) - shared
    return float(shared / both) if both > 0 else 0.0


class _Motion:
    """Place and velocity of a face: a line through its last places, updated by a g-h filter of expanding memory.

    Attributes:
        track (int): Number of the track.
        number (int): Number of the last frame with the face.
    """

    def __init__(self, track: int, number: int, face: FaceSquare):
        self.track, self.number = track, number
        self._x, self._y, self._size = face.x, face.y, face.size
        self._speed_x = self._speed_y = 0.0
        self._count = 1

    def distance(self, number: int, face: FaceSquare) -> float:
        """How far a face in the frame of this number is from the prediction, in sides; `_FAR` beyond reach."""
        elapsed = number - self.number
        x, y = self._predict(elapsed)
        offset = math.hypot(face.x - x, face.y - y) / max(face.size, self._size)
        distance = offset + SIZE_WEIGHT * abs(math.log(face.size / self._size))
        return distance if distance <= min(REACH + REACH_PER_FRAME * (elapsed - 1), LONGEST_REACH) else _FAR

    def update(self, number: int, face: FaceSquare, keeps_speed: bool) -> None:
        """Take the face of the frame of this number."""
        elapsed = number - self.number
        x, y = self._predict(elapsed)
        self._count = min(self._count + 1, MEMORY)
        # Gains of the line of least squares through so many places.
        gain = (4 * self._count - 2) / (self._count * (self._count + 1))
        speed_gain = 6 / (self._count * (self._count + 1)) / elapsed
        self._x, self._y = x + gain * (face.x - x), y + gain * (face.y - y)
        if not keeps_speed:
            self._speed_x += speed_gain * (face.x - x)
            self._speed_y += speed_gain * (face.y - y)
        self._size += gain * (face.size - self._size)
        self.number = number

    def _predict(self, elapsed: int) -> tuple[float, float]:
        return self._x + elapsed * self._speed_x, self._y + elapsed * self._speed_y


def _overlaps(faces: Sequence[FaceSquare], index: int) -> bool:
    """Whether another face is so near that one may hide the other."""
    face = faces[index]
    return any(
        math.hypot(other.x - face.x, other.y - face.y) < OVERLAP * max(other.size, face.size)
        for place, other in enumerate(faces)
        if place != index
    )


def _match(tracks: Sequence[_Motion], faces: Collection[FaceSquare], number: int) -> dict[int, _Motion]:
    """Assign the faces of a frame to tracks: {index of a face: its track}."""
    if not tracks or not faces:
        return {}
    distances = np.array([[track.distance(number, face) for face in faces] for track in tracks])
    chosen = zip(*linear_sum_assignment(distances))
    return {int(index): tracks[track] for track, index in chosen if distances[track, index] < _FAR}
