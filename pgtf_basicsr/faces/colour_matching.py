"""Matching of a restored face's colours to its surroundings."""

import cv2
import numpy as np

__all__ = ['match_colour']

# Side of the images in which colours are compared, and their blur. A network adds details, which are contrast as well:
# beside this blur, that of a degraded face hardly counts.
COARSE = 16
COARSE_BLUR = 2
# Variance below which contrast is noise.
NOISE = (2 / 255) ** 2


def match_colour(restored: np.ndarray, crop: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Give a restored face the mean and the contrast of the original where the two are blended.

    Both are measured per channel, without details, about the feathered edge of the mask.

    Args:
        restored (ndarray): (size, size, 3) float32 RGB in [0, 1], the network's output.
        crop (ndarray): (size, size, 3) float32 RGB in [0, 1], its input.
        mask (ndarray): (size, size) float32, see `masks`.

    Returns:
        ndarray: (size, size, 3) float32, which may leave [0, 1].
    """
    weights = _coarse(mask * (1 - mask))[..., None]
    total = weights.sum()
    if total == 0:
        return restored
    (mean, variance), (restored_mean, restored_variance) = (
        _statistics(_coarse(image), weights / total) for image in (crop, restored)
    )
    gain = np.sqrt((variance + NOISE) / (restored_variance + NOISE))
    return cv2.transform(restored, np.column_stack([np.diag(gain), mean - restored_mean * gain]))


def _coarse(image: np.ndarray) -> np.ndarray:
    small = cv2.resize(image, (COARSE, COARSE), interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(small, (0, 0), COARSE_BLUR)


def _statistics(image: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean and variance (3,) of an image."""
    mean = (weights * image).sum(axis=(0, 1))
    return mean, (weights * (image - mean) ** 2).sum(axis=(0, 1))
