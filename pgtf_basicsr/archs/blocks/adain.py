"""Adaptive instance normalisation (Huang and Belongie, 2017)."""

import torch
from torch import Tensor

__all__ = ['adain']


def adain(content: Tensor, style: Tensor, eps: float = 1e-5) -> Tensor:
    """Give ``content`` the mean and standard deviation of ``style``, per sample and channel.

    Args:
        content (Tensor): (N, C, H, W) at least two positions.
        style (Tensor): (N, C, H', W').
        eps (float): Added to the unbiased variance of both under the root. Default: 1e-5.

    Returns:
        Tensor: (N, C, H, W).
    """
    content_variance, content_mean = torch.var_mean(content, dim=(2, 3), keepdim=True)
    style_variance, style_mean = torch.var_mean(style, dim=(2, 3), keepdim=True)
    normalised = (content - content_mean) / (content_variance + eps).sqrt()
    return normalised * (style_variance + eps).sqrt() + style_mean
