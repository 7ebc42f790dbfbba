"""Display matrices: how decoded frames are turned and mirrored to be upright."""

from typing import NamedTuple

import av
import numpy as np

from .chroma import ChromaLocation
from .fields import BOTTOM_FIRST, PROGRESSIVE, TOP_FIRST
from .side_data import side_data_of

__all__ = ['Orientation', 'orientation_of']

UPSIDE_DOWN = {PROGRESSIVE: PROGRESSIVE, TOP_FIRST: BOTTOM_FIRST, BOTTOM_FIRST: TOP_FIRST}


class Orientation(NamedTuple):
    """One of the eight ways to turn and mirror an image.

    Attributes:
        transposed (bool): Rows become columns, first.
        mirrored (bool): Left and right are swapped, then.
        upside_down (bool): Top and bottom are swapped, then.
    """

    transposed: bool = False
    mirrored: bool = False
    upside_down: bool = False

    def upright(self, image: np.ndarray) -> np.ndarray:
        """Turn and mirror an image (H, W, 3); the result is contiguous."""
        return np.ascontiguousarray(self.turned(image))

    def turned(self, image: np.ndarray) -> np.ndarray:
        """View an image (H, W, 3) or a plane (H, W) turned and mirrored."""
        if self.transposed:
            image = image.swapaxes(0, 1)
        if self.mirrored:
            image = image[:, ::-1]
        if self.upside_down:
            image = image[::-1]
        return image

    def chroma_location(self, location: ChromaLocation, width: int, height: int) -> ChromaLocation:
        """Find where the chroma samples of a turned 4:2:0 frame lie. Not all such places have names.

        Args:
            location (ChromaLocation): Where they lie before it is turned.
            width (int): Width of the turned frame in pixels.
            height (int): Height of the turned frame in pixels.
        """
        x, y = (location.y, location.x) if self.transposed else location
        return ChromaLocation(
            _opposite(x, width) if self.mirrored else x, _opposite(y, height) if self.upside_down else y
        )

    def field_order(self, field_order: int) -> int:
        """Which field of an upright frame comes first, a code of `fields`; what becomes of rows as columns is none."""
        if self.transposed:
            return PROGRESSIVE
        return UPSIDE_DOWN[field_order] if self.upside_down else field_order


def orientation_of(frame: av.VideoFrame) -> Orientation:
    """Read how a frame has to be shown, to the nearest quarter turn.

    The display matrix [a b u; c d v; x y w] takes the pixel (p, q) to (a p + c q + x, b p + d q + y), see FFmpeg's
    libavutil/display.h and ISO/IEC 14496-12, 8.5.2.
    """
    matrix = side_data_of(frame, 'DISPLAYMATRIX')
    if matrix is None:
        return Orientation()
    a, b, _, c, d = (int(value) for value in np.frombuffer(matrix, np.int32)[:5])
    transposed = abs(b) + abs(c) > abs(a) + abs(d)
    return Orientation(transposed, (c if transposed else a) < 0, (b if transposed else d) < 0)


def _opposite(position: float, length: int) -> float:
    """Place of chroma samples along a side that is swapped. Of an odd length, the last sample has no second pixel."""
    return 1 - length % 2 - position
