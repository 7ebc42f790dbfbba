"""What passes between reading, restoring and writing a video."""

from fractions import Fraction
from typing import NamedTuple

import numpy as np

__all__ = ['Frame']


class Frame(NamedTuple):
    """A frame and its place in time.

    Attributes:
        image (ndarray): (H, W, 3) RGB, upright; uint8, or uint16 (0 to 65535) where the video has more than 8 bits.
        time (Fraction): When it is shown, in seconds since the start of the file's clock, exact.
        duration (Fraction): Seconds until the next frame.
    """

    image: np.ndarray
    time: Fraction
    duration: Fraction
