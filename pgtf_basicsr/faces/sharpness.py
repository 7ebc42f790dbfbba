"""Sharpness of a face."""

import cv2
import numpy as np

from .alignment import align_to_template
from .transforms import warp

__all__ = ['sharpness']

ALIGNED_SIZE = 256


def sharpness(frame: np.ndarray, landmarks: np.ndarray) -> float:
    """Sharpness of a face: variance of the Laplacian of the inner face, aligned to 256 pixels, in grey levels.

    Small faces are enlarged for it, so it depends on size as well: the face of a sharp close-up has some hundreds, one
    of 50 pixels about 30, and one of 300 pixels that is out of focus or heavily compressed about 10.

    Args:
        frame (ndarray): (H, W, 3) uint8 RGB.
        landmarks (ndarray): (5, 2) in pixels.

    Raises:
        ValueError: The landmarks do not make a face, see `align_to_template`.
    """
    face = warp(frame, align_to_template(landmarks, ALIGNED_SIZE), ALIGNED_SIZE)
    inner = face[ALIGNED_SIZE // 4 : -ALIGNED_SIZE // 8, ALIGNED_SIZE // 5 : -ALIGNED_SIZE // 5]
    return float(cv2.Laplacian(cv2.cvtColor(inner, cv2.COLOR_RGB2GRAY), cv2.CV_32F).var())
