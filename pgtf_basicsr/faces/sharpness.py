"""Sharpness and size of a face, and whether it is worth restoring."""

import cv2
import numpy as np

from .alignment import FFHQ_SIZE, align_to_template
from .transforms import crop_scale, warp

__all__ = ['FACE_WIDTH', 'blur', 'face_size', 'needs_restoration', 'sharpness']

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


def face_size(matrix: np.ndarray, size: int) -> float:
    """Width of a face in pixels of the frame.

    Args:
        matrix (ndarray): (2, 3) transform from pixels of the frame to pixels of its crop.
        size (int): Side of the crop in pixels.
    """
    return FACE_WIDTH * size / crop_scale(matrix)


def needs_restoration(crop: np.ndarray, matrix: np.ndarray, min_face: float = 0, min_blur: float = 0) -> bool:
    """Whether a face is neither too small to be restored nor so large and sharp that it need not be.

    Faces should be judged once a track: one that is restored in some frames alone flickers.

    Args:
        crop (ndarray): See `blur`.
        matrix (ndarray): (2, 3) transform from pixels of the frame to pixels of the crop.
        min_face (float): Width of the smallest face that is restored, in pixels of the frame.
        min_blur (float): Blur of the sharpest face that is restored; 0 restores all.
    """
    return face_size(matrix, len(crop)) >= min_face and (min_blur <= 0 or blur(crop) >= min_blur)


def _inner(face: np.ndarray) -> np.ndarray:
    size = len(face)
    return face[size // 4 : -size // 8, size // 5 : -size // 5]
