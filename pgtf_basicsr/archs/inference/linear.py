"""Products of matrices by the library of convolutions, which on a CPU without gradients is the faster one.

Torch's products of matrices in single precision are MKL's, which uses AVX-512 on Intel's processors alone; convolutions
are oneDNN's, which uses it on all that have it. On others both are about as fast.
"""

import torch
import torch.nn.functional as F
from torch import nn

__all__ = ['Linear', 'linear', 'pointwise']


class Linear(nn.Module):
    """As torch's module."""

    def __init__(self, layer):
        super().__init__()
        self.weight, self.bias = layer.weight, layer.bias

    def forward(self, x):
        return linear(x, self.weight, self.bias)


def linear(x, weight, bias=None):
    """As torch's function."""
    if x.device.type != 'cpu' or x.dtype != torch.float32:
        return F.linear(x, weight, bias)
    return pointwise(x.reshape(1, 1, -1, x.shape[-1]), weight, bias).view(*x.shape[:-1], len(weight))


def pointwise(x, weight, bias=None):
    """Maps (N, H, W, C) times weights (K, C), plus a bias (K,): (N, H, W, K)."""
    return F.conv2d(x.permute(0, 3, 1, 2), weight[:, :, None, None], bias).permute(0, 2, 3, 1)
