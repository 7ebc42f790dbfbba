"""Images as arrays and as tensors: conversions that all rooms share."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch

__all__ = ['IMAGENET_MEAN', 'IMAGENET_STD', 'resize', 'to_image', 'to_tensor']

# Mean and standard deviation of ImageNet, RGB in [0, 1], which torchvision's backbones expect.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def to_tensor(image: np.ndarray) -> torch.Tensor:
    """Convert images (..., H, W, 3) uint8 to a tensor (..., 3, H, W), float32 in [0, 1].

    NumPy does the arithmetic: torch's thread pool in a loader thread slows training down.
    """
    channels_first = np.ascontiguousarray(np.moveaxis(image, -1, -3), dtype=np.float32)
    channels_first /= 255
    return torch.from_numpy(channels_first)


def to_image(frames: torch.Tensor) -> np.ndarray:
    """Convert a tensor (..., 3, H, W), of any values, to images (..., H, W, 3) uint8; values are clamped to [0, 1]."""
    return (frames.detach().clamp(0, 1) * 255).round().to(torch.uint8).movedim(-3, -1).cpu().numpy()


def resize(image: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Resize an image (H, W, C) to (width, height): by area where it shrinks, bicubic where it grows."""
    if image.shape[1::-1] == tuple(size):
        return image
    shrinks = size[0] * size[1] < image.shape[0] * image.shape[1]
    return cv2.resize(image, tuple(size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
