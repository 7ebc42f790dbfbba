"""Swin attention, some rows of windows at a time."""

import torch
from einops import rearrange
from torch import Tensor

from .. import blocks
from ..blocks.swin3d import Swin3DBlock as PlainBlock
from ..blocks.swin3d import shift_mask
from ..counterpart import Counterpart
from ..memory_format import channels_last
from .linear import laid_out
from .row_tiles import LEAST, TILES, split_rows, tile_size
from .thread_pool import for_each

__all__ = ['Swin3DBlock', 'Swin3DLayer']


class Swin3DLayer(Counterpart, blocks.Swin3DLayer):
    """As :class:`~pgtf_basicsr.archs.blocks.Swin3DLayer`, some rows of windows at a time.

    Feature maps that are channels-last, which in encoder and decoder nothing else reads, are overwritten.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C, H, W) -> (B, T, C, H, W)."""
        tokens = rearrange(channels_last(x.flatten(0, 1)), '(b t) c h w -> b t h w c', t=self.num_frames)
        for block in self.blocks:
            for clip in tokens:
                block(clip)
        return rearrange(tokens, 'b t h w c -> b t c h w')


class Swin3DBlock(Counterpart, PlainBlock):
    """A block over a clip (T, H, W, C), in place.

    Rows of windows do not see each other. Those of the last row and of the last column, into which a shift brings the
    other end of the image, have a mask: four tables of bias and mask serve feature maps of any size.
    """

    def prepare(self) -> None:
        """Make room for the tables of bias and mask."""
        self.biases: dict[tuple[object, ...], Tensor] = {}

    def forward(self, clip: Tensor) -> Tensor:
        """(T, H, W, C) -> the same tensor, overwritten."""
        height, width = clip.shape[1:3]
        window, shift = self.windows(height, width)
        rows = -(-height // window[0])
        alike = rows - 1 if shift[0] else rows
        limit = max(1, tile_size(clip) // clip[:, : window[0]].numel())
        shared = -(-alike // TILES) if clip.device.type == 'cpu' and clip.numel() > LEAST else alike
        groups = split_rows(alike, max(1, min(limit, shared)))

        def run(group: slice) -> None:
            positions = [
                (y + shift[0]) % (rows * window[0]) for y in range(group.start * window[0], group.stop * window[0])
            ]
            self.attend(clip, positions, window, shift, group.start == alike)

        with laid_out(self, clip[..., 0].numel()):
            for_each(run, [*groups, slice(alike, rows)] if shift[0] else groups)
        return clip

    def attend(
        self, clip: Tensor, positions: list[int], window: tuple[int, int], shift: tuple[int, int], last_row: bool
    ) -> None:
        """Let the rows at ``positions``, some of which may lie below the image, attend to each other."""
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
        attended = torch.empty_like(padded)
        alike = padded.shape[2] - (window[1] if shift[1] else 0)
        sides = dict(y=window[0], x=window[1])
        for columns in [slice(0, alike), slice(alike, None)] if shift[1] else [slice(0, alike)]:
            bias = self.bias(window, shift, last_row, columns.start == alike, x)
            windows = rearrange(padded[:, :, columns], 't (r y) (s x) c -> (r s) (t y x) c', **sides)
            attended[:, :, columns] = rearrange(
                self.attn(windows, bias),
                '(r s) (t y x) c -> t (r y) (s x) c',
                t=frames,
                **sides,
                r=len(positions) // window[0],
            )
        if shift[1]:
            attended = attended.roll(shift[1], dims=2)
        if padded.shape[1:3] != x.shape[1:3]:
            attended = attended[:, inside, :width]
        x += attended
        x += self.mlp(self.norm2(x))
        if not adjoining:
            # Then it was a copy.
            clip[:, where] = x

    def bias(
        self, window: tuple[int, int], shift: tuple[int, int], last_row: bool, last_column: bool, like: Tensor
    ) -> Tensor:
        """Return bias and mask of a window, (1, heads, tokens, tokens)."""
        key = window, shift, last_row, last_column, like.dtype, like.device
        if key not in self.biases:
            bias = self.attn.bias(window)
            if last_row or last_column:
                mask = shift_mask(self.attn.num_frames, 2, 2, window, shift, like.device).unflatten(0, (2, 2))
                bias = bias + mask[int(last_row), int(last_column)]
            self.biases[key] = bias.to(like.dtype)
        return self.biases[key]
