"""Networks arranged for training on a GPU: channels-last, and GroupNorm with SiLU by kernels, forward and backward.

Under autocast torch computes both in fp32: of each value it moves 32 bytes forward and 44 backward, and keeps 10, input
and normalised value in fp32 and the activated one in half precision. The kernels move 6 and 10, and keep 4, input and
activated value in half precision. Feature maps stay channels-last, in which convolutions are fastest; torch's GroupNorm
on a GPU copied them to the other order until 2026 (pytorch/pytorch, pull request 191945).
"""

from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from . import blocks
from .counterpart import Counterpart, replace
from .kernels import normalised_silu_backward, normalised_silu_forward
from .memory_format import channels_last

__all__ = ['COUNTERPARTS', 'for_training', 'normalised_silu']


def for_training(net: nn.Module) -> None:
    """Turn a network, in place, into one that trains with fewer bytes moved and kept, on a GPU.

    Names and values of parameters and buffers stay as they are, and so does what is computed, up to rounding.

    Args:
        net (nn.Module): Such as TSVQGAN or PGTFormer.
    """
    replace(net, COUNTERPARTS)


class NormalisedSiLU(torch.autograd.Function):
    """SiLU of a group normalisation; of it the input alone is kept for the backward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float) -> Tensor:
        x = channels_last(x)
        out, affine, statistics = normalised_silu_forward(x, weight, bias, groups, eps)
        ctx.save_for_backward(x, affine, statistics, weight)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, affine, statistics, weight = ctx.saved_tensors
        of_x, of_weight, of_bias = normalised_silu_backward(channels_last(gradient), x, affine, statistics, weight)
        return of_x, of_weight.to(weight.dtype), of_bias.to(weight.dtype), None, None


def normalised_silu(x: Tensor, norm: nn.GroupNorm) -> Tensor:
    """Compute SiLU(norm(x)), of which gradients of first order can be taken; (N, C, H, W), to channels-last."""
    return NormalisedSiLU.apply(x, norm.weight, norm.bias, norm.num_groups, norm.eps)


class ResidualBlock(Counterpart, blocks.ResidualBlock):
    """As :class:`~pgtf_basicsr.archs.blocks.ResidualBlock`."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, H, W)."""
        x = channels_last(x)
        y = self.conv1(normalised_silu(x, self.norm1))
        y = self.conv2(self.dropout(normalised_silu(y, self.norm2)))
        return self.shortcut(x) + y


class Encoder(Counterpart, blocks.Encoder):
    """As :class:`~pgtf_basicsr.archs.blocks.Encoder`."""

    def tail(self, x: Tensor) -> Tensor:
        """Normalise, activate and convolve the output of the middle."""
        return self.conv_out(normalised_silu(x, self.norm_out))


class Decoder(Counterpart, blocks.Decoder):
    """As :class:`~pgtf_basicsr.archs.blocks.Decoder`."""

    def tail(self, x: Tensor) -> Tensor:
        """Normalise, activate and convolve the output of the finest level."""
        return self.conv_out(normalised_silu(x, self.norm_out))


class Swin3DLayer(Counterpart, blocks.Swin3DLayer):
    """As :class:`~pgtf_basicsr.archs.blocks.Swin3DLayer`, whose result stays channels-last."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C, H, W) -> (B, T, C, H, W)."""
        # No copy, unless it is the first layer.
        x = rearrange(x, 'b t c h w -> b t h w c').contiguous()
        for block in self.blocks:
            x = block(x)
        return rearrange(x, 'b t h w c -> b t c h w')


COUNTERPARTS: dict[type[nn.Module], type[Counterpart]] = {
    blocks.ResidualBlock: ResidualBlock,
    blocks.Swin3DLayer: Swin3DLayer,
    blocks.Encoder: Encoder,
    blocks.Decoder: Decoder,
}
