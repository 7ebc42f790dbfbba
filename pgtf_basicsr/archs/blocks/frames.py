"""Clips and the frames they fold into."""

import torch
from einops import rearrange

__all__ = ['across_frames', 'frame_by_frame', 'join_frames', 'select', 'split_frames']


def across_frames(layer, x):
    """Apply a layer that works on clips, (B, T, C, H, W), to folded frames, (B * T, C, H, W)."""
    frames = layer.blocks[0].attn.num_frames
    return layer(rearrange(x, '(b t) c h w -> b t c h w', t=frames)).flatten(0, 1)


def select(x, wanted, num_frames):
    """Take frames of each clip; (B * T, C, H, W) -> (B * wanted, C, H, W)."""
    return x.unflatten(0, (-1, num_frames))[:, wanted].flatten(0, 1)


def frame_by_frame(function, *maps, apart=False):
    """function(*maps) of maps (N, C, H, W), in the pieces of :func:`split_frames`."""
    return join_frames(map(function, *(split_frames(x, apart) for x in maps)), len(maps[0]))


def join_frames(pieces, count):
    """One map (count, C, H, W) of pieces (n, C, H, W), which are taken one after the other."""
    pieces = iter(pieces)
    first = next(pieces)
    if len(first) == count:
        return first
    if torch.is_grad_enabled():
        return torch.cat([first, *pieces])
    # One map for all of them, so that there is never a second copy of each; nobody holds one while the next is made.
    out = torch.empty_like(first[:1].expand(count, -1, -1, -1))
    out[: len(first)] = first
    filled = len(first)
    del first
    for piece in pieces:
        out[filled : filled + len(piece)] = piece
        filled += len(piece)
        del piece
    return out


def split_frames(x, apart=False):
    """The pieces (n, C, H, W) in which to pass (N, C, H, W) through what sees each frame by itself.

    Without gradients frames go one after the other: large maps of one frame are work enough for any device, and take
    the memory of one. It also makes the result of a frame the same to the bit, whichever frames are with it. With
    ``apart`` they do so with gradients, too.
    """
    return x.split(1) if apart or not torch.is_grad_enabled() else [x]
