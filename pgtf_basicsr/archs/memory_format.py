"""How feature maps lie in memory."""

import torch
from torch import Tensor

__all__ = ['channels_last']


def channels_last(x: Tensor) -> Tensor:
    """Return the tensor (N, C, H, W) with channels last in memory; no copy where they are."""
    return x.contiguous(memory_format=torch.channels_last)
