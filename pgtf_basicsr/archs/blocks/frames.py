"""Clips and the frames they fold into, and the rule by which per-frame layers run."""

from collections.abc import Callable, Iterable

import torch
from einops import rearrange
from torch import Tensor

from .swin3d import Swin3DLayer

__all__ = ['across_frames', 'join_frames', 'per_frame', 'select_frames']


def per_frame(layer: Callable[..., Tensor], *inputs: Tensor, apart: bool = False) -> Tensor:
    """Apply a per-frame layer: one whose result for a frame depends on that frame alone.

    With gradients all frames are one batch. Without, they go through one after the other: the large feature maps of
    one frame are work enough for any device and take the memory of one, and the result of a frame is the same to the
    bit, whichever frames are with it. Streaming relies on that.

    Args:
        layer (Callable): Maps tensors (n, C, H, W) to a tensor (n, C', H', W').
        *inputs (Tensor): (N, C, H, W) each.
        apart (bool): One frame after the other with gradients as well. Default: False.

    Returns:
        Tensor: (N, C', H', W').
    """
    if torch.is_grad_enabled() and not apart:
        return layer(*inputs)
    return join_frames(map(layer, *(x.split(1) for x in inputs)), len(inputs[0]))


def across_frames(layer: Swin3DLayer, x: Tensor) -> Tensor:
    """Apply a layer that works on clips, (B, T, C, H, W), to folded frames, (B * T, C, H, W)."""
    return layer(rearrange(x, '(b t) c h w -> b t c h w', t=layer.num_frames)).flatten(0, 1)


def select_frames(x: Tensor, output_frames: slice, num_frames: int) -> Tensor:
    """Take some of the T frames of each clip; (B * T, C, H, W) -> (B * T', C, H, W)."""
    return x.unflatten(0, (-1, num_frames))[:, output_frames].flatten(0, 1)


def join_frames(parts: Iterable[Tensor], count: int) -> Tensor:
    """Concatenate parts (n, C, H, W), which are taken one after the other, to (count, C, H, W)."""
    parts = iter(parts)
    first = next(parts)
    if len(first) == count:
        return first
    if torch.is_grad_enabled():
        return torch.cat([first, *parts])
    # Allocated once, so that there is never a second copy of all parts; none is held while the next one is made.
    out = torch.empty_like(first[:1].expand(count, -1, -1, -1))
    out[: len(first)] = first
    filled = len(first)
    del first
    for part in parts:
        out[filled : filled + len(part)] = part
        filled += len(part)
        del part
    return out
