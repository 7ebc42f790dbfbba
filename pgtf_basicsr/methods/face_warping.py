"""Warps of faces to the FFHQ template and back, as programs of frame-by-frame methods do them.

The steps and their parameters are those of facexlib's restoration helper, which CodeFormer, GFPGAN and others use: a
similarity transform, grey outside of the frame, and a square with a soft edge that replaces the frame. Two things are
finer, so that warping there and back changes less than any restoration: pixels are sampled by Lanczos windows in place
of lines, in floating point, and the frame goes on for some pixels beyond its edges before the grey begins.
"""

import cv2
import numpy as np

from ..faces.transforms import BORDER_RGB, compose, transform_points

__all__ = ['align_crop', 'paste_square', 'square_mask']

# Pixels of a frame's reflection around it, as far as interpolation reaches.
MARGIN = 8
# Side of the erosion of the square, in pixels, that leaves its interpolated rim out.
RIM = 2
# Width of the soft edge, as a fraction of the side of the square.
EDGE = 1 / 20


def align_crop(frame: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """Warp a face out of its frame.

    Args:
        frame (ndarray): (H, W, 3) float32 RGB in [0, 1].
        matrix (ndarray): (2, 3) transform from pixels of the frame to pixels of the crop.
        size (int): Side of the crop in pixels.

    Returns:
        ndarray: (size, size, 3) float32 RGB in [0, 1]. What is farther outside of the frame has FFHQ's border colour.
    """
    padded = cv2.copyMakeBorder(frame, MARGIN, MARGIN, MARGIN, MARGIN, cv2.BORDER_REFLECT)
    crop = cv2.warpAffine(
        padded,
        compose(matrix, _shift(-MARGIN, -MARGIN)),
        (size, size),
        flags=cv2.INTER_LANCZOS4,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=np.divide(BORDER_RGB, 255).tolist(),
    )
    return crop.clip(0, 1)


def paste_square(frame: np.ndarray, face: np.ndarray, matrix: np.ndarray) -> None:
    """Warp a restored face back and let it replace what the frame shows there, but for the soft edge of its square.

    Pixels where `square_mask` is 0 are not touched.

    Args:
        frame (ndarray): (H, W, 3) float32 RGB in [0, 1], changed in place.
        face (ndarray): (size, size, 3) float32 RGB in [0, 1].
        matrix (ndarray): (2, 3) transform from pixels of the frame to pixels of the face.
    """
    left, top, right, bottom = _reach(matrix, len(face), frame.shape)
    if left >= right or top >= bottom:
        return
    part = frame[top:bottom, left:right]
    placed = compose(matrix, _shift(left, top))
    flags = cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP
    restored = cv2.warpAffine(face, placed, part.shape[1::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
    mask = square_mask(placed, len(face), part.shape)[..., np.newaxis]
    part += mask * (restored.clip(0, 1) - part)


def square_mask(matrix: np.ndarray, size: int, shape: tuple[int, ...]) -> np.ndarray:
    """Make the mask of a square with a soft edge, in pixels of the frame. At edges of the frame there is no edge.

    Args:
        matrix (ndarray): (2, 3) transform from pixels of the frame to pixels of the crop.
        size (int): Side of the crop in pixels.
        shape (tuple[int, ...]): Height and width of the frame in pixels.

    Returns:
        ndarray: (H, W) float32 in [0, 1].
    """
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    square = cv2.warpAffine(np.ones((size, size), np.float32), matrix, shape[1::-1], flags=flags)
    square = cv2.erode(square, np.ones((RIM, RIM), np.uint8))
    edge = max(int(EDGE * np.sqrt(square.sum())), 1)
    core = cv2.erode(square, np.ones((2 * edge, 2 * edge), np.uint8))
    return cv2.GaussianBlur(core, (2 * edge + 1, 2 * edge + 1), 0).clip(0, 1)


def _reach(matrix: np.ndarray, size: int, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the part of a frame of this shape in which a square lies, with a rim of zeros."""
    corners = np.array([(0, 0), (size, 0), (size, size), (0, size)]) - 0.5
    placed = transform_points(corners, cv2.invertAffineTransform(matrix))
    first = np.floor(placed.min(axis=0) - RIM).clip(0, None).astype(int)
    end = np.ceil(placed.max(axis=0) + RIM + 1).clip(None, shape[1::-1]).astype(int)
    return (*first.tolist(), *end.tolist())


def _shift(x: float, y: float) -> np.ndarray:
    return np.array([[1.0, 0, x], [0, 1, y]])
