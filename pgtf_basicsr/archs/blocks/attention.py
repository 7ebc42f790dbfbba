"""Multi-head attention."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..processor import has_matrix_units

__all__ = ['attention']

HALF_TYPES = (torch.bfloat16, torch.float16)
# Scores that are held at a time, to stay in a CPU's cache.
SCORES = 2**21
# What their rows are a multiple of: odd numbers are slower.
ROWS = 64


def attention(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None = None) -> Tensor:
    """Compute softmax(q k^T / sqrt(D) + bias) v.

    It is torch's scaled_dot_product_attention, except for bf16 and fp16 on a CPU without gradients: there its kernels
    take about twice as long as the matrix products themselves, unless it has matrix units.

    Args:
        query, key, value (Tensor): (N, heads, tokens, D).
        bias (Tensor | None): Added to the scores, (N or 1, heads, tokens, tokens).

    Returns:
        Tensor: (N, heads, tokens, D).
    """
    kernels_are_fast = query.dtype not in HALF_TYPES or has_matrix_units(query.dtype)
    if kernels_are_fast or query.device.type != 'cpu' or torch.is_grad_enabled():
        return F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
    shape, scale = query.shape, query.shape[-1] ** -0.5
    if bias is not None:
        bias = bias.expand(len(query), -1, -1, -1).flatten(0, 1)
    # Caches are bad at the strides of heads that lie next to each other in memory.
    query, key, value = (x.flatten(0, 1).contiguous() for x in (query, key, value))
    # As many heads as fit, or one and some of its queries.
    tokens = key.shape[1]
    heads = max(1, min(len(query), SCORES // tokens**2))
    rows = min(tokens, max(1, SCORES // tokens // ROWS) * ROWS)
    # Allocated once: new memory takes longer to get than to fill.
    out = torch.empty_like(query)
    scores, weights = query.new_empty(2, heads, rows, tokens)
    for first in range(0, len(query), heads):
        for start in range(0, tokens, rows):
            part = slice(first, first + heads), slice(start, start + rows)
            count = out[part].shape[:2]
            s, w = (x[: count[0], : count[1]] for x in (scores, weights))
            torch.baddbmm(
                s if bias is None else bias[part],
                query[part],
                key[part[0]].transpose(1, 2),
                beta=bias is not None,
                alpha=scale,
                out=s,
            )
            torch.bmm(torch.softmax(s, -1, out=w), value[part[0]], out=out[part])
    return out.view(shape)
