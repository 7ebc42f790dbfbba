"""Multi-head attention."""

import itertools
import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..processor import has_matrix_units

__all__ = ['attention']

HALF_TYPES = (torch.bfloat16, torch.float16)
# Scores that are held at a time, at most, to stay in a CPU's cache.
SCORES = 2**20


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
    # Caches are bad at the strides of heads that lie next to each other in memory.
    query, key, value = (x.contiguous() for x in (query, key, value))
    out = torch.empty_like(query)
    (count, heads, queries), keys = query.shape[:3], key.shape[2]
    # As many of the batch as fit; where not even one does, some of its heads; where not even one does, some queries.
    shares = (
        split_evenly(count, SCORES // (heads * queries * keys)),
        split_evenly(heads, SCORES // (queries * keys)),
        split_evenly(queries, SCORES // keys),
    )
    # Allocated once: new memory takes longer to get than to fill.
    largest = math.prod(share[0].stop for share in shares) * keys
    memory = query.new_empty(largest)
    exact = query.new_empty(0 if bias is None else largest, dtype=torch.float32)
    for part in itertools.product(*shares):
        q, k, v = query[part].flatten(0, 1), key[part[:2]].flatten(0, 1), value[part[:2]].flatten(0, 1)
        scores = memory[: len(q) * q.shape[1] * keys].view(*q.shape[:2], keys)
        torch.baddbmm(scores, q, k.transpose(1, 2), beta=0, alpha=q.shape[2] ** -0.5, out=scores)
        if bias is None:
            torch.softmax(scores, -1, out=scores)
        else:
            # Rows are short here: torch's softmax takes half the time in fp32.
            sums = exact[: scores.numel()].view(scores.shape).copy_(scores)
            sums.view(*query[part].shape[:3], keys).add_(bias.expand(count, -1, -1, -1)[part])
            scores.copy_(torch.softmax(sums, -1, out=sums))
        torch.bmm(scores, v, out=out[part].flatten(0, 1))
    return out


def split_evenly(size: int, limit: int) -> list[slice]:
    """Split a size into slices of at most ``limit``, at least 1: equal ones, but for a shorter last one."""
    count = max(1, math.ceil(size / max(1, limit)))
    step = math.ceil(size / count)
    return [slice(i * step, min((i + 1) * step, size)) for i in range(count)]
