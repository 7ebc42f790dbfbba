"""MSRL as a metric: how well the changes from frame to frame are restored."""

import math

import numpy as np
import torch
from basicsr.utils.registry import METRIC_REGISTRY

from ..argument_types import Counts
from ..losses.msrl_loss import temporal_difference

__all__ = ['ResidualPSNR', 'calculate_msrl', 'msrl']


@METRIC_REGISTRY.register()
def calculate_msrl(img, img2, scales: Counts = (1, 2, 3), **kwargs):
    """Multi-scale residual PSNR in dB of two clips, higher is better; see :func:`msrl`.

    It takes whole clips (T, H, W, C), as its attribute ``per_clip`` says, where BasicSR's metrics take a frame.

    Args:
        img, img2 (ndarray): As there.
        scales (sequence of int): Factors by which the changes from frame to frame are downsampled.
    """
    return msrl(img, img2, scales)


calculate_msrl.per_clip = True
calculate_msrl.min_frames = lambda **options: ResidualPSNR.min_frames
calculate_msrl.accumulator = lambda scales=(1, 2, 3), **options: ResidualPSNR(scales)


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
    if img.shape != img2.shape or img.ndim != 4 or len(img) < ResidualPSNR.min_frames:
        raise ValueError(
            f'expected two clips of one shape (T, H, W, C), T of 2 or more, got {img.shape} and {img2.shape}'
        )
    residual = ResidualPSNR(scales)
    for restored, gt in zip(img, img2):
        residual.update(restored, gt)
    return residual.compute()


class ResidualPSNR:
    """Accumulates `msrl` frame by frame.

    Args:
        scales (sequence of int): The factors n.
    """

    min_frames = 2

    def __init__(self, scales=(1, 2, 3)):
        self._scales = tuple(scales)
        self._errors = np.zeros(len(self._scales))
        self._pairs = 0
        self._previous = None

    def update(self, restored, gt):
        """Take the next frame of each clip, (H, W, C) uint8.

        Returns:
            float: dB of this change alone, of which the score is no mean; nan for the first frame.
        """
        previous, self._previous = self._previous, (restored, gt)
        if previous is None:
            return math.nan
        pairs = [_video(before, now) for before, now in zip(previous, self._previous)]
        errors = np.array(
            [
                torch.mean((temporal_difference(pairs[0], n) - temporal_difference(pairs[1], n)) ** 2).item()
                for n in self._scales
            ]
        )
        self._errors += errors
        self._pairs += 1
        return _decibels(errors)

    def compute(self):
        """Score in dB; nan before the second frame."""
        return _decibels(self._errors / self._pairs) if self._pairs else math.nan


def _decibels(errors):
    return float(np.mean([math.inf if mse == 0 else 10 * math.log10(255**2 / mse) for mse in errors]))


def _video(*frames):
    return torch.from_numpy(np.stack(frames).astype(np.float64)).permute(0, 3, 1, 2).unsqueeze(0)
