"""Squares of faces: where the image that is aligned to the FFHQ template lies in a frame."""

import math
from dataclasses import dataclass

import numpy as np

from .alignment import FFHQ_SIZE, FFHQ_TEMPLATE

__all__ = ['FaceSquare', 'face_square']

_MIDDLE = FFHQ_TEMPLATE.mean(axis=0)
_TEMPLATE = FFHQ_TEMPLATE - _MIDDLE
# From the middle of the landmarks to the middle of the image, as a fraction of its side.
_TO_CENTRE = ((FFHQ_SIZE - 1) / 2 - _MIDDLE) / FFHQ_SIZE


@dataclass(frozen=True, slots=True)
class FaceSquare:
    """The square that an aligned face takes in a frame: about twice as wide as the face.

    Numbers are rounded to hundredths, so that a file of them holds the same.

    Attributes:
        x (float): Centre in pixels of the frame.
        y (float): Centre in pixels of the frame.
        size (float): Side in pixels of the frame.
        angle (float): Tilt of the face in degrees, clockwise as seen.
        score (float): The detector's confidence, from 0 to 1.
    """

    x: float
    y: float
    size: float
    angle: float
    score: float = 1.0

    def __post_init__(self) -> None:
        for name in ('x', 'y', 'size', 'angle', 'score'):
            object.__setattr__(self, name, round(float(getattr(self, name)), 2))


def face_square(landmarks: np.ndarray, score: float = 1.0) -> FaceSquare:
    """Find the square of a face.

    The tilt is that of the similarity transform of least squares. The size is the greater of those that the width and
    the height of the landmarks give, as FFHQ has it: a face that turns aside keeps its height, one that nods its width.

    Args:
        landmarks (ndarray): (5, 2) in pixels of the frame.
        score (float): The detector's confidence.

    Raises:
        ValueError: The landmarks coincide or are not finite.
    """
    landmarks = np.asarray(landmarks, dtype=np.float64)
    middle = landmarks.mean(axis=0)
    x, y = (landmarks - middle).T
    template_x, template_y = _TEMPLATE.T
    angle = math.atan2(template_x @ y - template_y @ x, template_x @ x + template_y @ y)
    cosine, sine = math.cos(angle), math.sin(angle)
    across = template_x @ (cosine * x + sine * y) / (template_x @ template_x)
    along = template_y @ (cosine * y - sine * x) / (template_y @ template_y)
    size = FFHQ_SIZE * max(across, along)
    if not (math.isfinite(size) and size >= 1):
        raise ValueError(f'landmarks {landmarks.tolist()} do not determine a square')
    to_x, to_y = size * _TO_CENTRE
    return FaceSquare(
        middle[0] + cosine * to_x - sine * to_y,
        middle[1] + sine * to_x + cosine * to_y,
        size,
        math.degrees(angle),
        score,
    )
