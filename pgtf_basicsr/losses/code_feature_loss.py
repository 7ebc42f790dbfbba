"""Distance of low-quality latents to the teacher's codes."""

from basicsr.utils.registry import LOSS_REGISTRY
from torch import Tensor, nn
from torch.nn import functional as F

from .shapes import check_same_shape

__all__ = ['CodeFeatureLoss']


@LOSS_REGISTRY.register()
class CodeFeatureLoss(nn.Module):
    """Mean squared distance of latents to the codebook vectors of the teacher's codes.

    mean (z − sg z_q)², with sg the stop-gradient: the encoder is trained, the codebook is not.

    Args:
        loss_weight (float): Factor of the loss.
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, latents: Tensor, quantized: Tensor) -> Tensor:
        """Compare latents (..., D) with codebook vectors (..., D); ValueError when shapes differ."""
        check_same_shape(latents, quantized)
        return self.loss_weight * F.mse_loss(latents, quantized.detach())
