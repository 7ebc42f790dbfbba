"""L1 of pixels and of their differences in time and space."""

import torch
from basicsr.utils.registry import LOSS_REGISTRY
from torch import Tensor, nn
from torch.nn import functional as F

from .shapes import check_clip, check_same_shape

__all__ = ['GradientL1Loss']


@LOSS_REGISTRY.register()
class GradientL1Loss(nn.Module):
    """L1 of a video plus L1 of its differences between frames, columns and rows.

    With Δ the difference of adjacent values along an axis::

        mean |pred − target| + Σ over t, x, y of weight · mean |Δ pred − Δ target|

    The published stage IV names such a loss (``GRADL1Loss``) and three numbers, 0.2, 0.05 and 0.05,
    without saying which is which. Assumed here: they are the weights in time, along x and along y,
    beside a pixel term of weight 1. It replaces the pixel loss.

    Args:
        temporal_weight (float): Weight of the differences between frames.
        horizontal_weight (float): Weight of the differences along x.
        vertical_weight (float): Weight of the differences along y.
        loss_weight (float): Factor of the whole loss.
    """

    def __init__(
        self,
        temporal_weight: float = 0.2,
        horizontal_weight: float = 0.05,
        vertical_weight: float = 0.05,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.axis_weights = {1: temporal_weight, -1: horizontal_weight, -2: vertical_weight}
        self.loss_weight = loss_weight

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        """Compare two videos (B, T, C, H, W) in [0, 1]; ValueError when T is below 2 or shapes differ."""
        check_same_shape(pred, target)
        check_clip(pred)
        target = target.detach()
        loss = F.l1_loss(pred, target)
        for axis, weight in self.axis_weights.items():
            loss = loss + weight * F.l1_loss(torch.diff(pred, dim=axis), torch.diff(target, dim=axis))
        return self.loss_weight * loss
