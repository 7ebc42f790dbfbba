"""3x3 convolutions with fewer multiplications: Winograd's minimal filtering (Lavin and Gray, 2016), for CPUs.

F(4x4, 3x3): sixteen outputs of a square see a tile of 6x6 inputs. In the basis of B, the convolution of a tile is a
product of 36 values with 36 weights, of which A makes the outputs: Y = A^T [(G w G^T) * (B^T x B)] A. Over channels
that is 36 products of matrices, with a quarter of the multiplications. Changes of basis are products of matrices as
well, so that many tiles take seven operations, large enough for threads not to wait for each other in Python.

The matrices follow from the points at which polynomials are evaluated. With 0, the roots of 1/2 and of 2, and infinity,
errors in fp32 are about twice those of a plain convolution. In bf16, where tiles and products are rounded as well, they
would be nine times as large: there F(2x2, 3x3) takes 4/9 of the multiplications, with three times the error.

After nearest-neighbour upsampling the middle two inputs of F(2x2, 3x3) are the same one, and along each axis the
product at the point -1 is with their difference, 0: of 16 products nine are left, a quarter of the multiplications.
F(4x4, 3x3) would need fewer, but with points of six times the error.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from ..memory_format import channels_last
from .row_tiles import new_feature_map, row_tiles, split_rows, workspace
from .thread_pool import for_each

__all__ = ['FOUR', 'TWO', 'TWO_UPSAMPLED', 'MinimalFilter', 'WinogradConvolution', 'convolve_upsampled', 'taps_first']

# Weights that a thread transforms at a time.
WEIGHTS = 2**15
# Side of tiles up to which one large matrix takes less time than two small ones.
ONE_MATRIX = 4
# Values of tiles, of all products, that there are at a time, at most: they stay in the cache.
VALUES = 9 * 2**17


@dataclass(frozen=True)
class MinimalFilter:
    """Three taps along a line, some outputs at a time: A^T [(G taps) * (B^T inputs)].

    Attributes:
        outputs (Tensor): A^T, (outputs, products), in fp64.
        taps (Tensor): G, (products, 3).
        inputs (Tensor): B^T, (products, inputs).
        step (int): Inputs from those of one tile to those of the next.
    """

    outputs: Tensor
    taps: Tensor
    inputs: Tensor
    step: int

    @classmethod
    def of(cls, *points: float) -> 'MinimalFilter':
        """Evaluate at these points, and at infinity, for one output less than there are points."""
        size, outputs = len(points) + 1, len(points) - 1
        powers = np.vander(points, size, increasing=True)
        taps, inputs = np.zeros((size, 3)), np.zeros((size, size))
        for i, point in enumerate(points):
            others = [other for other in points if other != point]
            taps[i] = powers[i, :3] / math.prod(point - other for other in others)
            inputs[i, :-1] = np.poly(others)[::-1]
        taps[-1, -1] = 1
        inputs[-1] = np.poly(points)[::-1]
        at_infinity = np.eye(outputs)[-1:]
        return cls(
            torch.from_numpy(np.concatenate([powers[:, :outputs], at_infinity]).T.copy()),
            torch.from_numpy(taps),
            torch.from_numpy(inputs),
            outputs,
        )

    def upsampled(self) -> 'MinimalFilter':
        """Return the filter of inputs before nearest-neighbour upsampling, which has one product less."""
        # The first input is the second one of a pair.
        equal = [1, *[2] * (self.step // 2), 1]
        inputs = torch.stack([x.sum(1) for x in self.inputs.split(equal, dim=1)], dim=1)
        needed = inputs.abs().amax(1) > 1e-9
        return MinimalFilter(self.outputs[:, needed], self.taps[needed], inputs[needed], self.step // 2)

    def to(self, dtype: torch.dtype) -> 'MinimalFilter':
        """Convert the matrices."""
        return replace(self, **{name: getattr(self, name).to(dtype) for name in ('outputs', 'taps', 'inputs')})


# F(2x2, 3x3) and F(4x4, 3x3).
TWO = MinimalFilter.of(0, 1, -1)
FOUR = MinimalFilter.of(0, math.sqrt(0.5), -math.sqrt(0.5), math.sqrt(2), -math.sqrt(2))
TWO_UPSAMPLED = TWO.upsampled()


class WinogradConvolution:
    """Convolve 3x3 without padding.

    Args:
        conv (nn.Conv2d): With weights (K, C, 3, 3), best those of :func:`taps_first`.
        minimal_filter (MinimalFilter): Along both axes.
    """

    def __init__(self, conv: nn.Conv2d, minimal_filter: MinimalFilter) -> None:
        self.filter = minimal_filter.to(conv.weight.dtype)
        self.weights = weights_of_products(conv.weight, self.filter.taps)
        self.bias = conv.get_parameter('bias')

    def __call__(self, x: Tensor, out: Tensor) -> None:
        """(N, C, H', W') to ``out`` (N, K, H, W), H and W multiples of the filter's outputs; both channels-last."""
        x, out = x.permute(0, 2, 3, 1), out.permute(0, 2, 3, 1)
        side, (_, count), step = len(self.filter.outputs), self.filter.inputs.shape, self.filter.step
        tiles = x.unfold(1, count, step).unfold(2, count, step).permute(4, 5, 0, 1, 2, 3)
        squares = out.unflatten(2, (-1, side)).unflatten(1, (-1, side)).permute(2, 4, 0, 1, 3, 5)
        n, height, width, channels = tiles.shape[2:]
        row = len(self.weights) * n * width * max(channels, out.shape[3])
        for rows in split_rows(height, max(1, VALUES // row)):
            self.convolve(tiles[:, :, :, rows], squares[:, :, :, rows])

    def convolve(self, tiles: Tensor, out: Tensor) -> None:
        """Inputs of tiles (p, p, N, h, w, C) to their outputs (m, m, N, h, w, K), all at a time."""
        count, channels, products = math.prod(tiles.shape[2:5]), tiles.shape[5], len(self.weights)
        largest = products * count * max(channels, out.shape[5])
        # Each operation reads the one and writes the other.
        memory = itertools.cycle([workspace(name, tiles, largest) for name in ('tiles', 'products')])
        values = shaped(next(memory), *tiles.shape).copy_(tiles)
        factors = change_basis(self.filter.inputs, values.flatten(2), memory)
        result = shaped(next(memory), products, count, out.shape[5])
        torch.bmm(factors.view(products, count, channels), self.weights, out=result)
        squares = change_basis(self.filter.outputs, result.view(*factors.shape[:2], -1), memory)
        torch.add(squares.view(out.shape), self.bias, out=out)


def change_basis(matrix: Tensor, x: Tensor, memory: Iterator[Tensor]) -> Tensor:
    """Apply a matrix (a, p) along both axes of tiles (p, p, values), to (a, a, values)."""
    products, count = matrix.shape
    if count <= ONE_MATRIX:
        out = shaped(next(memory), products, products, x.shape[2])
        torch.mm(torch.kron(matrix, matrix), x.flatten(0, 1), out=out.flatten(0, 1))
        return out
    half = shaped(next(memory), products, count, x.shape[2])
    torch.mm(matrix, x.flatten(1), out=half.flatten(1))
    out = shaped(next(memory), products, products, x.shape[2])
    return torch.bmm(matrix.expand(products, -1, -1), half, out=out)


def shaped(memory: Tensor, *shape: int) -> Tensor:
    """Return the beginning of a piece of memory as a tensor of this shape."""
    return memory[: math.prod(shape)].view(shape)


def taps_first(weight: Tensor) -> Tensor:
    """Return the weights (K, C, 3, 3), in memory as (3, 3, C, K), from which those of products are made fastest."""
    return weight.permute(2, 3, 1, 0).contiguous().permute(3, 2, 0, 1)


def weights_of_products(weight: Tensor, basis: Tensor) -> Tensor:
    """Compute the weights of products: (K, C, 3, 3) and G (a, 3) -> (a * a, C, K)."""
    channels, inputs = weight.shape[:2]
    taps = weight.permute(2, 3, 1, 0).reshape(9, -1)
    transform = torch.kron(basis, basis)
    out = taps.new_empty(len(transform), taps.shape[1])

    def compute(part: slice) -> None:
        torch.mm(transform, taps[:, part], out=out[:, part])

    for_each(compute, split_rows(taps.shape[1], WEIGHTS))
    return out.view(-1, inputs, channels)


def convolve_upsampled(x: Tensor, conv: nn.Conv2d) -> Tensor:
    """Double height and width by nearest neighbour, then convolve 3x3 with padding 1, in one.

    Args:
        x (Tensor): (N, C, H, W).
        conv (nn.Conv2d): With weights (K, C, 3, 3).

    Returns:
        Tensor: (N, K, 2H, 2W), channels-last.
    """
    height, width = x.shape[2:]
    convolution = WinogradConvolution(conv, TWO_UPSAMPLED)
    x, out = channels_last(x), new_feature_map(x, conv.out_channels, 2 * height, 2 * width)

    def run(tile: tuple[slice, slice]) -> None:
        frames, rows = tile
        convolution(padded_rows(x, frames, rows), out[frames, :, 2 * rows.start : 2 * rows.stop])

    for_each(run, row_tiles(x, 2 * x.shape[1]))
    return out


def padded_rows(x: Tensor, frames: slice, rows: slice) -> Tensor:
    """Copy rows of channels-last feature maps (N, C, H, W), and one more at each side: zeros beyond their edges."""
    values = x[frames].permute(0, 2, 3, 1)
    count = rows.stop - rows.start
    padded = workspace('padded', x, len(values), count + 2, x.shape[3] + 2, x.shape[1])
    first, last = max(rows.start - 1, 0), min(rows.stop + 1, x.shape[2])
    padded[:, 0] = padded[:, -1] = padded[:, :, 0] = padded[:, :, -1] = 0
    padded[:, first - rows.start + 1 : last - rows.start + 1, 1:-1] = values[:, first:last]
    return padded.permute(0, 3, 1, 2)
