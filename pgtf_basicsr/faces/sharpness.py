"""Sharpness and blur of a face."""

import cv2
import numpy as np

from .alignment import FFHQ_SIZE, align_to_template
from .transforms import warp

__all__ = ['FACE_WIDTH', 'blur', 'sharpness']

ALIGNED_SIZE = 256
# Width of a face as a fraction of the image that is aligned to the FFHQ template.
FACE_WIDTH = 0.5


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
    return float(cv2.Laplacian(cv2.cvtColor(_inner(face), cv2.COLOR_RGB2GRAY), cv2.CV_32F).var())


def blur(crop: np.ndarray) -> float:
    """Blur of a face's crop, from 0 to 1: skimage's `blur_effect` of the inner face.

    Crete et al., "The blur effect: Perception and estimation with a new no-reference perceptual blur metric", 2007. It
    is that of the crop, so that a small face, which was enlarged, has blur as well. A sharp face of 200 pixels has 0.4,
    one of 100 pixels 0.5, one of 40 pixels or out of focus 0.7 and more.

    Args:
        crop (ndarray): (size, size, 3) RGB, roughly aligned to the FFHQ template; uint8, uint16 or float32.
    """
    # Few runs measure blur.
    from skimage.measure import blur_effect

    gray = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    return float(blur_effect(_inner(cv2.resize(gray, (FFHQ_SIZE, FFHQ_SIZE), interpolation=cv2.INTER_CUBIC))))


def _inner(face: np.ndarray) -> np.ndarray:
    size = len(face)
    return face[size // 4 : -size // 8, size // 5 : -size // 5]
