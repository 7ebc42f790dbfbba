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
    """function(*maps) of maps (N, C, H, W), in the pieces of :func:`split_frames`; ``apart``: with gradients, too."""
    pieces = zip(*(x.split(1) if apart else split_frames(x) for x in maps))
    first = function(*next(pieces))
    if len(first) == len(maps[0]):
        return first
    if torch.is_grad_enabled():
        return torch.cat([first, *(function(*piece) for piece in pieces)])
    # One map for all of them, so that there is never a second copy of each.
    out = torch.empty_like(first.expand(len(maps[0]), -1, -1, -1))
    out[:1] = first
    del first
    for target, piece in zip(out[1:].split(1), pieces):
        target.copy_(function(*piece))
    return out


def split_frames(x):
    """The pieces (n, C, H, W) in which to pass (N, C, H, W) through what sees each frame by itself.

    Without gradients frames go one after the other: large maps of one frame are work enough for any device, and take
    the memory of one. It also makes the result of a frame the same to the bit, whichever frames are with it.
    """
    return [x] if torch.is_grad_enabled() else x.split(1)


def join_frames(pieces):
    """What :func:`split_frames` has taken apart."""
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces)
