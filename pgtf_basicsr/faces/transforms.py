"""Geometry of frames: transforms that place pixels.

A transform is a 2 x 3 matrix from input pixels to output pixels. Pixel centres are integers, so the corner of a frame
lies at (-0.5, -0.5).
"""

from collections.abc import Sequence

import cv2
import numpy as np

__all__ = [
    'BORDER_RGB',
    'centre_square',
    'compose',
    'crop_scale',
    'mirror_matrix',
    'move_about_centre',
    'resize_matrix',
    'transform_points',
    'warp',
]

# What FFHQ's alignment fills the outside of a frame with.
BORDER_RGB = (135, 133, 132)


def compose(outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """Compose two transforms: ``inner`` is applied first, then ``outer``."""
    linear = outer[:, :2] @ inner[:, :2]
    offset = outer[:, :2] @ inner[:, 2] + outer[:, 2]
    return np.column_stack([linear, offset])


def crop_scale(matrix: np.ndarray) -> float:
    """Pixels of a crop per pixel of the frame, from the transform between them."""
    return float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))


def transform_points(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Apply a transform to points (..., 2)."""
    return np.asarray(points) @ matrix[:, :2].T + matrix[:, 2]


def resize_matrix(scale_x: float, scale_y: float) -> np.ndarray:
    """Transform of a resize: pixels are areas, so that the corner (-0.5, -0.5) stays where it is."""
    return np.array([[scale_x, 0, (scale_x - 1) / 2], [0, scale_y, (scale_y - 1) / 2]])


def centre_square(height: int, width: int, size: int) -> np.ndarray:
    """Transform of the largest centred square of a frame of ``height`` x ``width`` pixels to ``size`` pixels."""
    scale = size / min(height, width)
    return np.array(
        [[scale, 0, (size - 1 - scale * (width - 1)) / 2], [0, scale, (size - 1 - scale * (height - 1)) / 2]]
    )


def move_about_centre(size: int, scale: float, degrees: float, offset: Sequence[float] | np.ndarray) -> np.ndarray:
    """Transform that zooms and rotates an image about its centre, then shifts it.

    Args:
        size (int): Side of the square image in pixels.
        scale (float): Zoom.
        degrees (float): Rotation, counter-clockwise as seen.
        offset (Sequence[float]): Shift along x and y in pixels.
    """
    centre = (size - 1) / 2
    matrix = cv2.getRotationMatrix2D((centre, centre), degrees, scale)
    matrix[:, 2] += np.asarray(offset, dtype=np.float64)
    return matrix


def mirror_matrix(width: int) -> np.ndarray:
    """Transform of a horizontal flip of an image of ``width`` pixels."""
    return np.array([[-1.0, 0, width - 1], [0, 1, 0]])


def warp(frame: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """Warp a frame to a square image, bicubic, with blur where it shrinks.

    Args:
        frame (ndarray): (H, W, 3) uint8 RGB.
        matrix (ndarray): Transform from pixels of the frame to pixels of the image.
        size (int): Side of the image in pixels.

    Returns:
        ndarray: (size, size, 3) uint8 RGB; the outside of the frame has FFHQ's border colour.
    """
    scale = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    if scale < 1:
        # warpAffine samples without averaging: detail that the output cannot hold would alias.
        frame = cv2.GaussianBlur(frame, (0, 0), 0.5 * np.sqrt(1 / scale**2 - 1))
    return cv2.warpAffine(
        frame, matrix, (size, size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT, borderValue=BORDER_RGB
    )
