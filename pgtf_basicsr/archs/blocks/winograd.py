"""3x3 convolutions with 4/9 of the multiplications: Winograd's minimal filtering F(2x2, 3x3) (Lavin and Gray, 2016).

Four outputs of a square see a tile of 4x4 inputs. In the basis of B below, the convolution of a tile is a product of 16
values with 16 weights, of which A makes the four outputs: Y = A^T [(G w G^T) * (B^T x B)] A. Over channels that is 16
products of matrices. All coefficients but those of the weights are 0, 1 and -1, so nothing is lost in precision: sums
over channels are shorter than those of a plain convolution, and nearer to the exact ones.
"""
import torch

__all__ = ['convolve_tiles', 'tile_weights']

G = torch.tensor([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]], device='cpu')
BOTH_SIDES = torch.kron(G, G)


def tile_weights(weight):
    """Weights (K, C, 3, 3) in the basis of tiles, (16, C, K). Not to be kept: they take 16/9 of the memory."""
    return (BOTH_SIDES @ weight.permute(0, 2, 3, 1).flatten(1, 2)).permute(1, 2, 0)


def convolve_tiles(x, weights, bias):
    """Convolve maps in tiles.

    Args:
        x (Tensor): (N, C, H + 2, W), channels-last, with a row more on each side; H and W even.
        weights (Tensor): Of :func:`tile_weights`.
        bias (Tensor): (K,).

    Returns:
        Tensor: (N, K, H, W), channels-last; columns are padded with zeros.
    """
    n, channels, height, width = x.shape
    rows, columns, out_channels = height // 2 - 1, width // 2, weights.shape[2]
    half = x.new_empty(4, n, rows, width + 2, channels)
    half[..., 0, :] = half[..., -1, :] = 0
    to_tiles(x.permute(0, 2, 3, 1), 1, half[..., 1:-1, :])
    tiles = x.new_empty(4, 4, n, rows, columns, channels)
    to_tiles(half, 3, tiles.transpose(0, 1))
    products = torch.bmm(tiles.view(16, -1, channels), weights).view(4, 4, n, rows, columns, out_channels)
    half = x.new_empty(2, 4, n, rows, columns, out_channels)
    from_tiles(products, half[0], half[1])
    half[:, 1] += bias
    out = x.new_empty(n, 2 * rows, width, out_channels)
    for row in (0, 1):
        from_tiles(half[row], out[:, row::2, ::2], out[:, row::2, 1::2])
    return out.permute(0, 3, 1, 2)


def to_tiles(x, dim, out):
    """B^T along a dimension: of 2 n + 2 values four times n."""
    even, odd = x.unflatten(dim, (-1, 2)).unbind(dim + 1)
    count = even.shape[dim] - 1
    first, third, second, fourth = (values.narrow(dim, start, count) for values in (even, odd) for start in (0, 1))
    for (a, b, sign), target in zip(
            ((first, third, -1), (second, third, 1), (third, second, -1), (second, fourth, -1)), out):
        torch.add(a, b, alpha=sign, out=target)


def from_tiles(products, first, second):
    """A^T along the leading dimension: of four products two outputs."""
    torch.add(products[1], products[2], out=first).add_(products[0])
    torch.sub(products[1], products[2], out=second).sub_(products[3])
