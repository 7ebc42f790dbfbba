"""Triton kernels for what lies between two convolutions, on feature maps that are channels-last in memory.

A convolution of a GPU takes about as long as three or four passes over its feature maps. Written with torch's
functions, bias, normalisation, activation and residual sum are nine; here they are five.

Of a normalisation with SiLU, training keeps its input alone for the backward pass, which reads it and the gradient
twice. All sums are in fp32 and in a fixed order: gradients of the same input have the same bits.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from .memory_format import channels_last

__all__ = ['add_shortcut', 'normalised_silu']

# Values that a program of the GPU handles at a time.
BLOCK = 4096
# Programs among which the positions of a frame are divided, at most.
PARTS = 512


class Normalised(NamedTuple):
    """A group normalisation with SiLU, and what its backward pass needs.

    Attributes:
        out (Tensor): (N, C, H, W), channels-last, of the type of the input.
        affine (Tensor): Factor and summand of each channel before SiLU, (2, N, C) in fp32.
        statistics (Tensor): Mean and 1 / deviation of each group, (2, N, groups) in fp32.
    """

    out: Tensor
    affine: Tensor
    statistics: Tensor


def normalised_silu(x: Tensor, norm: nn.GroupNorm, bias: Tensor | None = None) -> Tensor:
    """Compute SiLU(norm(x + bias)); statistics are in fp32, about the first value of each channel.

    Without a bias, gradients of first order can be taken.

    Args:
        x (Tensor): (N, C, H, W).
        norm (nn.GroupNorm): Of C channels, with weight and bias.
        bias (Tensor | None): (C,), that of the convolution before. Default: none.

    Returns:
        Tensor: (N, C, H, W), channels-last, of the type of ``x``.
    """
    arguments = channels_last(x), norm.weight, norm.bias, norm.num_groups, norm.eps
    return NormalisedSiLU.apply(*arguments) if bias is None else normalised_silu_forward(*arguments, bias).out


class NormalisedSiLU(torch.autograd.Function):
    """SiLU of a group normalisation of a channels-last x; the backward pass keeps x, not the normalised values."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, summand: Tensor, groups: int, eps: float) -> Tensor:
        out, affine, statistics = normalised_silu_forward(x, weight, summand, groups, eps)
        ctx.save_for_backward(x, affine, statistics, weight)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, affine, statistics, weight = ctx.saved_tensors
        of_x, of_weight, of_summand = normalised_silu_backward(channels_last(gradient), x, affine, statistics, weight)
        return of_x, of_weight.to(weight.dtype), of_summand.to(weight.dtype), None, None


def normalised_silu_forward(
    x: Tensor, weight: Tensor, summand: Tensor, groups: int, eps: float, bias: Tensor | None = None
) -> Normalised:
    """Compute SiLU(weight * norm(x + bias) + summand) of a channels-last x (N, C, H, W)."""
    frames, channels, height, width = x.shape
    positions, per_group = height * width, channels // groups
    rows, block, parts, share = division(x)
    sums = torch.empty(2, frames, parts, channels, device=x.device)
    affine = torch.empty(2, frames, channels, device=x.device)
    statistics = torch.empty(2, frames, groups, device=x.device)
    out = torch.empty_like(x)
    with on_device_of(x):
        _sums[frames, parts](x, sums, positions, channels, share, frames * parts * channels, rows, block)
        _affine[frames, groups](
            x,
            sums,
            affine,
            statistics,
            weight,
            summand,
            summand if bias is None else bias,
            positions,
            channels,
            parts,
            frames * parts * channels,
            frames * channels,
            frames * groups,
            eps,
            bias is not None,
            per_group,
            triton.next_power_of_2(per_group),
            triton.next_power_of_2(parts),
        )
        _silu[triton.cdiv(positions, rows), frames](x, affine, out, positions, channels, frames * channels, rows, block)
    return Normalised(out, affine, statistics)


def normalised_silu_backward(
    gradient: Tensor, x: Tensor, affine: Tensor, statistics: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute the gradients of :func:`normalised_silu_forward` without a bias.

    With z = weight * n + summand, n = (x - mean) / deviation, and dz the gradient of z: that of summand is the sum of
    dz, that of weight the sum of dz * n, and that of x is (weight * dz - mean(weight * dz) - n * mean(weight * dz *
    n)) / deviation, with means over a group (Wu and He, Group Normalization, 2018).

    Args:
        gradient (Tensor): Of the result, (N, C, H, W), channels-last.
        x (Tensor): (N, C, H, W), channels-last.
        affine, statistics (Tensor): See :class:`Normalised`.
        weight (Tensor): (C,).

    Returns:
        tuple[Tensor, Tensor, Tensor]: Gradients of x, of its type, of weight and of summand, in fp32.
    """
    frames, channels, height, width = x.shape
    groups = statistics.shape[2]
    positions, per_group = height * width, channels // groups
    rows, block, parts, share = division(x)
    sums = torch.empty(2, frames, parts, channels, device=x.device)
    totals = torch.empty(2, frames, channels, device=x.device)
    means = torch.empty(2, frames, groups, device=x.device)
    out = torch.empty_like(x)
    sizes = positions, channels, groups, frames * channels, frames * groups
    with on_device_of(x):
        _gradient_sums[frames, parts](
            x, gradient, affine, statistics, sums, *sizes, share, frames * parts * channels, per_group, rows, block
        )
        _gradient_means[frames, groups](
            sums,
            totals,
            means,
            weight,
            *sizes,
            parts,
            frames * parts * channels,
            per_group,
            triton.next_power_of_2(per_group),
            triton.next_power_of_2(parts),
        )
        _input_gradient[triton.cdiv(positions, rows), frames](
            x, gradient, affine, statistics, means, out, *sizes, per_group, rows, block
        )
    of_summand, of_weight = totals.sum(1)
    return out, of_weight, of_summand


def division(x: Tensor) -> tuple[int, int, int, int]:
    """Divide the work on feature maps (N, C, H, W) among programs.

    Returns:
        tuple[int, int, int, int]: Positions and channels, a power of two, of a block; among how many programs the
        positions of a frame are divided for sums; and how many positions each of them has.
    """
    positions, block = x.shape[2] * x.shape[3], triton.next_power_of_2(x.shape[1])
    rows = max(1, BLOCK // block)
    parts = min(PARTS, triton.cdiv(positions, rows))
    return rows, block, parts, triton.cdiv(triton.cdiv(positions, parts), rows) * rows


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
def _sums_of_group(  # type: ignore[no-untyped-def]
    sums, frame, group, parts, channels, offset, per_group: tl.constexpr, block: tl.constexpr, parts_block: tl.constexpr
):
    """Add up both sums of a frame's shares; returns the channels of a group, which of them there are, and the sums."""
    channel = group * per_group + tl.arange(0, block)
    inside = tl.arange(0, block) < per_group
    part = tl.arange(0, parts_block)
    sums += (frame * parts + part[:, None]) * channels + channel[None, :]
    mask = (part < parts)[:, None] & inside[None, :]
    first = tl.sum(tl.load(sums, mask=mask, other=0.0), axis=0)
    second = tl.sum(tl.load(sums + offset, mask=mask, other=0.0), axis=0)
    return channel, inside, first, second


@triton.jit
def _affine(  # type: ignore[no-untyped-def]
    x,
    sums,
    affine,
    statistics,
    weight,
    summand,
    bias,
    positions,
    channels,
    parts,
    sums_offset,
    affine_offset,
    statistics_offset,
    eps,
    has_bias: tl.constexpr,
    per_group: tl.constexpr,
    block: tl.constexpr,
    parts_block: tl.constexpr,
):
    """Make of the sums of a group a factor and a summand for each of its channels."""
    frame, group = tl.program_id(0), tl.program_id(1)
    channel, inside, total, square = _sums_of_group(
        sums, frame, group, parts, channels, sums_offset, per_group, block, parts_block
    )
    total /= positions
    square /= positions
    first = tl.load(x + frame.to(tl.int64) * positions * channels + channel, mask=inside, other=0.0).to(tl.float32)
    shift = tl.zeros([block], tl.float32)
    if has_bias:
        shift = tl.load(bias + channel, mask=inside, other=0.0).to(tl.float32)
    means = first + shift + total
    mean = tl.sum(tl.where(inside, means, 0.0), axis=0) / per_group
    away = means - mean
    variance = tl.sum(tl.where(inside, square - total * total + away * away, 0.0), axis=0) / per_group
    deviation = tl.sqrt(variance + eps)
    statistics += frame * tl.num_programs(1) + group
    tl.store(statistics, mean)
    tl.store(statistics + statistics_offset, 1 / deviation)
    factor = tl.load(weight + channel, mask=inside, other=0.0).to(tl.float32) / deviation
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
def _normalised_gradient(  # type: ignore[no-untyped-def]
    x, gradient, mask, affine, statistics, inside, affine_offset, statistics_offset
):
    """Return n and dz at some positions; pointers to values are two-dimensional, to what channels have one."""
    factor = tl.load(affine, mask=inside, other=0.0)[None, :]
    summand = tl.load(affine + affine_offset, mask=inside, other=0.0)[None, :]
    mean = tl.load(statistics, mask=inside, other=0.0)[None, :]
    scale = tl.load(statistics + statistics_offset, mask=inside, other=0.0)[None, :]
    value = tl.load(x, mask=mask, other=0.0).to(tl.float32)
    z = value * factor + summand
    gate = tl.sigmoid(z)
    dz = tl.load(gradient, mask=mask, other=0.0).to(tl.float32) * gate * (1 + z * (1 - gate))
    return (value - mean) * scale, dz


@triton.jit
def _gradient_sums(  # type: ignore[no-untyped-def]
    x,
    gradient,
    affine,
    statistics,
    sums,
    positions,
    channels,
    groups,
    affine_offset,
    statistics_offset,
    share,
    sums_offset,
    per_group: tl.constexpr,
    rows: tl.constexpr,
    block: tl.constexpr,
):
    """Sum up dz, and dz * n, of a share of a frame's positions, for each channel."""
    frame, part, parts = tl.program_id(0), tl.program_id(1), tl.num_programs(1)
    channel = tl.arange(0, block)
    inside = channel < channels
    affine += frame * channels + channel
    statistics += frame * groups + channel // per_group
    total = tl.zeros([block], tl.float32)
    product = tl.zeros([block], tl.float32)
    for start in range(0, share, rows):
        position = part * share + start + tl.arange(0, rows)
        mask = (position < positions)[:, None] & inside[None, :]
        where = (frame.to(tl.int64) * positions + position[:, None]) * channels + channel[None, :]
        normalised, dz = _normalised_gradient(
            x + where, gradient + where, mask, affine, statistics, inside, affine_offset, statistics_offset
        )
        total += tl.sum(dz, axis=0)
        product += tl.sum(dz * normalised, axis=0)
    sums += (frame * parts + part) * channels + channel
    tl.store(sums, total, mask=inside)
    tl.store(sums + sums_offset, product, mask=inside)


@triton.jit
def _gradient_means(  # type: ignore[no-untyped-def]
    sums,
    totals,
    means,
    weight,
    positions,
    channels,
    groups,
    totals_offset,
    means_offset,
    parts,
    sums_offset,
    per_group: tl.constexpr,
    block: tl.constexpr,
    parts_block: tl.constexpr,
):
    """Make of the sums of a group those of each channel, and the means of weight * dz and weight * dz * n."""
    frame, group = tl.program_id(0), tl.program_id(1)
    channel, inside, total, product = _sums_of_group(
        sums, frame, group, parts, channels, sums_offset, per_group, block, parts_block
    )
    totals += frame * channels + channel
    tl.store(totals, total, mask=inside)
    tl.store(totals + totals_offset, product, mask=inside)
    factor = tl.load(weight + channel, mask=inside, other=0.0).to(tl.float32)
    means += frame * groups + group
    tl.store(means, tl.sum(factor * total, axis=0) / per_group / positions)
    tl.store(means + means_offset, tl.sum(factor * product, axis=0) / per_group / positions)


@triton.jit
def _input_gradient(  # type: ignore[no-untyped-def]
    x,
    gradient,
    affine,
    statistics,
    means,
    out,
    positions,
    channels,
    groups,
    affine_offset,
    statistics_offset,
    per_group: tl.constexpr,
    rows: tl.constexpr,
    block: tl.constexpr,
):
    """Write the gradient of x at some positions of a frame."""
    frame = tl.program_id(1)
    position = tl.program_id(0) * rows + tl.arange(0, rows)
    channel = tl.arange(0, block)
    inside = channel < channels
    affine += frame * channels + channel
    group = frame * groups + channel // per_group
    statistics += group
    mean_dz = tl.load(means + group, mask=inside, other=0.0)
    mean_product = tl.load(means + statistics_offset + group, mask=inside, other=0.0)
    where = (frame.to(tl.int64) * positions + position[:, None]) * channels + channel[None, :]
    mask = (position < positions)[:, None] & inside[None, :]
    normalised, dz = _normalised_gradient(
        x + where, gradient + where, mask, affine, statistics, inside, affine_offset, statistics_offset
    )
    factor = tl.load(affine, mask=inside, other=0.0)
    scale = tl.load(statistics + statistics_offset, mask=inside, other=0.0)
    result = factor[None, :] * dz - scale[None, :] * (mean_dz[None, :] + normalised * mean_product[None, :])
    tl.store(out + where, result.to(out.dtype.element_ty), mask=mask)


@triton.jit
def _add(x, bias, shortcut, count, channels, block: tl.constexpr):  # type: ignore[no-untyped-def]
    """Add bias and shortcut to x."""
    where = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    mask = where < count
    value = tl.load(x + where, mask=mask, other=0.0).to(tl.float32)
    value += tl.load(bias + where % channels, mask=mask, other=0.0).to(tl.float32)
    value += tl.load(shortcut + where, mask=mask, other=0.0).to(tl.float32)
    tl.store(x + where, value.to(x.dtype.element_ty), mask=mask)
