"""LPIPS as a loss."""

import warnings
from typing import Any, Literal

import lpips
from basicsr.utils.registry import LOSS_REGISTRY
from torch import Tensor, nn

from ..errors import UserError
from .backbones import FrozenBackboneLoss, load_backbone

__all__ = ['LPIPSLoss']

# Per network: torchvision's file, and the shortest side that leaves a pixel to its last layer.
NETWORKS = {'vgg': ('vgg16-397923af.pth', 16), 'alex': ('alexnet-owt-7be5be79.pth', 31)}


@LOSS_REGISTRY.register()
class LPIPSLoss(FrozenBackboneLoss):
    """Learned perceptual distance, the mean over frames (Zhang et al., CVPR 2018, version 0.1).

    Frames are RGB in [0, 1]; the [-1, 1] that LPIPS expects is made here. The linear heads come
    with the ``lpips`` package, the backbone from ``weights``; nothing is downloaded.

    Args:
        net (str): ``vgg`` (VGG-16, frames of 16 pixels or more) or ``alex`` (AlexNet, 31 or more).
        weights (str | None): Backbone file with torchvision's names; None takes
            ``vgg16-397923af.pth`` or ``alexnet-owt-7be5be79.pth`` from the torch hub cache.
        loss_weight (float): Factor of the loss.

    Raises:
        UserError: Unknown ``net``, or ``weights`` missing or of another network.
    """

    def __init__(
        self, net: Literal['vgg', 'alex'] = 'vgg', weights: str | None = None, loss_weight: float = 1.0
    ) -> None:
        if net not in NETWORKS:
            raise UserError(f'LPIPSLoss: net must be one of {", ".join(NETWORKS)}, got {net}')
        default_filename, min_size = NETWORKS[net]
        super().__init__(min_size, loss_weight)
        with warnings.catch_warnings():
            # lpips builds networks by an argument that torchvision has deprecated.
            warnings.filterwarnings('ignore', category=UserWarning, module='torchvision')
            self.lpips = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
        load_backbone(_torchvision_features(self.lpips.net), weights, default_filename)
        self.freeze()

    def distance(self, pred: Tensor, target: Tensor) -> Tensor:
        """Compute the mean LPIPS of frames (N, 3, H, W) in [0, 1]."""
        return self.lpips(pred, target, normalize=True).mean()


def _torchvision_features(trunk: Any) -> nn.Sequential:
    """Collect the layers that lpips cuts into slices in one module, by torchvision's numbers."""
    features = nn.Sequential()
    for index in range(trunk.N_slices):
        for number, layer in trunk.get_submodule(f'slice{index + 1}').named_children():
            features.add_module(number, layer)
    return features
