"""Adaptive instance normalisation (Huang and Belongie, 2017)."""

import torch
from torch import Tensor

from .shapes import check_shape

__all__ = ['adain']


def adain(content: Tensor, style: Tensor, eps: float = 1e-5) -> Tensor:
    """Give ``content`` the mean and standard deviation of ``style``, per sample and channel.

    Args:
        content (Tensor): (N, C, H, W), of at least two positions.
        style (Tensor): (N, C, H', W'), of at least two positions.
        eps (float): Added to the unbiased variance of both under the root. Default: 1e-5.

    Returns:
        Tensor: (N, C, H, W).

    Raises:
        ValueError: For other shapes.

    Example:
        >>> content, style = torch.randn(2, 16, 5, 7), 3 + torch.randn(2, 16, 8, 8)
        >>> out = adain(content, style)
        >>> out.shape, torch.allclose(out.mean((2, 3)), style.mean((2, 3)), atol=1e-4)
        (torch.Size([2, 16, 5, 7]), True)
    """
    check_shape(content, 'content of adain', 'N', 'C', 'H', 'W')
    check_shape(style, 'style of adain', *content.shape[:2], 'H', 'W')
    if 1 in (content[0, 0].numel(), style[0, 0].numel()):
        raise ValueError('adain needs at least two positions of content and of style: one has no variance')
    content_variance, content_mean = torch.var_mean(content, dim=(2, 3), keepdim=True)
    style_variance, style_mean = torch.var_mean(style, dim=(2, 3), keepdim=True)
    normalised = (content - content_mean) / (content_variance + eps).sqrt()
    return normalised * (style_variance + eps).sqrt() + style_mean
