"""Masks of faces in their crops: where what was restored is pasted, with a feathered edge.

A mask is (size, size) float32, from 0 at the edges of the crop to 1 in the face. From pixel to pixel of the frame it
changes by a tenth at most, so that an error in colour shows no seam. For this its maker needs the scale of the crop, in
pixels of the crop per pixel of the frame.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

__all__ = ['FACE_LABELS', 'STEADY_REACH', 'at_crop_size', 'ellipse_mask', 'face_probability', 'parsing_mask', 'steady']

# Labels of CelebAMask-HQ that are pasted: skin, brows, eyes, glasses, ears, nose, mouth and lips. Glasses are among
# them because the network restores them, and eyes behind them have no other label: they must not stay blurred in a face
# that is sharp. Hair, hats, earrings, and hands, which are background, stay as they are in the frame.
FACE_LABELS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13)
# Frames to each side over which the parsing is minimised, and then averaged.
STEADY_REACH = 2

# Centre and half axes of a face with its edge, as fractions of a crop that is aligned to the FFHQ template.
CENTRE = np.array([0.5, 0.55])
HALF_AXES = np.array([0.4, 0.44])
# Widths of the edge as fractions of the crop: of an ellipse, which crosses skin, hair and background as it comes, and
# of a parsed face, which ends where the face does.
ELLIPSE_EDGE, PARSED_EDGE = 0.12, 0.03
# Change of a mask from pixel to pixel along a side of its crop at most: less than a tenth across corners as well, which
# is along a side of the frame in a crop that is turned.
STEEPEST = 0.07
# Blur of what is parsed, as a fraction of the crop: borders of labels jitter from frame to frame.
PARSING_BLUR = 1 / 128


def ellipse_mask(size: int, scale: float) -> np.ndarray:
    """Make an elliptical mask.

    Args:
        size (int): Side of the crop in pixels.
        scale (float): Pixels of the crop per pixel of the frame.
    """
    x, y = (((np.arange(size) + 0.5) / size)[:, None] - CENTRE).T / HALF_AXES[:, None]
    radius = np.hypot(x, y[:, None])
    # Within the ellipse it is at least as far to its edge. The ramp below is 1.5 times as steep as a straight one.
    inside = (1 - radius) * HALF_AXES.min() * size
    ramp = (inside / max(ELLIPSE_EDGE * size, 1.5 * scale / STEEPEST)).clip(0, 1)
    return (ramp * ramp * (3 - 2 * ramp)).astype(np.float32)


def face_probability(logits: Tensor, labels: Sequence[int] = FACE_LABELS) -> Tensor:
    """Probability that a pixel is face, with nothing before it.

    Args:
        logits (Tensor): (..., 19, H, W), of a face parsing network for CelebAMask-HQ.
        labels (Sequence[int]): The labels that are face.

    Returns:
        Tensor: (..., H, W) in [0, 1].
    """
    probabilities = logits.float().softmax(-3)
    # Indices in a list would be copied to a GPU, and waited for.
    return torch.stack([probabilities.select(-3, label) for label in labels]).sum(0)


def steady(probabilities: Iterable[np.ndarray], reach: int = STEADY_REACH) -> Iterator[np.ndarray]:
    """Steady the parsing of a face over time: its minimum over neighbouring frames, then the average of those.

    The minimum lets nothing that moves before the face be averaged away: in no frame is the result greater than the
    frame's own probability.

    Args:
        probabilities (Iterable[ndarray]): (H, W) in [0, 1], of consecutive frames of one track.
        reach (int): Number of frames to each side, for each of both. They are read ahead twice as far.

    Yields:
        ndarray: (H, W), one for each frame.
    """
    return _sliding(_sliding(probabilities, reach, np.min), reach, np.mean)


def at_crop_size(probability: np.ndarray, size: int) -> np.ndarray:
    """Enlarge a probability (h, w) to (size, size), corners on corners, as a parsing network enlarges its heads."""
    height, width = probability.shape
    matrix = np.array([[(width - 1) / (size - 1), 0, 0], [0, (height - 1) / (size - 1), 0]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(probability, matrix, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE)


def parsing_mask(probability: np.ndarray, scale: float) -> np.ndarray:
    """Make a mask of a parsed face. Its edge lies within the face: what is before or beside it is not touched.

    Args:
        probability (ndarray): (size, size) in [0, 1], see `face_probability` and `steady`.
        scale (float): Pixels of the crop per pixel of the frame.
    """
    size = len(probability)
    blurred = cv2.GaussianBlur(probability.astype(np.float32), (0, 0), PARSING_BLUR * size)
    face = (2 * blurred - 0.5).clip(0, 1)
    # The average reaches as far as is eroded before, so that 0 stays 0.
    edge = int(np.ceil(max(PARSED_EDGE * size, scale / STEEPEST))) | 1
    eroded = cv2.erode(face, np.ones((edge, edge), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return cv2.blur(eroded, (edge, edge), borderType=cv2.BORDER_CONSTANT).clip(0, 1)


def _sliding(frames: Iterable[np.ndarray], reach: int, reduce: Callable[..., np.ndarray]) -> Iterator[np.ndarray]:
    """Reduce each frame with its neighbours to both sides, of which there are fewer at the ends."""
    window: deque[np.ndarray] = deque(maxlen=2 * reach + 1)
    waiting = 0
    for frame in frames:
        window.append(frame)
        waiting += 1
        if waiting > reach:
            yield reduce(list(window), axis=0)
            waiting -= 1
    for left in range(waiting, 0, -1):
        yield reduce(list(window)[-left - reach :], axis=0)
