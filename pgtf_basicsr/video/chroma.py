"""Chroma planes at full resolution and back, so that what was not changed comes back exactly.

Both directions are the halves of a wavelet transform (lifting): enlarging predicts the samples between, shrinking is
the low-pass filter that gives an enlarged plane back without a difference. W. Sweldens, "The lifting scheme: A
custom-design construction of biorthogonal wavelets", 1996.
"""

from typing import NamedTuple

import numpy as np

__all__ = ['CENTER', 'LEFT', 'LOCATIONS', 'TOP_LEFT', 'ChromaLocation', 'enlarge', 'shrink']


class ChromaLocation(NamedTuple):
    """Where a chroma sample lies between the luma samples that share it, in ITU-T H.273's figure of chroma locations.

    0 is at the first of two luma samples, 0.5 between them, 1 at the second.
    """

    x: float
    y: float

    @property
    def name(self) -> str:
        """FFmpeg's name of it."""
        return next(name for name, location in LOCATIONS.items() if location == self)


LEFT, CENTER, TOP_LEFT = ChromaLocation(0, 0.5), ChromaLocation(0.5, 0.5), ChromaLocation(0, 0)
# FFmpeg's names.
LOCATIONS = {
    'left': LEFT,
    'center': CENTER,
    'topleft': TOP_LEFT,
    'top': ChromaLocation(0.5, 0),
    'bottomleft': ChromaLocation(0, 1),
    'bottom': ChromaLocation(0.5, 1),
}


def enlarge(plane: np.ndarray, height: int, width: int, location: ChromaLocation) -> np.ndarray:
    """Bring a chroma plane to the size of the luma plane.

    Args:
        plane (ndarray): (h, w) float32.
        height (int): Height of the luma plane: at most h times a power of two.
        width (int): Width of the luma plane, likewise.
        location (ChromaLocation): Where the samples of `plane` lie.

    Returns:
        ndarray: (height, width) float32.
    """
    while plane.shape[0] < height:
        plane = _double(plane, location.y, 0)[:height]
    while plane.shape[1] < width:
        plane = _double(plane, location.x, 1)[:, :width]
    return plane


def shrink(plane: np.ndarray, height: int, width: int, location: ChromaLocation) -> np.ndarray:
    """Bring a chroma plane from the size of the luma plane to its own, (height, width): the inverse of `enlarge`."""
    while plane.shape[0] > height:
        plane = _halve(plane, location.y, 0)
    while plane.shape[1] > width:
        plane = _halve(plane, location.x, 1)
    return plane


def _double(plane: np.ndarray, position: float, axis: int) -> np.ndarray:
    """Double a side of a plane."""
    if position == 1:
        return np.flip(_double(np.flip(plane, axis), 0, axis), axis)
    extended = _extend(plane, axis)
    if position == 0.5:
        # The mean of both stays; they differ as the neighbours do, by an eighth of that to each side.
        difference = (_part(extended, axis, 2, -1) - _part(extended, axis, 0, -3)) * np.float32(1 / 8)
        pair = plane - difference, plane + difference
    else:
        pair = plane, _between(extended, axis)
    height, width = plane.shape
    return np.stack(pair, axis + 1).reshape((2 * height, width) if axis == 0 else (height, 2 * width))


def _halve(plane: np.ndarray, position: float, axis: int) -> np.ndarray:
    """Halve a side of a plane."""
    if plane.shape[axis] % 2:
        plane = np.concatenate((plane, _part(plane, axis, -1, None)), axis)
    if position == 1:
        return np.flip(_halve(np.flip(plane, axis), 0, axis), axis)
    first, second = (plane[0::2], plane[1::2]) if axis == 0 else (plane[:, 0::2], plane[:, 1::2])
    if position == 0.5:
        return (first + second) * np.float32(1 / 2)
    # What cannot be predicted of the samples between is shared out among their neighbours.
    detail = second - _between(_extend(first, axis), axis)
    before = np.concatenate((_part(detail, axis, 0, 1), _part(detail, axis, 0, -1)), axis)
    return first + (before + detail) * np.float32(1 / 4)


def _between(extended: np.ndarray, axis: int) -> np.ndarray:
    """Interpolate between samples and those after them, cubically, given one more before and two more after."""
    near = _part(extended, axis, 1, -2) + _part(extended, axis, 2, -1)
    far = _part(extended, axis, 0, -3) + _part(extended, axis, 3, None)
    return near * np.float32(9 / 16) - far * np.float32(1 / 16)


def _extend(plane: np.ndarray, axis: int) -> np.ndarray:
    """Repeat the first sample once and the last one twice."""
    first, last = _part(plane, axis, 0, 1), _part(plane, axis, -1, None)
    return np.concatenate((first, plane, last, last), axis)


def _part(plane: np.ndarray, axis: int, start: int, stop: int | None) -> np.ndarray:
    return plane[start:stop] if axis == 0 else plane[:, start:stop]
