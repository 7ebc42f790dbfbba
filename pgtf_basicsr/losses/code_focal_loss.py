"""Focal loss of predicted codes."""

import torch
from basicsr.utils.registry import LOSS_REGISTRY
from torch import Tensor, nn

from ..argument_types import NonNegative
from ..errors import UserError
from .code_cross_entropy_loss import code_cross_entropy

__all__ = ['CodeFocalLoss']


@LOSS_REGISTRY.register()
class CodeFocalLoss(nn.Module):
    """Focal loss of codes: cross entropy that counts well-predicted codes less.

    With p the probability of the teacher's code: mean of −(1 − p)^γ log p (Lin et al., *Focal Loss
    for Dense Object Detection*, ICCV 2017). γ = 0 is the cross entropy. The published stage IV
    names a focal loss without its γ; 2, that paper's own choice, is assumed.

    Args:
        gamma (float): The exponent γ, 0 or more.
        loss_weight (float): Factor of the loss.
    """

    def __init__(self, gamma: NonNegative = 2.0, loss_weight: float = 1.0) -> None:
        super().__init__()
        if gamma < 0:
            raise UserError(f'CodeFocalLoss: gamma must be 0 or more, got {gamma}')
        self.gamma = gamma
        self.loss_weight = loss_weight

    def forward(self, logits: Tensor, codes: Tensor) -> Tensor:
        """Compare logits (..., N) with codes (...) int64 in [0, N); ValueError when shapes disagree."""
        cross_entropy = code_cross_entropy(logits, codes)
        # 1 − p without cancellation; kept off zero, where the power has no finite slope for gamma < 1.
        miss = -torch.expm1(-cross_entropy)
        miss = miss.clamp(min=torch.finfo(miss.dtype).tiny)
        return self.loss_weight * (miss**self.gamma * cross_entropy).mean()
