"""3x3 convolutions with fewer multiplications: Winograd's minimal filtering (Lavin and Gray, 2016), for CPUs.

F(2x2, 3x3): four outputs of a square see a tile of 4x4 inputs. In the basis of B, the convolution of a tile is a
product of 16 values with 16 weights, of which A makes the four outputs: Y = A^T [(G w G^T) * (B^T x B)] A. Over
channels that is 16 products of matrices, with 4/9 of the multiplications. All coefficients but those of the weights are
0, 1 and -1, so in fp32 nothing is lost: sums over channels are shorter than those of a plain convolution, and nearer to
the exact ones. In bf16 and fp16 tiles and products are rounded, too, for about 2.4 times the error.

After nearest-neighbour upsampling the middle two inputs of a tile are the same one, and along each axis one of the four
products is with their difference, 0: nine are left, 1/4 of the multiplications.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from .linear import MatrixProduct
from .row_tiles import channels_last, new_feature_map, row_tiles, split_rows, workspace
from .thread_pool import for_each

__all__ = ['WinogradConvolution', 'convolve_upsampled', 'taps_first']

G = torch.tensor([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]], device='cpu')
G_UPSAMPLED = torch.tensor([[1, 0, 0], [1, 1, 1], [0, 0, 1.0]], device='cpu')
# Weights that a thread transforms at a time.
WEIGHTS = 2**15


class WinogradConvolution:
    """Convolve 3x3 by F(2x2, 3x3); it pads columns with zeros, and rows not at all.

    Args:
        conv (nn.Conv2d): With weights (K, C, 3, 3), best those of :func:`taps_first`.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        self.products = tile_products(conv.weight, G)
        self.bias = conv.bias

    def __call__(self, x: Tensor, out: Tensor) -> None:
        """(N, C, H + 2, W), H and W even, to ``out`` (N, K, H, W), both channels-last."""
        multiply(x.permute(0, 2, 3, 1), to_tiles, self.products, self.bias, out.permute(0, 2, 3, 1))


def taps_first(weight: Tensor) -> Tensor:
    """Return the weights (K, C, 3, 3), in memory as (3, 3, K, C), from which those of tiles are made fastest."""
    return weight.permute(2, 3, 0, 1).contiguous().permute(2, 3, 0, 1)


def tile_products(weight: Tensor, basis: Tensor, tiles: int | None = None) -> list[list[MatrixProduct]]:
    """Arrange products with weights (K, C, 3, 3) in the basis of tiles.

    Args:
        weight (Tensor): (K, C, 3, 3).
        basis (Tensor): G, (a, 3).
        tiles (int | None): How many tiles there are, about. Default: many.

    Returns:
        list: a by a products with weights (K, C).
    """
    side, taps = len(basis), weight.permute(2, 3, 0, 1).reshape(9, -1)
    transformed = taps.new_empty(side**2, taps.shape[1])
    transform = torch.kron(basis, basis).to(weight.dtype)

    def compute(part: slice) -> None:
        torch.mm(transform, taps[:, part], out=transformed[:, part])

    for_each(compute, split_rows(taps.shape[1], WEIGHTS))
    products: list[MatrixProduct | None] = [None] * side**2

    def arrange(i: int) -> None:
        products[i] = MatrixProduct(transformed[i].view(weight.shape[:2]), tiles)

    for_each(arrange, range(side**2))
    return [cast(list[MatrixProduct], products[i : i + side]) for i in range(0, side**2, side)]


def multiply(
    x: Tensor,
    transform: Callable[[Tensor, int, Tensor], Iterator[Tensor]],
    products: Sequence[Sequence[MatrixProduct]],
    bias: Tensor | None,
    out: Tensor,
) -> None:
    """Multiply the tiles of feature maps by weights, and write the result and the bias into the feature maps ``out``.

    One tile is there at a time: what is computed of it is computed in the cache.

    Args:
        x (Tensor): (N, H', W', C), of which columns are padded here.
        transform (Callable): Yields a transforms of the tiles along a dimension; a is 4, or 3 after upsampling.
        products (Sequence[Sequence[MatrixProduct]]): a by a, with weights (K, C).
        bias (Tensor): (K,).
        out (Tensor): (N, 2H, 2W, K).
    """
    squares = out.unflatten(2, (-1, 2)).unflatten(1, (-1, 2)).permute(2, 4, 0, 1, 3, 5)
    n, height, width, _ = squares.shape[2:]
    half = workspace('half of tiles', x, n, height, x.shape[2] + 2, x.shape[3])
    half[:, :, 0] = half[:, :, -1] = 0
    tile = workspace('tile', x, n, height, width, x.shape[3])
    upper, lower = squares
    row = workspace('row', x, *lower.shape)
    for i, _ in enumerate(transform(x, 1, half[:, :, 1:-1])):
        # The product in the middle goes into all four outputs, and takes the bias there.
        results = (products[i][j](tile, bias if i == j == 1 else None) for j, _ in enumerate(transform(half, 2, tile)))
        # Along rows A^T is applied as products come, so that less is kept than the cache holds.
        from_tiles(results, squares[i] if i < 2 else row)
        if i == 1:
            upper += lower
        elif i == 2 and len(products) == 3:
            lower += row
        elif i > 1:
            lower -= row
            if i == 2:
                upper += row


def from_tiles(products: Iterator[Tensor], out: Tensor) -> None:
    """Apply A^T along a dimension: 4 or 3 products, the first two of them overwritten, to the two of ``out``."""
    first, second, third = (next(products) for _ in range(3))
    fourth = next(products, None)
    if fourth is None:
        torch.add(first, second, out=out[0])
        torch.add(second, third, out=out[1])
    else:
        torch.add(first.add_(second), third, out=out[0])
        torch.sub(second.sub_(third), fourth, out=out[1])


def to_tiles(x: Tensor, dim: int, out: Tensor) -> Iterator[Tensor]:
    """Apply B^T along a dimension: 2 n + 2 values to four times n; each in turn is in ``out`` when it is yielded."""
    even, odd = x.unflatten(dim, (-1, 2)).unbind(dim + 1)
    count = even.shape[dim] - 1
    first, third, second, fourth = (values.narrow(dim, start, count) for values in (even, odd) for start in (0, 1))
    yield torch.sub(first, third, out=out)
    yield torch.add(second, third, out=out)
    yield torch.sub(third, second, out=out)
    yield torch.sub(second, fourth, out=out)


def convolve_upsampled(x: Tensor, conv: nn.Conv2d) -> Tensor:
    """Double height and width by nearest neighbour, then convolve 3x3 with padding 1, in one.

    Args:
        x (Tensor): (N, C, H, W).
        conv (nn.Conv2d): With weights (K, C, 3, 3).

    Returns:
        Tensor: (N, K, 2H, 2W), channels-last.
    """
    _, channels, height, width = x.shape
    products = tile_products(conv.weight, G_UPSAMPLED, len(x) * height * width)
    out = new_feature_map(x, conv.out_channels, 2 * height, 2 * width)
    values, result = channels_last(x).permute(0, 2, 3, 1), out.permute(0, 2, 3, 1)

    def run(tile: tuple[slice, slice]) -> None:
        frames, rows = tile
        first, last = max(rows.start - 1, 0), min(rows.stop + 1, height)
        count = rows.stop - rows.start
        padded = workspace('padded', values, frames.stop - frames.start, count + 2, width, channels)
        padded[:, 0] = padded[:, -1] = 0
        padded[:, first - rows.start + 1 : last - rows.start + 1] = values[frames, first:last]
        multiply(padded, to_upsampled_tiles, products, conv.bias, result[frames, 2 * rows.start : 2 * rows.stop])

    for_each(run, row_tiles(x, 2 * channels))
    return out


def to_upsampled_tiles(x: Tensor, dim: int, out: Tensor) -> Iterator[Tensor]:
    """Apply it to n upsampled values of n + 2, three times n: differences to the one before and after, and itself."""
    before, middle, after = (x.narrow(dim, start, x.shape[dim] - 2) for start in (0, 1, 2))
    yield torch.sub(before, middle, out=out)
    yield out.copy_(middle)
    yield torch.sub(after, middle, out=out)
