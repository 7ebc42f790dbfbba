"""MSRL as a metric: how well the changes from frame to frame are restored."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from basicsr.utils.registry import METRIC_REGISTRY

from ..argument_types import Counts
from ..config.metric_specification import MetricSpecification, specified_by
from ..losses.msrl_loss import temporal_difference
from .accumulators import SINGLE_FRAMES
from .unknown_options import refuse_unknown_options

__all__ = ['ResidualPSNR', 'calculate_msrl', 'msrl']

SCALES = (1, 2, 3)


def msrl(img: np.ndarray, img2: np.ndarray, scales: Sequence[int] = SCALES) -> float:
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
            + (SINGLE_FRAMES if img.ndim == 3 else '')
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

    def __init__(self, scales: Sequence[int] = SCALES) -> None:
        self._scales = tuple(scales)
        self._errors = np.zeros(len(self._scales))
        self._pairs = 0
        self._previous: tuple[np.ndarray, np.ndarray] | None = None

    def update(self, restored: np.ndarray, gt: np.ndarray) -> float:
        """Take the next frame of each clip, (H, W, C) uint8.

        Returns:
            float: dB of this change alone, nan for the first frame.  The score is that of the mean error, not the mean
            of these values.
        """
        frames = restored, gt
        previous, self._previous = self._previous, frames
        if previous is None:
            return math.nan
        pairs = [_video(before, now) for before, now in zip(previous, frames)]
        errors = np.array(
            [
                torch.mean((temporal_difference(pairs[0], n) - temporal_difference(pairs[1], n)) ** 2).item()
                for n in self._scales
            ]
        )
        self._errors += errors
        self._pairs += 1
        return _decibels(errors)

    def compute(self) -> float:
        """Score in dB; nan before the second frame."""
        return _decibels(self._errors / self._pairs) if self._pairs else math.nan


@METRIC_REGISTRY.register()
@specified_by(
    MetricSpecification(
        title='MSRL',
        unit='dB',
        digits=2,
        min_frames=ResidualPSNR.min_frames,
        accumulator=lambda scales=SCALES, **options: ResidualPSNR(scales),
    )
)
def calculate_msrl(img: np.ndarray, img2: np.ndarray, scales: Counts = SCALES, **kwargs: Any) -> float:
    """Multi-scale residual PSNR in dB of two clips, higher is better; see :func:`msrl`.

    Args:
        img, img2 (ndarray): Restored and real clip (T, H, W, C), uint8, T of 2 or more.
        scales (sequence of int): Factors by which the changes from frame to frame are downsampled.
    """
    refuse_unknown_options(calculate_msrl, kwargs)
    return msrl(img, img2, scales)


def _decibels(errors: np.ndarray) -> float:
    return float(np.mean([math.inf if mse == 0 else 10 * math.log10(255**2 / mse) for mse in errors]))


def _video(*frames: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.stack(frames).astype(np.float64)).permute(0, 3, 1, 2).unsqueeze(0)
