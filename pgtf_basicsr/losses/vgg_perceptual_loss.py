"""Distance of the features of a VGG network."""

from typing import Literal

import torch
import torchvision
from basicsr.archs.vgg_arch import NAMES
from basicsr.utils.registry import LOSS_REGISTRY
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import UserError
from ..images import IMAGENET_MEAN, IMAGENET_STD
from .backbones import FrozenBackboneLoss, load_backbone

__all__ = ['VGGPerceptualLoss']

# Per network: torchvision's file, and the layer compared unless others are asked for.
NETWORKS = {'vgg19': ('vgg19-dcbb9e9d.pth', 'conv5_4'), 'vgg16': ('vgg16-397923af.pth', 'conv5_3')}


@LOSS_REGISTRY.register()
class VGGPerceptualLoss(FrozenBackboneLoss):
    """Mean squared distance of VGG features (paper, Eq. 5).

    Σ over layers of weight · mean (φ(pred) − φ(target))², with φ the layer's output. Frames are RGB
    in [0, 1]; they are normalised by ImageNet's mean and standard deviation here. The paper does not say
    which layer; as in SRGAN and BasicSR, the default is the last convolution, before its activation.

    Args:
        layers (dict[str, float] | None): Weight of each layer by BasicSR's names, such as
            ``{'conv3_4': 1.0, 'relu5_4': 0.1}``; None is ``conv5_4`` (VGG-16: ``conv5_3``) with 1.
        weights (str | None): File with torchvision's names; None takes ``vgg19-dcbb9e9d.pth``
            (VGG-16: ``vgg16-397923af.pth``) from the torch hub cache. Nothing is downloaded.
        loss_weight (float): Factor of the loss.
        arch (str): ``vgg19`` or ``vgg16``.

    Raises:
        UserError: Unknown ``arch`` or layer, or ``weights`` missing or of another network.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        layers: dict[str, float] | None = None,
        weights: str | None = None,
        loss_weight: float = 1.0,
        arch: Literal['vgg19', 'vgg16'] = 'vgg19',
    ) -> None:
        if arch not in NETWORKS:
            raise UserError(f'VGGPerceptualLoss: arch must be one of {", ".join(NETWORKS)}, got {arch}')
        default_filename, default_layer = NETWORKS[arch]
        layers = layers or {default_layer: 1.0}
        unknown = [name for name in layers if name not in NAMES[arch]]
        if unknown:
            raise UserError(
                f'VGGPerceptualLoss: {arch} has no layer {", ".join(unknown)}; it has {", ".join(NAMES[arch])}'
            )

        depth = 1 + max(NAMES[arch].index(name) for name in layers)
        features = _build_features(arch, depth)
        halvings = sum(isinstance(layer, nn.MaxPool2d) for layer in features)
        super().__init__(min_size=2**halvings, loss_weight=loss_weight)
        load_backbone(features, weights, default_filename)
        self.features = features
        self.layer_weights = [layers.get(name) for name in NAMES[arch][:depth]]
        self.register_buffer('mean', torch.tensor(IMAGENET_MEAN).view(3, 1, 1))
        self.register_buffer('std', torch.tensor(IMAGENET_STD).view(3, 1, 1))
        self.freeze()

    def distance(self, pred: Tensor, target: Tensor) -> Tensor:
        """Compute the weighted sum of the layers' distances for frames (N, 3, H, W) in [0, 1]."""
        pred, target = ((frames - self.mean) / self.std for frames in (pred, target))
        losses = []
        for layer, weight in zip(self.features, self.layer_weights):
            pred, target = layer(pred), layer(target)
            if weight is not None:
                losses.append(weight * F.mse_loss(pred, target))
        return sum(losses[1:], losses[0])


def _build_features(arch: str, depth: int) -> nn.Sequential:
    """Build the first layers of a torchvision network, without weights."""
    # On the meta device, the classifier that is thrown away costs neither memory nor time.
    with torch.device('meta'):
        features = getattr(torchvision.models, arch)(weights=None).features[:depth]
    for layer in features:
        if isinstance(layer, nn.ReLU):
            layer.inplace = False  # a compared convolution's output must survive the next layer
    return features.to_empty(device='cpu')
