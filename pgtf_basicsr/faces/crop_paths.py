"""Paths of crops: the square around a tracked face, frame by frame, smoothed."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .smoothing import smooth
from .squares import FaceSquare

__all__ = ['MAX_TILT', 'CropPath', 'crop_paths']

# Degrees up to which faces are left tilted, as stage IV sees them in training (`placement.rotation`).
MAX_TILT = 10.0
# How far curves may be off: the centre in sides of the square, the size as a ratio, the tilt in radians. An open mouth
# changes what is measured of size and tilt; crops need not follow it.
CENTRE_TOLERANCE, SIZE_TOLERANCE, TILT_TOLERANCE = 0.005, 0.04, 0.05


@dataclass(frozen=True)
class CropPath:
    """The smoothed square of a face through consecutive frames.

    Attributes:
        first (int): Number of the first frame.
        centres (ndarray): (frames, 2) x and y in pixels of the frame.
        sizes (ndarray): (frames,) sides in pixels of the frame.
        angles (ndarray): (frames,) tilts of the face in degrees, clockwise as seen.
    """

    first: int
    centres: np.ndarray
    sizes: np.ndarray
    angles: np.ndarray

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def last(self) -> int:
        """Number of the last frame."""
        return self.first + len(self) - 1

    def turn(self, number: int) -> float:
        """By how many degrees the crop of a frame is turned: as far as the face is tilted beyond `MAX_TILT`."""
        angle = float(self.angles[number - self.first])
        return math.copysign(max(abs(angle) - MAX_TILT, 0), angle)

    def matrix(self, number: int, size: int) -> np.ndarray:
        """Transform (2, 3) from the frame of this number to its crop of ``size`` pixels, see `transforms`."""
        index, turn = number - self.first, math.radians(self.turn(number))
        scale = size / self.sizes[index]
        cosine, sine = scale * math.cos(turn), scale * math.sin(turn)
        linear = np.array([[cosine, sine], [-sine, cosine]])
        return np.column_stack([linear, (size - 1) / 2 - linear @ self.centres[index]])


def crop_paths(detections: Mapping[int, FaceSquare], first: int, last: int, max_fill: int) -> list[CropPath]:
    """Smooth the detections of a face to paths of crops.

    Args:
        detections (Mapping[int, FaceSquare]): The face by frame number, within one shot.
        first (int): Number of the first frame with the face, before its first detection by a few frames at most.
        last (int): Number of its last frame.
        max_fill (int): Gaps of at most so many frames are filled; a longer one ends a path, for the face is hidden
            then or away.

    Returns:
        list[CropPath]: In the order of time.
    """
    numbers = sorted(number for number in detections if first <= number <= last)
    breaks = [(before, after) for before, after in pairwise(numbers) if after - before > max_fill + 1]
    starts, ends = [first, *(after for _, after in breaks)], [*(before for before, _ in breaks), last]
    return [_path(detections, start, end) for start, end in zip(starts, ends)]


def _path(detections: Mapping[int, FaceSquare], first: int, last: int) -> CropPath:
    numbers = np.array([number for number in range(first, last + 1) if number in detections])
    squares = [detections[number] for number in numbers]
    columns = np.full((4, last - first + 1), np.nan)
    columns[:, numbers - first] = [
        [square.x for square in squares],
        [square.y for square in squares],
        [math.log(square.size) for square in squares],
        np.unwrap([math.radians(square.angle) for square in squares]),
    ]
    sizes = np.exp(smooth(columns[2], SIZE_TOLERANCE))
    centres = np.stack([smooth(column, CENTRE_TOLERANCE * sizes) for column in columns[:2]], axis=-1)
    return CropPath(first, centres, sizes, np.degrees(smooth(columns[3], TILT_TOLERANCE)))
