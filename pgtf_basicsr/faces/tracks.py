"""Faces followed through a shot, and what is cut out around each."""

from dataclasses import dataclass, field

import numpy as np

from .alignment import FFHQ_SIZE, align_to_template

__all__ = ['Crop', 'Track', 'crops_of', 'follow_faces', 'overlap']

# Of two boxes of one face in consecutive frames.
LEAST_OVERLAP = 0.2
# A crop may be so much larger than what its face needs on average, to give the face room to move.
MOST_ROOM = 1.4


@dataclass
class Track:
    """A face through consecutive frames.

    Attributes:
        first (int): Number of its first frame.
        faces (list): A `Face` a frame, None in short gaps.
    """

    first: int
    faces: list = field(default_factory=list)

    @property
    def landmarks(self):
        """{frame number: (5, 2) or None}."""
        return {self.first + index: face and face.landmarks for index, face in enumerate(self.faces)}


@dataclass(frozen=True)
class Crop:
    """What is cut out of some frames of a video, the same for all of them: a square, less what is out of the picture.

    Attributes:
        first, last (int): Numbers of the frames.
        left, top, width, height (int): In pixels, the latter two even.
        landmarks (ndarray): (frames, 5, 2) in pixels of the crop.
    """

    first: int
    last: int
    left: int
    top: int
    width: int
    height: int
    landmarks: np.ndarray


def follow_faces(frames, cuts, max_gap):
    """Tracks of all faces.

    Args:
        frames (list): A list of `Face` a frame.
        cuts (list[int]): First frames of new shots, where every track ends.
        max_gap (int): A face may be gone for so many frames.

    Returns:
        list[Track]: In the order of their first frames; each begins and ends with a face.
    """
    cuts = set(cuts)
    tracks, open_tracks = [], []
    for number, faces in enumerate(frames):
        if number in cuts:
            open_tracks = []
        faces = list(faces)
        pairs = sorted(
            (
                (overlap(face.box, _last_face(track).box), index, place)
                for index, track in enumerate(open_tracks)
                for place, face in enumerate(faces)
            ),
            reverse=True,
        )
        taken_tracks, taken_faces = set(), set()
        for shared, index, place in pairs:
            if shared >= LEAST_OVERLAP and index not in taken_tracks and place not in taken_faces:
                taken_tracks.add(index)
                taken_faces.add(place)
                track = open_tracks[index]
                track.faces += [None] * (number - track.first - len(track.faces)) + [faces[place]]
        begun = [Track(number, [face]) for place, face in enumerate(faces) if place not in taken_faces]
        tracks += begun
        open_tracks = [track for track in open_tracks if number - track.first - len(track.faces) < max_gap] + begun
    return tracks


def crops_of(landmarks, first, height, width):
    """Crops around a face in which the FFHQ crop of each frame has room, as far as the picture goes.

    Args:
        landmarks (ndarray): (frames, 5, 2) in pixels of the picture.
        first (int): Number of the first frame.
        height, width (int): Of the picture in pixels.

    Returns:
        list[Crop]: One, or several where the face moves further than one crop of a sensible size allows.
    """
    regions = np.stack([_aligned_region(points) for points in landmarks])
    needed = (regions[:, 2:] - regions[:, :2]).max(axis=1)
    crops, start = [], 0
    low, high = regions[0, :2], regions[0, 2:]
    for end in range(1, len(regions) + 1):
        if end < len(regions):
            grown = np.minimum(low, regions[end, :2]), np.maximum(high, regions[end, 2:])
            if (grown[1] - grown[0]).max() <= MOST_ROOM * needed[start : end + 1].mean():
                low, high = grown
                continue
        box = _square_in_picture(low, high, height, width)
        crops.append(Crop(first + start, first + end - 1, *box, landmarks[start:end] - box[:2]))
        if end < len(regions):
            start, low, high = end, regions[end, :2], regions[end, 2:]
    return crops


def overlap(one, other):
    """Intersection over union of two boxes (4,) left, top, right, bottom."""
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    shared = np.prod(np.maximum(sides, 0))
    both = np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2]) - shared
    return float(shared / both) if both > 0 else 0.0


def _last_face(track):
    return next(face for face in reversed(track.faces) if face is not None)


def _aligned_region(points):
    """Box (4,) around the part of the picture that the aligned FFHQ picture shows."""
    matrix = align_to_template(points, FFHQ_SIZE)
    corners = np.array([(0, 0), (FFHQ_SIZE, 0), (FFHQ_SIZE, FFHQ_SIZE), (0, FFHQ_SIZE)]) - 0.5
    placed = (corners - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
    return np.concatenate([placed.min(axis=0), placed.max(axis=0)])


def _square_in_picture(low, high, height, width):
    """Left, top, width and height of the square around a box, less what is out of the picture."""
    half = (high - low).max() / 2
    centre = (low + high) / 2
    start = np.clip(np.floor(centre - half), 0, None).astype(int)
    end = np.clip(np.ceil(centre + half), None, (width, height)).astype(int)
    size = end - start
    # Colours of H.264 come in blocks of two pixels.
    return *map(int, start), *map(int, size - size % 2)
