"""Matrix products by oneDNN's convolutions, which on a CPU without gradients are faster.

Torch's matrix products in fp32 are MKL's, which uses AVX-512 on Intel's processors alone; convolutions are oneDNN's,
which uses it on all that have it. On others both are about as fast.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import blocks
from .counterpart import Counterpart

__all__ = ['Linear', 'PredictorLayer', 'linear', 'pointwise']


class Linear(Counterpart, nn.Linear):
    """As torch's module."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., K)."""
        return linear(x, self.weight, self.bias)


class PredictorLayer(Counterpart, blocks.PredictorLayer):
    """As :class:`~pgtf_basicsr.archs.blocks.PredictorLayer`."""

    @staticmethod
    def project(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Map tokens linearly to queries and keys, or to values."""
        return linear(x, weight, bias)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Compute torch's function of this name."""
    if x.device.type != 'cpu' or x.dtype != torch.float32:
        return F.linear(x, weight, bias)
    return pointwise(x.reshape(1, 1, -1, x.shape[-1]), weight, bias).view(*x.shape[:-1], len(weight))


def pointwise(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Multiply feature maps (N, H, W, C) by weights (K, C), and add a bias (K,): (N, H, W, K)."""
    return F.conv2d(x.permute(0, 3, 1, 2), weight[:, :, None, None], bias).permute(0, 2, 3, 1)
