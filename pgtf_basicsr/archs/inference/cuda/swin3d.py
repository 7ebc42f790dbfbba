"""Swin attention on a GPU: a clip's windows in one batch, bias and mask made once for a size."""

import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from ... import blocks
from ...blocks.swin3d import Swin3DBlock as PlainBlock
from ...blocks.swin3d import shift_mask
from ...counterpart import Counterpart
from ...memory_format import channels_last

__all__ = ['Swin3DBlock', 'Swin3DLayer']


class Swin3DLayer(Counterpart, blocks.Swin3DLayer):
    """As :class:`~pgtf_basicsr.archs.blocks.Swin3DLayer`; input and output are channels-last."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C, H, W) -> (B, T, C, H, W)."""
        tokens = rearrange(channels_last(x.flatten(0, 1)), '(b t) c h w -> b t h w c', t=self.num_frames)
        for block in self.blocks:
            tokens = block(tokens)
        return rearrange(tokens, 'b t h w c -> b t c h w')


class Swin3DBlock(Counterpart, PlainBlock):
    """As the plain block of :class:`~pgtf_basicsr.archs.blocks.Swin3DLayer`."""

    def prepare(self) -> None:
        """Make room for bias and mask of each size."""
        self.biases: dict[tuple[object, ...], Tensor] = {}

    def _attend(self, x: Tensor) -> Tensor:
        batch, frames, height, width = x.shape[:4]
        window, shift = self.windows(height, width)
        missing = -height % window[0], -width % window[1]
        if any(missing):
            x = F.pad(x, (0, 0, 0, missing[1], 0, missing[0]))
        if any(shift):
            x = x.roll((-shift[0], -shift[1]), dims=(2, 3))
        rows, columns = x.shape[2] // window[0], x.shape[3] // window[1]
        bias = self.bias(rows, columns, window, shift, x)
        if any(shift):
            bias = bias.repeat(batch, 1, 1, 1)
        sides = dict(y=window[0], x=window[1])
        windows = self.attn(rearrange(x, 'b t (r y) (s x) c -> (b r s) (t y x) c', **sides), bias)
        x = rearrange(windows, '(b r s) (t y x) c -> b t (r y) (s x) c', **sides, r=rows, s=columns, t=frames)
        if any(shift):
            x = x.roll(shift, dims=(2, 3))
        return x[:, :, :height, :width] if any(missing) else x

    def bias(self, rows: int, columns: int, window: tuple[int, int], shift: tuple[int, int], like: Tensor) -> Tensor:
        """Return bias and mask of the windows of a clip, (1 or rows * columns, heads, tokens, tokens)."""
        key = rows, columns, window, shift, like.dtype, like.device
        if key not in self.biases:
            bias = self.attn.bias(window)
            if any(shift):
                mask = shift_mask(self.attn.num_frames, rows, columns, window, shift, like.device)
                bias = bias + mask[:, None]
            self.biases[key] = bias.to(like.dtype).contiguous()
        return self.biases[key]
