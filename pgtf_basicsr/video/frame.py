"""Frames of a video with their places in time."""

from fractions import Fraction
from typing import NamedTuple

import numpy as np

from .decoded import DecodedFrame
from .formats import VideoFormat
from .planes import Planes, to_planes

__all__ = ['Frame', 'PlanarFrame']


class Frame(NamedTuple):
    """A frame that was read, upright.

    Attributes:
        image (ndarray): (H, W, 3) RGB, uint8, or uint16 in [0, 65535] where the video has more than 8 bits.
        time (Fraction): Seconds from the zero of the video's clock, exact, see `clock.Clock`.
        duration (Fraction): Seconds until the next frame; of the last one, what the file states, or else 1 / rate.
        decoded (DecodedFrame, optional): What `image` was converted from, where that lost something.
    """

    image: np.ndarray
    time: Fraction
    duration: Fraction
    decoded: DecodedFrame | None = None

    def planes(self, format: VideoFormat) -> Planes:
        """Provide the samples to write where nothing is restored, in memory of their own.

        They are the decoder's own, bit for bit, where it gave that format, and else converted from `image`.

        Args:
            format (VideoFormat): The format to write.
        """
        own = None if self.decoded is None else self.decoded.planes(format)
        return to_planes(self.image, format) if own is None else own


class PlanarFrame(NamedTuple):
    """A frame to be written.

    Attributes:
        planes (Planes): Its samples, in the format of what it is written to.
        time (Fraction): Seconds, as of `Frame`.
        duration (Fraction): Seconds, as of `Frame`.
    """

    planes: Planes
    time: Fraction
    duration: Fraction
