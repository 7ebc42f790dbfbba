"""Face parsing network E_p: facexlib's BiSeNet."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from basicsr.utils.registry import ARCH_REGISTRY
from facexlib.parsing.bisenet import BiSeNet
from torch import Tensor

from ..argument_types import Count
from ..images import IMAGENET_MEAN, IMAGENET_STD
from .pretrained import Pretrained

__all__ = ['FaceParsingNet']


@ARCH_REGISTRY.register()
class FaceParsingNet(Pretrained, BiSeNet):
    """Face parsing by BiSeNet, for frames in [0, 1], with its three outputs at any size.

    Tensor names are facexlib's, so its ``parsing_bisenet.pth`` loads as it is.

    Args:
        num_classes (int): Classes of the face parsing. Default: 19, as of CelebAMask-HQ.
    """

    mean: Tensor
    std: Tensor
    # facexlib has no types.
    cp: Any
    ffm: Any
    conv_out: Any
    conv_out16: Any
    conv_out32: Any

    def __init__(self, num_classes: Count = 19) -> None:
        super().__init__(num_classes)
        self.num_classes = num_classes
        # ImageNet's statistics; not in the state dict, because they are no weights, and so never on the meta device.
        for name, values in (('mean', IMAGENET_MEAN), ('std', IMAGENET_STD)):
            values = torch.tensor(values, device='cpu')
            self.register_buffer(name, values.view(1, 3, 1, 1), persistent=False)

    def forward(self, frames: Tensor) -> tuple[Tensor, ...]:
        """Compute the logits of the main, the 1/8 and the 1/16 head at the size of the frames.

        Args:
            frames (Tensor): (N, 3, H, W), RGB in [0, 1].

        Returns:
            tuple[Tensor]: Three times (N, num_classes, H, W).
        """
        return tuple(resize(head, frames.shape[2:]) for head in self.heads(frames))

    def features(self, frames: Tensor, size: Sequence[int]) -> Tensor:
        """Compute the three heads at ``size``, concatenated; (N, 3, H, W) -> (N, 3 * num_classes, *size)."""
        return joined(self.heads(frames), size)

    @property
    def is_trained(self) -> bool:
        """Whether it was trained, or trained weights were loaded: training moves the statistics of BatchNorm."""
        return any(bool(mean.any()) for name, mean in self.named_buffers() if name.endswith('running_mean'))

    def heads(self, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compute the logits of the three heads, each at its own size (H / 8, H / 8, H / 16)."""
        normalised = (frames.to(self.mean.dtype) - self.mean) / self.std
        shallow, context8, context16 = self.cp(normalised.to(self.conv_out.conv_out.weight.dtype))
        main, _ = self.conv_out(self.ffm(shallow, context8))
        return main, self.conv_out16(context8)[0], self.conv_out32(context16)[0]


def joined(heads: Sequence[Tensor], size: Sequence[int]) -> Tensor:
    """Concatenate heads (N, C, h, w) at ``size``; see :meth:`FaceParsingNet.features`."""
    return torch.cat([resize(head, size) for head in heads], dim=1)


def resize(x: Tensor, size: Sequence[int]) -> Tensor:
    """Resize bilinearly with aligned corners, as BiSeNet resizes its own outputs."""
    return F.interpolate(x, tuple(size), mode='bilinear', align_corners=True)
