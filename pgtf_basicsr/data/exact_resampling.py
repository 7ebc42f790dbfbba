"""Resizes and warps of frames in integers: the same bytes on every machine and with every version of a library.

Weights are integers, so that each sum is an integer below 2^53, which float64 holds exactly in any order of addition;
weights and places are computed element by element in float64, which IEEE 754 defines to the last bit.
"""

from collections.abc import Iterable
from functools import lru_cache

import cv2
import numpy as np
from scipy.sparse import csr_array

from ..faces.transforms import BORDER_RGB, crop_scale

__all__ = ['WEIGHTS', 'ExactWarp', 'integer_weights', 'resize_weights', 'resized', 'to_uint8']

# Integer weights sum to 2^WEIGHTS along each axis, and a warp reads frames at places 2^-PLACES of a pixel apart.
WEIGHTS, PLACES = 14, 8
# OpenCV's cubic, and the pixels that it takes along an axis.
CUBIC = -0.75
TAPS = np.arange(-1, 3)


class ExactWarp:
    """Warp of the frames of a clip to square images, as `faces.transforms.warp` up to rounding.

    Args:
        matrix (ndarray): (2, 3) from pixels of a frame to pixels of the image.
        height, width (int): Size of the frames.
        size (int): Side of the images.
    """

    def __init__(self, matrix: np.ndarray, height: int, width: int, size: int) -> None:
        self._size, self._scale = size, crop_scale(matrix)
        # Rows are pixels of the image; columns those of a frame, and one more for all that is outside.
        (first_y, weights_y), (first_x, weights_x) = _places(matrix, size)
        y, x = first_y[:, None] + TAPS, first_x[:, None] + TAPS
        inside = ((y >= 0) & (y < height))[:, :, None] & ((x >= 0) & (x < width))[:, None, :]
        columns = np.where(inside, y[:, :, None] * width + x[:, None, :], height * width).astype(np.int32)
        values = weights_y[:, :, None] * weights_x[:, None, :]
        ends = np.arange(size * size + 1, dtype=np.int32) * len(TAPS) ** 2
        self._weights = csr_array((values.ravel(), columns.ravel(), ends), shape=(size * size, height * width + 1))

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """Warp a frame (H, W, 3) uint8 RGB to an image (size, size, 3) uint8 RGB."""
        if self._scale < 1:
            # As in `warp`; OpenCV computes this blur of uint8 in integers.
            frame = cv2.GaussianBlur(frame, (0, 0), 0.5 * np.sqrt(1 / self._scale**2 - 1))
        pixels = np.concatenate([frame.reshape(-1, 3), [BORDER_RGB]]).astype(np.float64)
        return to_uint8(self._weights @ pixels / 2 ** (2 * WEIGHTS)).reshape(self._size, self._size, 3)


def integer_weights(weights: np.ndarray, bits: int) -> np.ndarray:
    """Round weights (..., N) to integers, float64, that sum to 2^bits along the last axis.

    The largest weight takes what rounding has left.
    """
    weights = np.rint(weights / weights.sum(axis=-1, keepdims=True) * 2**bits)
    largest = np.argmax(weights, axis=-1)[..., None]
    left = 2**bits - weights.sum(axis=-1, keepdims=True)
    np.put_along_axis(weights, largest, np.take_along_axis(weights, largest, -1) + left, -1)
    return weights


@lru_cache(maxsize=8)
def resize_weights(length: int, new_length: int, mode: str) -> np.ndarray:
    """Make the weights of a resize along one axis as OpenCV defines it, as integers that sum to 2^WEIGHTS.

    Args:
        length (int): Pixels before.
        new_length (int): Pixels after; no more than before for 'area'.
        mode (str): 'area', 'linear' or 'cubic'.

    Returns:
        ndarray: (new_length, length) float64.
    """
    scale = length / new_length
    rows = np.arange(new_length)
    if mode == 'area':
        edges = np.arange(length + 1)[None] - rows[:, None] * scale
        # How far each pixel reaches into the interval [0, scale) that is averaged.
        weights = np.diff(np.clip(edges, 0, scale), axis=1)
        return integer_weights(weights, WEIGHTS)
    places = (rows + 0.5) * scale - 0.5
    first = np.floor(places).astype(int)
    share = places - first
    if mode == 'linear':
        taps = {0: 1 - share, 1: share}
    else:
        taps = {offset: _cubic(np.abs(offset - share)) for offset in TAPS}
    weights = np.zeros((new_length, length))
    for offset, values in taps.items():
        # Beyond the border lies the last pixel again.
        np.add.at(weights, (rows, np.clip(first + offset, 0, length - 1)), values)
    return integer_weights(weights, WEIGHTS)


def resized(frame: np.ndarray, size: Iterable[int], mode: str) -> np.ndarray:
    """Resize a frame (H, W, 3) of integers to ``size`` (width, height), times 2^(2 WEIGHTS)."""
    width, height = size
    rows = np.tensordot(resize_weights(frame.shape[0], height, mode), frame.astype(np.float64), axes=(1, 0))
    return np.moveaxis(np.tensordot(rows, resize_weights(frame.shape[1], width, mode), axes=(1, 1)), -1, 1)


def to_uint8(frame: np.ndarray) -> np.ndarray:
    """Round values to uint8, clamped to [0, 255]."""
    return np.clip(np.rint(frame), 0, 255).astype(np.uint8)


def _places(matrix: np.ndarray, size: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """For y and x: of each pixel of the image, the first pixel (N,) and the weights (N, 4) of the frame's."""
    (a, b, c), (d, e, f) = matrix.tolist()
    y, x = np.mgrid[:size, :size].reshape(2, -1)
    determinant = a * e - b * d
    places_x = (e * (x - c) - b * (y - f)) / determinant
    places_y = (a * (y - f) - d * (x - c)) / determinant
    table = integer_weights(_cubic(np.abs(TAPS - np.arange(2**PLACES)[:, None] / 2**PLACES)), WEIGHTS)
    steps = [np.rint(places * 2**PLACES).astype(np.int64) for places in (places_y, places_x)]
    return [(step >> PLACES, table[step & (2**PLACES - 1)]) for step in steps]


def _cubic(distance: np.ndarray) -> np.ndarray:
    """Weight of the cubic convolution at a distance of up to 2 pixels."""
    near = ((CUBIC + 2) * distance - (CUBIC + 3)) * distance**2 + 1
    far = ((CUBIC * distance - 5 * CUBIC) * distance + 8 * CUBIC) * distance - 4 * CUBIC
    return np.where(distance <= 1, near, far)
