"""Triton kernels for what lies between two convolutions, on feature maps that are channels-last in memory.

A convolution of a GPU takes about as long as three or four passes over its feature maps. Written with torch's
functions, bias, normalisation, activation and residual sum are nine; here they are five.
"""

from contextlib import AbstractContextManager, nullcontext

import torch
import triton
import triton.language as tl
from torch import Tensor, nn

from ..row_tiles import channels_last

__all__ = ['add_shortcut', 'normalised_silu']

# Values that a program of the GPU handles at a time.
BLOCK = 4096
# Programs among which the positions of a frame are divided, at most.
PARTS = 512


def normalised_silu(x: Tensor, norm: nn.GroupNorm, bias: Tensor | None = None) -> Tensor:
    """Compute SiLU(norm(x + bias)); statistics are in fp32, about the first value of each channel.

    Args:
        x (Tensor): (N, C, H, W).
        norm (nn.GroupNorm): Of C channels, with weight and bias.
        bias (Tensor | None): (C,), that of the convolution before. Default: none.

    Returns:
        Tensor: (N, C, H, W), channels-last, of the type of ``x``.
    """
    x = channels_last(x)
    frames, channels, height, width = x.shape
    positions, block = height * width, triton.next_power_of_2(channels)
    rows = max(1, BLOCK // block)
    parts = min(PARTS, triton.cdiv(positions, rows))
    share = triton.cdiv(triton.cdiv(positions, parts), rows) * rows
    sums = torch.empty(2, frames, parts, channels, device=x.device)
    affine = torch.empty(2, frames, channels, device=x.device)
    out = torch.empty_like(x)
    per_group = channels // norm.num_groups
    with on_device_of(x):
        _sums[frames, parts](x, sums, positions, channels, share, frames * parts * channels, rows, block)
        _affine[frames, norm.num_groups](
            x,
            sums,
            affine,
            norm.weight,
            norm.bias,
            norm.bias if bias is None else bias,
            positions,
            channels,
            parts,
            frames * parts * channels,
            frames * channels,
            norm.eps,
            bias is not None,
            per_group,
            triton.next_power_of_2(per_group),
            triton.next_power_of_2(parts),
        )
        _silu[triton.cdiv(positions, rows), frames](x, affine, out, positions, channels, frames * channels, rows, block)
    return out


def add_shortcut(x: Tensor, bias: Tensor, shortcut: Tensor) -> Tensor:
    """Compute x + bias + shortcut, in place of ``x``.

    Args:
        x (Tensor): (N, C, H, W), channels-last.
        bias (Tensor): (C,).
        shortcut (Tensor): (N, C, H, W).

    Returns:
        Tensor: ``x``.
    """
    shortcut = channels_last(shortcut)
    with on_device_of(x):
        _add[(triton.cdiv(x.numel(), BLOCK),)](x, bias, shortcut, x.numel(), x.shape[1], BLOCK)
    return x


def on_device_of(x: Tensor) -> AbstractContextManager[object]:
    """Make the GPU of a tensor the current one, on which kernels are launched."""
    return torch.cuda.device(x.device) if x.is_cuda else nullcontext()


@triton.jit
def _sums(x, sums, positions, channels, share, offset, rows: tl.constexpr, block: tl.constexpr):  # type: ignore[no-untyped-def]
    """Sum up differences to the first value of a channel, and their squares, of a share of a frame's positions."""
    frame, part, parts = tl.program_id(0), tl.program_id(1), tl.num_programs(1)
    channel = tl.arange(0, block)
    inside = channel < channels
    x += frame.to(tl.int64) * positions * channels
    first = tl.load(x + channel, mask=inside, other=0.0).to(tl.float32)
    total = tl.zeros([block], tl.float32)
    square = tl.zeros([block], tl.float32)
    for start in range(0, share, rows):
        position = part * share + start + tl.arange(0, rows)
        mask = (position < positions)[:, None] & inside[None, :]
        value = tl.load(x + position[:, None].to(tl.int64) * channels + channel[None, :], mask=mask, other=0.0)
        value = tl.where(mask, value.to(tl.float32) - first[None, :], 0.0)
        total += tl.sum(value, axis=0)
        square += tl.sum(value * value, axis=0)
    sums += (frame * parts + part) * channels + channel
    tl.store(sums, total, mask=inside)
    tl.store(sums + offset, square, mask=inside)


@triton.jit
def _affine(  # type: ignore[no-untyped-def]
    x,
    sums,
    affine,
    weight,
    summand,
    bias,
    positions,
    channels,
    parts,
    sums_offset,
    affine_offset,
    eps,
    has_bias: tl.constexpr,
    per_group: tl.constexpr,
    block: tl.constexpr,
    parts_block: tl.constexpr,
):
    """Make of the sums of a group a factor and a summand for each of its channels."""
    frame, group = tl.program_id(0), tl.program_id(1)
    channel = group * per_group + tl.arange(0, block)
    inside = tl.arange(0, block) < per_group
    part = tl.arange(0, parts_block)
    sums += (frame * parts + part[:, None]) * channels + channel[None, :]
    mask = (part < parts)[:, None] & inside[None, :]
    total = tl.sum(tl.load(sums, mask=mask, other=0.0), axis=0) / positions
    square = tl.sum(tl.load(sums + sums_offset, mask=mask, other=0.0), axis=0) / positions
    first = tl.load(x + frame.to(tl.int64) * positions * channels + channel, mask=inside, other=0.0).to(tl.float32)
    shift = tl.zeros([block], tl.float32)
    if has_bias:
        shift = tl.load(bias + channel, mask=inside, other=0.0).to(tl.float32)
    means = first + shift + total
    mean = tl.sum(tl.where(inside, means, 0.0), axis=0) / per_group
    away = means - mean
    variance = tl.sum(tl.where(inside, square - total * total + away * away, 0.0), axis=0) / per_group
    factor = tl.load(weight + channel, mask=inside, other=0.0).to(tl.float32) / tl.sqrt(variance + eps)
    constant = tl.load(summand + channel, mask=inside, other=0.0).to(tl.float32) + factor * (shift - mean)
    affine += frame * channels + channel
    tl.store(affine, factor, mask=inside)
    tl.store(affine + affine_offset, constant, mask=inside)


@triton.jit
def _silu(x, affine, out, positions, channels, offset, rows: tl.constexpr, block: tl.constexpr):  # type: ignore[no-untyped-def]
    """Write SiLU(factor * x + summand) of some positions of a frame."""
    frame = tl.program_id(1)
    position = tl.program_id(0) * rows + tl.arange(0, rows)
    channel = tl.arange(0, block)
    inside = channel < channels
    factor = tl.load(affine + frame * channels + channel, mask=inside, other=0.0)
    summand = tl.load(affine + offset + frame * channels + channel, mask=inside, other=0.0)
    where = (frame.to(tl.int64) * positions + position[:, None]) * channels + channel[None, :]
    mask = (position < positions)[:, None] & inside[None, :]
    value = tl.load(x + where, mask=mask, other=0.0).to(tl.float32) * factor[None, :] + summand[None, :]
    tl.store(out + where, (value * tl.sigmoid(value)).to(out.dtype.element_ty), mask=mask)


@triton.jit
def _add(x, bias, shortcut, count, channels, block: tl.constexpr):  # type: ignore[no-untyped-def]
    """Add bias and shortcut to x."""
    where = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    mask = where < count
    value = tl.load(x + where, mask=mask, other=0.0).to(tl.float32)
    value += tl.load(bias + where % channels, mask=mask, other=0.0).to(tl.float32)
    value += tl.load(shortcut + where, mask=mask, other=0.0).to(tl.float32)
    tl.store(x + where, value.to(x.dtype.element_ty), mask=mask)
