"""Several losses where a model takes one."""

from typing import Any

import torch
from basicsr.losses import build_loss
from basicsr.utils.registry import LOSS_REGISTRY
from torch import Tensor, nn

from ..config.registered_sections import FrameLoss, check_sections
from ..errors import UserError

__all__ = ['CombinedLoss', 'PerceptualPair']


@LOSS_REGISTRY.register()
class CombinedLoss(nn.Module):
    """Sum of any registered losses of frames, BasicSR's, this package's and others', where a model takes one::

        pixel_opt:
          type: CombinedLoss
          losses:
            l1: {type: L1Loss, loss_weight: 1.0}
            msrl: {type: MSRLLoss, scales: [1, 2, 3]}

    Of a loss that returns a pair, as BasicSR's PerceptualLoss does, both values are added.

    Attributes:
        values (dict[str, Tensor]): What each loss was the last time, {name: scalar}, without gradient.

    Args:
        losses (dict[str, dict]): {name: type and arguments of a loss}.

    Raises:
        UserError: A loss is not registered, does not take its arguments, or does not compare frames.
    """

    def __init__(self, losses: dict[str, FrameLoss]) -> None:
        super().__init__()
        if not losses:
            raise UserError('CombinedLoss: losses is empty; it must name one or more')
        check_sections(FrameLoss, losses, 'CombinedLoss', ('losses',))
        self.names = list(losses)
        # Not a ModuleDict, which refuses names such as type.
        self.losses = nn.ModuleList(map(build_loss, losses.values()))
        self.values: dict[str, Tensor] = {}

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        """Compare frames (N, C, H, W) or clips (B, T, C, H, W), whichever all of the losses take.

        Returns:
            Tensor: Scalar.
        """
        values = {name: _total(loss(pred, target)) for name, loss in zip(self.names, self.losses)}
        self.values = {name: value.detach() for name, value in values.items()}
        return torch.stack(list(values.values())).sum()


@LOSS_REGISTRY.register()
class PerceptualPair(nn.Module):
    """A loss in the form that BasicSR's models expect of ``perceptual_opt``, a pair of perceptual and style loss::

        perceptual_opt: {type: PerceptualPair, loss: {type: LPIPSLoss, net: vgg, weights: weights/vgg16-397923af.pth}}

    Args:
        loss (dict): Type and arguments of a loss of frames.

    Raises:
        UserError: As :class:`CombinedLoss`.
    """

    def __init__(self, loss: FrameLoss) -> None:
        super().__init__()
        check_sections(FrameLoss, {'loss': loss}, 'PerceptualPair')
        self.loss = build_loss(loss)

    def forward(self, pred: Tensor, target: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Compare frames or clips of the shapes that the loss takes.

        Returns:
            tuple: The loss and None, or the pair that it returns itself.
        """
        value = self.loss(pred, target)
        return value if isinstance(value, tuple) else (value, None)


def _total(value: Any) -> Tensor:
    """Add the values of a pair, of which either may be None."""
    if not isinstance(value, tuple):
        return value
    given = [item for item in value if item is not None]
    if not given:
        raise UserError('CombinedLoss: a loss has no weight, such as perceptual_weight 0: leave it out')
    return sum(given[1:], given[0])
