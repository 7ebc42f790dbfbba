"""Tracks: faces followed from frame to frame."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from .detection import Face

__all__ = ['Track', 'box_iou', 'track_faces']

# Intersection over union of two boxes of one face in consecutive frames, at least.
LEAST_IOU = 0.2


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

    @property
    def last_face(self) -> Face:
        """The face of the last frame that has one."""
        return next(face for face in reversed(self.faces) if face is not None)

    def frames_since(self, number: int) -> int:
        """Number of frames between the end of the track and the frame of this number."""
        return number - self.first - len(self.faces)

    def append(self, number: int, face: Face) -> None:
        """Append the face of the frame of this number; frames before it are a gap."""
        self.faces += [None] * self.frames_since(number) + [face]


def track_faces(frames: Iterable[Sequence[Face]], cuts: Iterable[int], max_gap: int) -> list[Track]:
    """Follow all faces from frame to frame, by the overlap of their boxes, those that overlap most first.

    Args:
        frames (Iterable[Sequence[Face]]): The faces of each frame.
        cuts (Iterable[int]): Numbers of the first frames of new shots, where every track ends.
        max_gap (int): Number of frames for which a face may be missing.

    Returns:
        list[Track]: In the order of their first frames. Each begins and ends with a face.
    """
    cuts = set(cuts)
    tracks: list[Track] = []
    open_tracks: list[Track] = []
    for number, faces in enumerate(frames):
        if number in cuts:
            open_tracks = []
        matches = _match(open_tracks, faces)
        for place, track in matches.items():
            track.append(number, faces[place])
        begun = [Track(number, [face]) for place, face in enumerate(faces) if place not in matches]
        tracks += begun
        open_tracks = [track for track in open_tracks if track.frames_since(number) < max_gap] + begun
    return tracks


def box_iou(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two boxes (4,) left, top, right, bottom."""
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    shared = np.prod(np.maximum(sides, 0))
    both = np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2]) - shared
    return float(shared / both) if both > 0 else 0.0


def _match(tracks: Sequence[Track], faces: Sequence[Face]) -> dict[int, Track]:
    """Assign faces to tracks greedily by overlap: {index of a face: its track}."""
    pairs = sorted(
        (
            (box_iou(face.box, track.last_face.box), index, place)
            for index, track in enumerate(tracks)
            for place, face in enumerate(faces)
        ),
        reverse=True,
    )
    matches: dict[int, Track] = {}
    taken: set[int] = set()
    for iou, index, place in pairs:
        if iou >= LEAST_IOU and index not in taken and place not in matches:
            taken.add(index)
            matches[place] = tracks[index]
    return matches
