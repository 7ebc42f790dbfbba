"""Cross entropy of predicted codes."""

from basicsr.utils.registry import LOSS_REGISTRY
from torch import Tensor, nn
from torch.nn import functional as F

from ..argument_types import Share

__all__ = ['CodeCrossEntropyLoss', 'code_cross_entropy']


@LOSS_REGISTRY.register()
class CodeCrossEntropyLoss(nn.Module):
    """Mean cross entropy between predicted codes and the teacher's codes.

    Args:
        loss_weight (float): Factor of the loss.
        label_smoothing (float): Share in [0, 1] of the target spread evenly over all N codes.
    """

    def __init__(self, loss_weight: float = 1.0, label_smoothing: Share = 0.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.label_smoothing = label_smoothing

    def forward(self, logits: Tensor, codes: Tensor) -> Tensor:
        """Compare logits (..., N) with codes (...) int64 in [0, N); ValueError when shapes disagree."""
        return self.loss_weight * code_cross_entropy(logits, codes, self.label_smoothing).mean()


def code_cross_entropy(logits: Tensor, codes: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Compute the cross entropy of each code, in nats.

    Args:
        logits (Tensor): (..., N), such as (B, T, h, w, N).
        codes (Tensor): (...), int64 in [0, N).
        label_smoothing (float): As in :class:`CodeCrossEntropyLoss`.

    Returns:
        Tensor: (...), 0 or more.

    Raises:
        ValueError: When the shapes disagree.
    """
    if logits.shape[:-1] != codes.shape:
        raise ValueError(f'logits (..., N) and codes (...) disagree: {tuple(logits.shape)} and {tuple(codes.shape)}')
    losses = F.cross_entropy(logits.flatten(0, -2), codes.flatten(), reduction='none', label_smoothing=label_smoothing)
    return losses.view_as(codes)
