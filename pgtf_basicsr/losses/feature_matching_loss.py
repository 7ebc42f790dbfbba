"""Distance of what a discriminator's layers make of restored and of real frames."""

from collections.abc import Sequence

from basicsr.utils.registry import LOSS_REGISTRY
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ['FeatureMatchingLoss']


@LOSS_REGISTRY.register()
class FeatureMatchingLoss(nn.Module):
    """Feature matching of pix2pixHD (Eq. 4), as ``feature_matching_opt`` of BasicSR's HiFaceGANModel.

    The sum over layers of mean \\|D(pred) − D(real)\\|, all but the last layer, which is the verdict; the mean over
    discriminators. BasicSR's option file names a loss for it that BasicSR 1.4.2 does not have.

    Args:
        loss_weight (float): Factor of the loss.
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, pred_features: Sequence[Sequence[Tensor]], real_features: Sequence[Sequence[Tensor]]) -> Tensor:
        """Compare outputs of the layers of each discriminator, lists of lists, as HiFaceGANDiscriminator returns them.

        Returns:
            Tensor: Scalar; its gradient goes to `pred_features` alone.

        Raises:
            ValueError: These are not lists.
        """
        if not isinstance(pred_features, (list, tuple)):
            raise ValueError(
                'expected a list of features for each discriminator, as feature_matching_opt of HiFaceGANModel gives'
            )
        losses = [
            F.l1_loss(pred, real.detach())
            for pred_layers, real_layers in zip(pred_features, real_features)
            for pred, real in zip(pred_layers[:-1], real_layers[:-1])
        ]
        return self.loss_weight * sum(losses[1:], losses[0]) / len(pred_features)
