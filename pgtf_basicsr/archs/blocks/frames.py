"""Clips and the frames they fold into."""
import torch
from einops import rearrange

__all__ = ['across_frames', 'join_frames', 'select', 'split_frames']


def across_frames(layer, x):
    """Apply a layer that works on clips, (B, T, C, H, W), to folded frames, (B * T, C, H, W)."""
    frames = layer.blocks[0].attn.num_frames
    return layer(rearrange(x, '(b t) c h w -> b t c h w', t=frames)).flatten(0, 1)


def select(x, wanted, num_frames):
    """Take frames of each clip; (B * T, C, H, W) -> (B * wanted, C, H, W)."""
    return x.unflatten(0, (-1, num_frames))[:, wanted].flatten(0, 1)


def split_frames(x):
    """The pieces (n, C, H, W) in which to pass (N, C, H, W) through what sees each frame by itself.

    Without gradients frames go one after the other: large maps of one frame are work enough for any device, and take
    the memory of one. It also makes the result of a frame the same to the bit, whichever frames are with it.
    """
    return [x] if torch.is_grad_enabled() else x.split(1)


def join_frames(pieces):
    """What :func:`split_frames` has taken apart."""
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces)
