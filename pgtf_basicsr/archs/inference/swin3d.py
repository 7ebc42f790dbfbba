"""Swin attention, some rows of windows at a time."""
import torch
from einops import rearrange
from torch import nn

from ..blocks.swin3d import shift_mask
from .strips import row_strips, strip_size

__all__ = ['Swin3DLayer']


class Swin3DLayer(nn.Module):
    """As :class:`~pgtf_basicsr.archs.blocks.Swin3DLayer`, some rows of windows at a time."""

    def __init__(self, layer):
        super().__init__()
        self.blocks = nn.ModuleList(map(Swin3DBlock, layer.blocks))

    def forward(self, x):
        tokens = rearrange(x, 'b t c h w -> b t h w c').clone(memory_format=torch.contiguous_format)
        for block in self.blocks:
            for clip in tokens:
                block(clip)
        return rearrange(tokens, 'b t h w c -> b t c h w')


class Swin3DBlock(nn.Module):
    """A block over a clip (T, H, W, C), in place.

    Rows of windows do not see each other. All have the same bias and mask but the last, into which a shift brings the
    first rows of the picture: two tables serve a whole map.
    """

    def __init__(self, block):
        super().__init__()
        self.norm1, self.attn, self.norm2, self.mlp = block.norm1, block.attn, block.norm2, block.mlp
        self.windows = block.windows
        self.biases = {}

    def forward(self, clip):
        height, width = clip.shape[1:3]
        window, shift = self.windows(height, width)
        rows, columns = -(-height // window[0]), -(-width // window[1])
        alike = rows - 1 if shift[0] else rows
        groups = row_strips(alike, max(1, strip_size(clip) // clip[:, :window[0]].numel()))
        for group in [*groups, slice(alike, rows)] if shift[0] else groups:
            bias = self.bias(group.stop - group.start, columns, window, shift, group.start == alike, clip)
            positions = [(y + shift[0]) % (rows * window[0]) for y in range(group.start * window[0],
                                                                            group.stop * window[0])]
            self.attend(clip, positions, window, shift, bias)

    def attend(self, clip, positions, window, shift, bias):
        """Let the rows at ``positions``, some of which may lie below the picture, attend to each other."""
        frames, height, width = clip.shape[:3]
        inside = [i for i, y in enumerate(positions) if y < height]
        adjoining = positions[-1] > positions[0]
        where = slice(positions[0], positions[0] + len(inside)) if adjoining else [positions[i] for i in inside]
        x = clip[:, where]
        normalised = padded = self.norm1(x)
        if len(inside) < len(positions) or width % window[1]:
            padded = x.new_zeros(frames, len(positions), -(-width // window[1]) * window[1], x.shape[3])
            padded[:, inside, :width] = normalised
        if shift[1]:
            padded = padded.roll(-shift[1], dims=2)
        attended = self.attn(
            rearrange(padded, 't (r y) (s x) c -> (r s) (t y x) c', y=window[0], x=window[1]), bias)
        attended = rearrange(attended, '(r s) (t y x) c -> t (r y) (s x) c', t=frames, y=window[0], x=window[1],
                             r=len(positions) // window[0])
        if shift[1]:
            attended = attended.roll(shift[1], dims=2)
        if padded.shape[1:3] != x.shape[1:3]:
            attended = attended[:, inside, :width]
        x += attended
        x += self.mlp(self.norm2(x))
        if not adjoining:
            # Then it was a copy.
            clip[:, where] = x

    def bias(self, rows, columns, window, shift, with_last, like):
        """Bias and mask of some rows of windows, (windows, heads, tokens, tokens) or one for all windows."""
        key = rows, columns, window, shift, with_last, like.dtype, like.device
        if key not in self.biases:
            bias = self.attn.bias(window)
            if any(shift):
                mask = shift_mask(self.attn.num_frames, 2, columns, window, shift, like.device)
                mask = mask.unflatten(0, (2, columns))[1 if with_last else 0]
                bias = (bias + mask[:, None]).repeat(rows, 1, 1, 1)
            self.biases[key] = bias.to(like.dtype)
        return self.biases[key]
