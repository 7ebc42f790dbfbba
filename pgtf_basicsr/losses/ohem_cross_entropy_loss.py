"""Cross entropy of labels over the hard pixels."""

import math

from basicsr.utils.registry import LOSS_REGISTRY
from torch import Tensor, nn
from torch.nn import functional as F

from ..argument_types import Share
from ..errors import UserError

__all__ = ['OhemCrossEntropyLoss']


@LOSS_REGISTRY.register()
class OhemCrossEntropyLoss(nn.Module):
    """Cross entropy with online hard example mining (Shrivastava et al., CVPR 2016), pixel by pixel.

    The mean is over pixels whose true class has a probability below the threshold, and over no fewer than a share of
    all pixels, the hardest ones. Large classes that are learnt soon, such as hair and background, then do not outweigh
    small ones. Threshold 1 or share 1 is the plain cross entropy.

    Args:
        threshold (float): Probability of the true class, above 0, from which a pixel is easy.
        min_share (float): Least share of pixels that count.
        loss_weight (float): Factor of the loss.
    """

    def __init__(self, threshold: Share = 0.7, min_share: Share = 1 / 16, loss_weight: float = 1.0) -> None:
        super().__init__()
        if not 0 < threshold <= 1 or not 0 <= min_share <= 1:
            raise UserError(
                'OhemCrossEntropyLoss: threshold must be above 0 and not above 1, min_share from 0 to 1, '
                f'got {threshold} and {min_share}'
            )
        self.threshold = threshold
        self.min_share = min_share
        self.loss_weight = loss_weight

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Compare logits (N, C, H, W) with labels (N, H, W) int64 in [0, C); ValueError when shapes disagree."""
        if logits.shape[:1] + logits.shape[2:] != labels.shape:
            raise ValueError(
                f'logits (N, C, H, W) and labels (N, H, W) disagree: {tuple(logits.shape)} and {tuple(labels.shape)}'
            )
        losses = F.cross_entropy(logits.float(), labels, reduction='none').flatten()
        least = max(math.ceil(self.min_share * losses.numel()), 1)
        hardest = losses.detach().topk(least).values[-1]
        # No branch on how many are hard: the CPU would have to wait for the GPU.
        counts = losses.detach() >= hardest.clamp(max=-math.log(self.threshold))
        return self.loss_weight * (losses * counts).sum() / counts.sum()
