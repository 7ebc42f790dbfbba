"""A frame of a video with its place in time."""

from fractions import Fraction
from typing import NamedTuple

import numpy as np

__all__ = ['Frame']


class Frame(NamedTuple):
    """A frame, upright.

    Attributes:
        image (ndarray): (H, W, 3) RGB, uint8, or uint16 in [0, 65535] where the video has more than 8 bits.
        time (Fraction): Seconds from the zero of the video's clock, exact, see `clock.Clock`.
        duration (Fraction): Seconds until the next frame; of the last one, what the file states, or else 1 / rate.
    """

    image: np.ndarray
    time: Fraction
    duration: Fraction
