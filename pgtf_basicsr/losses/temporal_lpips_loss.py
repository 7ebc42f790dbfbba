"""LPIPS of frames and of the changes between them."""

from typing import Literal

import torch
from basicsr.utils.registry import LOSS_REGISTRY
from torch import Tensor, nn

from .lpips_loss import LPIPSLoss
from .shapes import check_clip, check_same_shape

__all__ = ['TemporalLPIPSLoss']


@LOSS_REGISTRY.register()
class TemporalLPIPSLoss(nn.Module):
    """LPIPS of frames plus LPIPS of the differences of adjacent frames.

    LPIPS(pred, target) + tgrad_weight · LPIPS((Δ pred + 1) / 2, (Δ target + 1) / 2).

    The published stage IV names this loss and the weight 0.8 only; the sum, and the mapping of
    differences from [-1, 1] to the [0, 1] of frames (no change is mid-grey), are assumed here.

    Args:
        tgrad_weight (float): Weight of the differences.
        net, weights: As in :class:`LPIPSLoss`.
        loss_weight (float): Factor of the whole loss.
    """

    def __init__(
        self,
        tgrad_weight: float = 0.8,
        net: Literal['vgg', 'alex'] = 'vgg',
        weights: str | None = None,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.lpips = LPIPSLoss(net, weights)
        self.tgrad_weight = tgrad_weight
        self.loss_weight = loss_weight

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        """Compare two videos (B, T, 3, H, W) in [0, 1]; ValueError when T is below 2 or shapes differ."""
        check_same_shape(pred, target)
        check_clip(pred)
        differences = [(torch.diff(video, dim=1) + 1) / 2 for video in (pred, target)]
        return self.loss_weight * (self.lpips(pred, target) + self.tgrad_weight * self.lpips(*differences))
