"""Crops of a video around a face."""

from dataclasses import dataclass

import numpy as np

from .alignment import FFHQ_SIZE, align_to_template

__all__ = ['Crop', 'crop_face']

# A crop may be larger by this factor than its face needs on average, to give the face room to move.
MOST_ROOM = 1.4


@dataclass(frozen=True)
class Crop:
    """A region that is cut out of consecutive frames of a video, the same for all: a square, clipped to the frame.

    Attributes:
        first (int): Number of the first frame.
        last (int): Number of the last frame.
        left (int): Left edge in pixels of the frame.
        top (int): Upper edge in pixels of the frame.
        width (int): Width in pixels, even.
        height (int): Height in pixels, even.
        landmarks (ndarray): (frames, 5, 2) in pixels of the crop.
    """

    first: int
    last: int
    left: int
    top: int
    width: int
    height: int
    landmarks: np.ndarray


def crop_face(landmarks: np.ndarray, first: int, height: int, width: int) -> list[Crop]:
    """Find crops around a face that contain the FFHQ crop of each frame, as far as the frame reaches.

    Args:
        landmarks (ndarray): (frames, 5, 2) in pixels of the frame.
        first (int): Number of the first frame.
        height (int): Height of a frame in pixels.
        width (int): Width of a frame in pixels.

    Returns:
        list[Crop]: One, or several where the face moves further than one crop of a sensible size allows.
    """
    regions = np.stack([_aligned_region(points) for points in landmarks])
    needed = (regions[:, 2:] - regions[:, :2]).max(axis=1)
    crops, start = [], 0
    low, high = regions[0, :2], regions[0, 2:]
    for end in range(1, len(regions) + 1):
        if end < len(regions):
            grown = np.minimum(low, regions[end, :2]), np.maximum(high, regions[end, 2:])
            if (grown[1] - grown[0]).max() <= MOST_ROOM * needed[start : end + 1].mean():
                low, high = grown
                continue
        left, top, crop_width, crop_height = _square_in_frame(low, high, height, width)
        points = landmarks[start:end] - (left, top)
        crops.append(Crop(first + start, first + end - 1, left, top, crop_width, crop_height, points))
        if end < len(regions):
            start, low, high = end, regions[end, :2], regions[end, 2:]
    return crops


def _aligned_region(points: np.ndarray) -> np.ndarray:
    """Box (4,) around the part of the frame that the aligned FFHQ image shows."""
    matrix = align_to_template(points, FFHQ_SIZE)
    corners = np.array([(0, 0), (FFHQ_SIZE, 0), (FFHQ_SIZE, FFHQ_SIZE), (0, FFHQ_SIZE)]) - 0.5
    placed = (corners - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
    return np.concatenate([placed.min(axis=0), placed.max(axis=0)])


def _square_in_frame(low: np.ndarray, high: np.ndarray, height: int, width: int) -> tuple[int, int, int, int]:
    """Left, top, width and height of the square around a box, clipped to the frame."""
    half = (high - low).max() / 2
    centre = (low + high) / 2
    start = np.clip(np.floor(centre - half), 0, None).astype(int)
    end = np.clip(np.ceil(centre + half), None, (width, height)).astype(int)
    size = end - start
    # H.264 stores colours in blocks of two pixels.
    (left, top), (crop_width, crop_height) = start.tolist(), (size - size % 2).tolist()
    return left, top, crop_width, crop_height
