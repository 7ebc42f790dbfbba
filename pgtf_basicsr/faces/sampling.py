"""Sampling of crops out of frames."""

import cv2
import numpy as np

__all__ = ['sample_crop']


def sample_crop(image: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """Sample a crop, bicubic, once, at fractions of pixels, with a low-pass where it shrinks.

    Args:
        image (ndarray): (H, W, 3) uint8, uint16 or float32.
        matrix (ndarray): (2, 3) transform from pixels of the image to pixels of the crop: a similarity, after pixels
            that are not square have been made so.
        size (int): Side of the crop in pixels.

    Returns:
        ndarray: (size, size, 3) of the image's type. What lies outside of the image is its reflection.
    """
    shrinking = 1 / np.hypot(*matrix[:, :2])
    # warpAffine samples without averaging: detail that the crop cannot hold would alias.
    sigmas = 0.5 * np.sqrt(np.maximum(shrinking**2 - 1, 0))
    left, top, right, bottom = _needed(matrix, size, int(np.ceil(4 * sigmas.max())) + 3, image.shape[:2])
    part = image[top:bottom, left:right].astype(np.float32)
    if sigmas.any():
        # OpenCV takes 0 for the other one's value.
        across, down = np.maximum(sigmas, 1e-6)
        part = cv2.GaussianBlur(part, (0, 0), across, sigmaY=down, borderType=cv2.BORDER_REFLECT)
    placed = np.column_stack([matrix[:, :2], matrix[:, 2] + matrix[:, :2] @ (left, top)])
    crop = cv2.warpAffine(part, placed, (size, size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    if image.dtype == np.float32:
        return crop
    return np.rint(crop).clip(0, np.iinfo(image.dtype).max).astype(image.dtype)


def _needed(matrix: np.ndarray, size: int, margin: int, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the part of the image that a crop shows, and of what it reflects."""
    corners = np.array([(0, 0), (size, 0), (0, size), (size, size)]) - 0.5
    placed = np.linalg.solve(matrix[:, :2], (corners - matrix[:, 2]).T)
    sides = []
    for low, high, length in zip(np.floor(placed.min(axis=1)), np.ceil(placed.max(axis=1)), shape[::-1]):
        low, high = int(low) - margin, int(high) + margin + 1
        # Beyond an edge lies what is as far within it.
        low, high = min(low, 2 * length - high), max(high, -low)
        sides.append((max(low, 0), min(high, length)))
    (left, right), (top, bottom) = sides
    return left, top, right, bottom
