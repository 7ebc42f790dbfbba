"""Products of feature vectors with weights: by oneDNN, which lays weights out for the processor once.

Torch's own matrix products in fp32 are MKL's, which uses AVX-512 on Intel's processors alone, and oneDNN, when it is
called by torch's layers, lays weights out anew in each call.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from .. import blocks
from ..blocks.attention import attention
from ..counterpart import Counterpart
from .row_tiles import split_rows
from .thread_pool import for_each, map_each

__all__ = ['Linear', 'MatrixProduct', 'PredictorLayer', 'laid_out', 'linear', 'pointwise']

# Vectors that a thread multiplies at a time.
ROWS = 512
# Multiplications from which on it takes less time to lay weights out than it saves.
WORTH = 2**24


class MatrixProduct:
    """Multiply vectors by the same weights many times.

    Args:
        weight (Tensor): (K, C).
        rows (int | None): How many vectors there are altogether, about; None for many.
    """

    def __init__(self, weight: Tensor, rows: int | None) -> None:
        self.by_onednn = (rows is None or rows * weight.numel() >= WORTH) and suits_onednn(weight)
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight, ROWS) if self.by_onednn else weight

    def __call__(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """(..., C) and a bias (K,) -> (..., K)."""
        if self.by_onednn:
            return torch.ops.mkldnn._linear_pointwise(x, self.weight, bias, 'none', [], '')
        return F.linear(x, self.weight, bias)


def suits_onednn(weight: Tensor) -> bool:
    """Tell whether oneDNN multiplies by these weights, on this processor and in this build of torch."""
    if weight.device.type != 'cpu' or not torch.backends.mkldnn.is_available() or not torch.backends.mkldnn.enabled:
        return False
    return weight.dtype == torch.float32 or (
        weight.dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    )


class Linear(Counterpart, nn.Linear):
    """As torch's module."""

    def prepare(self) -> None:
        """Lay out no weights yet."""
        self.product: MatrixProduct | None = None

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., K)."""
        product = self.product
        return product(x, self.bias) if product else linear(x, self.weight, self.bias)


@contextmanager
def laid_out(module: nn.Module, rows: int) -> Iterator[None]:
    """Lay out the weights of all linear layers below a module once for all calls, of about that many vectors."""
    layers = [layer for layer in module.modules() if isinstance(layer, Linear)]
    for layer, product in zip(layers, matrix_products([layer.weight for layer in layers], rows)):
        layer.product = product
    try:
        yield
    finally:
        for layer in layers:
            layer.product = None


def matrix_products(weights: Sequence[Tensor], rows: int) -> list[MatrixProduct]:
    """Lay out weights beside each other, each for about that many vectors."""
    return map_each(partial(MatrixProduct, rows=rows), weights)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Compute torch's function of this name."""
    if not suits_onednn(weight):
        return F.linear(x, weight, bias)
    vectors = x.reshape(-1, x.shape[-1])
    product = MatrixProduct(weight, len(vectors))
    if len(vectors) <= ROWS:
        out = product(vectors, bias)
    else:
        out = x.new_empty(len(vectors), len(weight))

        def multiply(rows: slice) -> None:
            out[rows] = product(vectors[rows], bias)

        for_each(multiply, split_rows(len(vectors), ROWS))
    return out.view(*x.shape[:-1], len(weight))


def pointwise(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Convolve 1x1: (N, C, H, W), weights (K, C) and a bias (K,) -> (N, K, H, W), channels-last."""
    return linear(x.permute(0, 2, 3, 1), weight, bias).permute(0, 3, 1, 2)


class PredictorLayer(Counterpart, blocks.PredictorLayer):
    """As :class:`~pgtf_basicsr.archs.blocks.PredictorLayer`, some tokens, or queries of a head, at a time."""

    def forward(self, x: Tensor, position: Tensor) -> Tensor:
        """x and position: (B, tokens, width) -> (B, tokens, width)."""
        if x.device.type != 'cpu':
            return super().forward(x, position)
        batch, tokens, width = x.shape
        heads = self.self_attn.num_heads
        rows = split_rows(tokens, ROWS)
        parts = [(i, part) for i in range(batch) for part in rows]
        query_key_weight, value_weight = self.self_attn.in_proj_weight.split((2 * width, width))
        query_key_bias, value_bias = self.self_attn.in_proj_bias.split((2 * width, width))
        query, key, value = x.new_empty(3, batch, heads, tokens, width // heads)
        attended, out = torch.empty_like(x), torch.empty_like(x)
        by_head = partial(rearrange, pattern='l (m d) -> m l d', m=heads)
        outer = query_key_weight, value_weight, self.self_attn.out_proj.weight
        to_query_key, to_value, to_output, to_hidden, from_hidden = matrix_products(
            [*outer, self.linear1.weight, self.linear2.weight], batch * tokens
        )

        def project(part: tuple[int, slice]) -> None:
            normalised = self.norm1(x[part])
            both = to_query_key(normalised + position[part], query_key_bias)
            for target, vectors in zip((query, key), both.chunk(2, dim=-1)):
                target[part[0], :, part[1]] = by_head(vectors)
            value[part[0], :, part[1]] = by_head(to_value(normalised, value_bias))

        def attend(part: tuple[int, int, slice]) -> None:
            i, head, queries = part
            one = slice(i, i + 1), slice(head, head + 1)
            result = attention(query[one][:, :, queries], key[one], value[one])
            attended[i, queries].unflatten(-1, (heads, -1))[:, head] = result[0, 0]

        def finish(part: tuple[int, slice]) -> None:
            hidden = x[part] + to_output(attended[part], self.self_attn.out_proj.bias)
            inner = F.gelu(to_hidden(self.norm2(hidden), self.linear1.bias))
            torch.add(hidden, from_hidden(inner, self.linear2.bias), out=out[part])

        for_each(project, parts)
        for_each(attend, [(i, head, part) for i in range(batch) for head in range(heads) for part in rows])
        for_each(finish, parts)
        return out
