"""Chroma planes at full resolution and back, so that what was not changed comes back exactly.

Both directions are the halves of a wavelet transform (lifting): enlarging predicts the samples between, shrinking is
the low-pass filter that gives an enlarged plane back without a difference. W. Sweldens, "The lifting scheme: A
custom-design construction of biorthogonal wavelets", 1996.
"""

from typing import NamedTuple

import numpy as np

__all__ = ['CENTER', 'LEFT', 'LOCATIONS', 'ChromaLocation', 'enlarge', 'shrink']


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


LEFT, CENTER = ChromaLocation(0, 0.5), ChromaLocation(0.5, 0.5)
# FFmpeg's names.
LOCATIONS = {
    'left': LEFT,
    'center': CENTER,
    'topleft': ChromaLocation(0, 0),
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
        plane = _double(plane, location.y)[:height]
    while plane.shape[1] < width:
        plane = _double(plane.T, location.x)[:width].T
    return plane


def shrink(plane: np.ndarray, height: int, width: int, location: ChromaLocation) -> np.ndarray:
    """Bring a chroma plane from the size of the luma plane to its own, (height, width): the inverse of `enlarge`."""
    while plane.shape[0] > height:
        plane = _halve(plane, location.y)
    while plane.shape[1] > width:
        plane = _halve(plane.T, location.x).T
    return plane


def _double(lines: np.ndarray, position: float) -> np.ndarray:
    """Double the number of lines."""
    if position == 1:
        return _double(lines[::-1], 0)[::-1]
    doubled = np.empty((2 * len(lines), lines.shape[1]), lines.dtype)
    extended = np.pad(lines, ((1, 2), (0, 0)), 'edge')
    if position == 0.5:
        # The mean of both stays; they differ as much as the neighbours do, an eighth of that to each side.
        difference = (extended[2:-1] - extended[:-3]) / 8
        doubled[0::2], doubled[1::2] = lines - difference, lines + difference
    else:
        doubled[0::2], doubled[1::2] = lines, _between(extended)
    return doubled


def _halve(lines: np.ndarray, position: float) -> np.ndarray:
    """Halve the number of lines."""
    if len(lines) % 2:
        lines = np.pad(lines, ((0, 1), (0, 0)), 'edge')
    if position == 1:
        return _halve(lines[::-1], 0)[::-1]
    first, second = lines[0::2], lines[1::2]
    if position == 0.5:
        return (first + second) / 2
    # What cannot be predicted of the lines between is shared out among their neighbours.
    detail = second - _between(np.pad(first, ((1, 2), (0, 0)), 'edge'))
    before = np.concatenate((detail[:1], detail[:-1]))
    return first + (before + detail) / 4


def _between(extended: np.ndarray) -> np.ndarray:
    """Interpolate between lines and those after them, cubically, given one more line before and two more after."""
    return (9 * (extended[1:-2] + extended[2:-1]) - extended[:-3] - extended[3:]) / 16
