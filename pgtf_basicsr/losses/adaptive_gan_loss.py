"""Adversarial loss whose weight follows the reconstruction loss."""

from typing import Literal

import torch
from basicsr.losses.gan_loss import GANLoss
from basicsr.utils.dist_util import get_dist_info
from basicsr.utils.registry import LOSS_REGISTRY
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn import functional as F

from ..argument_types import NonNegative, Positive
from ..errors import UserError

__all__ = ['AdaptiveGANLoss']


@LOSS_REGISTRY.register()
class AdaptiveGANLoss(GANLoss):
    """Adversarial loss with the adaptive weight of VQGAN (Esser et al., CVPR 2021).

    With x the logits of the discriminator and D = sigmoid(x), means over all logits:

    ==========  ============================  ==================
    gan_type    discriminator: real, fake     generator
    ==========  ============================  ==================
    hinge       max(0, 1 − x), max(0, 1 + x)  −x
    vanilla     −log D, −log(1 − D)           log(1 − D)
    ==========  ============================  ==================

    ``hinge`` is the published choice. ``vanilla`` is the paper's Eq. 5 to the letter: its generator
    minimises log(1 − D), not −log D as BasicSR's does; the adaptive weight makes up for the small
    slope where D is near 0. A training step of the generator reads::

        l_g_gan = cri_gan(net_d(output), True)
        l_g_gan = cri_gan.adaptive_weight(l_rec, l_g_gan, last_layer) * l_g_gan

    Args:
        gan_type (str): ``hinge`` or ``vanilla``.
        loss_weight (float): Factor of the generator's loss, above 0; the discriminator's has none.
        max_weight (float): Upper limit of the adaptive weight.
    """

    def __init__(
        self,
        gan_type: Literal['hinge', 'vanilla'] = 'hinge',
        loss_weight: Positive = 0.75,
        max_weight: NonNegative = 1e4,
    ) -> None:
        if gan_type not in ('hinge', 'vanilla'):
            raise UserError(f'AdaptiveGANLoss: gan_type must be hinge or vanilla, got {gan_type}')
        if loss_weight <= 0:
            raise UserError(
                f'AdaptiveGANLoss: loss_weight must be above 0, got {loss_weight}; '
                'leave the loss out to train without it'
            )
        super().__init__(gan_type, loss_weight=loss_weight)
        self.max_weight = max_weight

    def forward(self, input: Tensor, target_is_real: bool, is_disc: bool = False) -> Tensor:
        """Compute the loss of logits of any shape, as BasicSR's GANLoss does.

        Args:
            input (Tensor): Logits of the discriminator.
            target_is_real (bool): Whether they should be judged real; True for the generator.
            is_disc (bool): Whether this trains the discriminator.

        Returns:
            Tensor: Scalar, times ``loss_weight`` for the generator.

        Raises:
            ValueError: ``target_is_real`` is a tensor, as where this stands for a loss of pixels.
        """
        if isinstance(target_is_real, Tensor):
            raise ValueError('AdaptiveGANLoss judges logits and compares no frames: it belongs under gan_opt')
        if self.gan_type == 'vanilla' and not is_disc:
            return -self.loss_weight * F.softplus(input).mean()  # −softplus(x) = log(1 − sigmoid(x))
        return super().forward(input, target_is_real, is_disc)

    def adaptive_weight(
        self,
        reconstruction_loss: Tensor,
        adversarial_loss: Tensor,
        last_layer: nn.Parameter,
        loss_scale: float | Tensor = 1.0,
    ) -> Tensor:
        """Compute the weight that makes the adversarial gradient as large as the reconstruction's.

        It is ‖∇ rec‖ / (‖∇ adv‖ + 1e-4) at the last layer, clamped to [0, max_weight].
        ``loss_weight`` is divided out of the adversarial gradient here, so that the product of the
        returned weight and ``adversarial_loss`` contains it exactly once. The graphs are kept.

        Args:
            reconstruction_loss (Tensor): Scalar.
            adversarial_loss (Tensor): Scalar, as ``forward`` returned it for the generator.
            last_layer (Parameter): Weight of the generator's last trainable layer.
            loss_scale (float | Tensor): Scale of mixed precision, a scalar: it keeps fp16
                gradients from vanishing on their way; the result is the same.

        Returns:
            Tensor: Scalar in [0, max_weight] without gradient, the mean over all ranks.
        """
        reconstruction = _gradient_norm(reconstruction_loss, last_layer, loss_scale)
        adversarial = _gradient_norm(adversarial_loss, last_layer, loss_scale) / self.loss_weight
        weight = (reconstruction / (adversarial + 1e-4)).clamp(0, self.max_weight)
        return _mean_over_ranks(weight)


def _gradient_norm(loss: Tensor, parameter: nn.Parameter, loss_scale: float | Tensor) -> Tensor:
    (gradient,) = torch.autograd.grad(loss * loss_scale, parameter, retain_graph=True)
    return gradient.float().norm() / loss_scale


def _mean_over_ranks(value: Tensor) -> Tensor:
    _, world_size = get_dist_info()
    if world_size > 1:
        dist.all_reduce(value)
        value = value / world_size
    return value
