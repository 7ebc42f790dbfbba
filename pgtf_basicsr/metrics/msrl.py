"""MSRL as a metric: how well the changes from frame to frame are restored."""
import math

import numpy as np
import torch
from basicsr.utils.registry import METRIC_REGISTRY

from ..argument_types import Counts
from ..losses.msrl_loss import temporal_difference

__all__ = ['calculate_msrl', 'msrl']


@METRIC_REGISTRY.register()
def calculate_msrl(img, img2, scales: Counts = (1, 2, 3), **kwargs):
    """Multi-scale residual PSNR in dB of two clips, higher is better; see :func:`msrl`.

    Its attribute ``per_clip`` tells validation to hand over whole clips (T, H, W, C) where
    BasicSR's metrics get one frame at a time.

    Args:
        img, img2 (ndarray): As there.
        scales (sequence of int): Factors by which the changes from frame to frame are downsampled.
    """
    return msrl(img, img2, scales)


calculate_msrl.per_clip = True


def msrl(img, img2, scales=(1, 2, 3)):
    """PSNR between the frame-to-frame changes of two clips, averaged over scales (paper, Eq. 7, as a metric).

    For each factor n, the differences of adjacent frames are downsampled by n (block average, see
    ``temporal_difference``) and compared by 10·log10(255² / MSE), the MSE taken over the whole clip.

    Args:
        img (ndarray): Restored clip (T, H, W, C), uint8, T of 2 or more.
        img2 (ndarray): Real clip of the same shape.
        scales (sequence of int): The factors n.

    Returns:
        float: dB; inf when the changes are identical at some scale.

    Raises:
        ValueError: Shapes differ or are not those of a clip.
    """
    if img.shape != img2.shape or img.ndim != 4 or len(img) < 2:
        raise ValueError('expected two clips of one shape (T, H, W, C), T of 2 or more, '
                         f'got {img.shape} and {img2.shape}')
    return float(np.mean([_difference_psnr(img, img2, scale) for scale in scales]))


def _difference_psnr(img, img2, scale):
    # Pair by pair, so that a long clip takes no more memory than a short one.
    errors = [
        torch.mean((_difference(img[t:t + 2], scale) - _difference(img2[t:t + 2], scale))**2).item()
        for t in range(len(img) - 1)
    ]
    mse = np.mean(errors)
    return math.inf if mse == 0 else 10 * math.log10(255**2 / mse)


def _difference(frames, scale):
    video = torch.from_numpy(frames.astype(np.float64)).permute(0, 3, 1, 2)
    return temporal_difference(video.unsqueeze(0), scale)
