"""Multi-scale residual learning: the paper's loss for stage IV."""

import torch
from basicsr.utils.registry import LOSS_REGISTRY
from torch import Tensor, nn
from torch.nn import functional as F

from ..argument_types import Counts
from ..errors import UserError
from .shapes import check_clip, check_same_shape

__all__ = ['MSRLLoss', 'temporal_difference']


@LOSS_REGISTRY.register()
class MSRLLoss(nn.Module):
    """L1 distance between the frame-to-frame changes of two videos, averaged over scales.

    Paper, Eq. 7, with Δ the difference of adjacent frames and ↓n downsampling by the factor n::

        mean over n in scales of mean |(Δ target)↓n − (Δ pred)↓n|

    Args:
        scales (sequence of int): Downsampling factors n, each 1 or more.
        loss_weight (float): Factor of the loss.
    """

    def __init__(self, scales: Counts = (1, 2, 3), loss_weight: float = 1.0) -> None:
        super().__init__()
        if not scales or any(not isinstance(scale, int) or scale < 1 for scale in scales):
            raise UserError(f'MSRLLoss: scales must be a list of integers of 1 or more, got {scales}')
        self.scales = tuple(scales)
        self.loss_weight = loss_weight

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        """Compare two videos (B, T, C, H, W) in [0, 1]; ValueError when T is below 2 or shapes differ."""
        check_same_shape(pred, target)
        target = target.detach()
        losses = [F.l1_loss(temporal_difference(pred, n), temporal_difference(target, n)) for n in self.scales]
        return self.loss_weight * sum(losses[1:], losses[0]) / len(self.scales)


def temporal_difference(video: Tensor, scale: int) -> Tensor:
    """Compute differences of adjacent frames, downsampled by an integer factor.

    Downsampling averages blocks of ``scale`` × ``scale`` pixels. Where a side is not a multiple of
    ``scale``, the last block averages the remaining pixels, so that every pixel counts. It is
    linear, hence the difference is downsampled instead of the frames.

    Args:
        video (Tensor): (B, T, C, H, W) with T of 2 or more.
        scale (int): The factor.

    Returns:
        Tensor: (B, T − 1, C, ⌈H / scale⌉, ⌈W / scale⌉), later frame minus earlier.

    Raises:
        ValueError: For another shape.
    """
    check_clip(video)
    difference = torch.diff(video, dim=1)
    downsampled = F.avg_pool2d(difference.flatten(0, 1), scale, ceil_mode=True)
    return downsampled.unflatten(0, difference.shape[:2])
