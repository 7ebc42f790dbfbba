"""The temporal fidelity regulator, frame by frame and by row tiles."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from ..memory_format import channels_last
from .arranged_regulator import ArrangedRegulator
from .convolution import RowConvolution, arrange_weights, without_padding
from .linear import pointwise
from .row_tiles import convolve, new_feature_map, row_tiles, workspace
from .thread_pool import for_each

__all__ = ['TemporalFidelityRegulator']


class TemporalFidelityRegulator(ArrangedRegulator):
    """As :class:`~pgtf_basicsr.archs.blocks.TemporalFidelityRegulator`, frame by frame, mixed as they come.

    Decoder features of the output frames are overwritten with the result.
    """

    def prepare(self) -> None:
        """Arrange weights in memory as they are used."""
        super().prepare()
        for conv in (self.first, self.last_scale, self.last_shift):
            arrange_weights(conv)

    def regulate_frames(
        self,
        encoder_frames: Sequence[Tensor],
        decoder_frames: Iterator[Tensor],
        output_frames: slice = slice(None),
        fidelity: float = 1.0,
    ) -> list[Tensor]:
        """Fuse frames as they are made, see :class:`ArrangedRegulator`; others than output frames are not held."""
        kept = []
        for first in range(0, len(encoder_frames), self.num_frames):
            kept += self.mix(encoder_frames[first : first + self.num_frames], decoder_frames, output_frames)
        # At its end the iterator frees the input of the last frame.
        next(decoder_frames, None)
        results = []
        while kept:
            encoder_frame, decoder_frame, temporal = kept.pop(0)
            x = self.block(encoder_frame, decoder_frame, temporal)
            del encoder_frame, temporal
            self.fuse(decoder_frame, x, fidelity)
            results.append(decoder_frame)
        return results

    def mix(
        self, encoder_frames: Sequence[Tensor], decoder_frames: Iterator[Tensor], output_frames: slice
    ) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Take a clip's frames as they are made; return the output frames, e, d and temporal feature of each."""
        channels = self.mix_channels.in_channels
        weight, bias = (
            x.unflatten(0, (self.num_frames, channels))[output_frames].flatten(0, 1)
            for x in self.mix_frames.parameters()
        )
        weights = weight.unflatten(1, (2, self.num_frames, channels))
        kept, mixed = [], weight
        for i, encoder_frame in enumerate(map(channels_last, encoder_frames)):
            decoder_frame = channels_last(next(decoder_frames))
            if i == 0:
                mixed = new_feature_map(decoder_frame, len(bias)).copy_(bias[:, None, None])
            share = weights[:, :, i].flatten(1, 2)[:, :, 0, 0]
            for_each(
                partial(self.add_mixed, encoder_frame, decoder_frame, share, mixed),
                row_tiles(decoder_frame, decoder_frame.shape[1]),
            )
            if i in range(self.num_frames)[output_frames]:
                kept.append((encoder_frame, decoder_frame))
            # Freed before the next one is computed.
            del decoder_frame
        return [
            (*frames, self.mix_channels(channels_last(part)))
            for frames, part in zip(kept, mixed.split(channels, dim=1))
        ]

    def add_mixed(
        self, encoder_frame: Tensor, decoder_frame: Tensor, weight: Tensor, mixed: Tensor, tile: tuple[slice, slice]
    ) -> None:
        """Add the share of a frame to a tile of the temporal features."""
        frames = (encoder_frame[:, :, tile[1]], decoder_frame[:, :, tile[1]])
        reduced = torch.cat([reduce(x) for reduce, x in zip((self.reduce_encoder, self.reduce_decoder), frames)], dim=1)
        mixed[:, :, tile[1]] += pointwise(reduced, weight)

    def fuse(self, feature: Tensor, x: Tensor, fidelity: float) -> None:
        """feature <- feature + fidelity * (feature * scale(x) + shift(x))."""
        hidden = new_feature_map(x, self.first.out_channels)

        def copy(source: Tensor) -> Callable[[slice, slice, Tensor], Tensor]:
            return lambda frames, rows, target: target.copy_(source[frames, :, rows])

        def rectify(convolution: RowConvolution, frames: slice, rows: slice, values: Tensor) -> None:
            tile = hidden[frames, :, rows]
            convolution(values, tile)
            F.leaky_relu(tile, 0.2, inplace=True)

        def modulate(convolutions: Sequence[RowConvolution], frames: slice, rows: slice, values: Tensor) -> None:
            tile = feature[frames, :, rows]
            shape = tile.permute(0, 2, 3, 1).shape
            scale, shift = (workspace(name, tile, *shape).permute(0, 3, 1, 2) for name in ('scale', 'shift'))
            for convolution, half, out in zip(convolutions, values.chunk(2, dim=1), (scale, shift)):
                convolution(half, out)
            tile.add_(shift.addcmul_(tile, scale), alpha=fidelity)

        # Transformed weights of the first convolution are freed before those of the other two are made.
        convolve(x, x.shape[1], copy(x), partial(rectify, without_padding(self.first, x)))
        second = [without_padding(conv, hidden) for conv in (self.last_scale, self.last_shift)]
        convolve(hidden, hidden.shape[1], copy(hidden), partial(modulate, second))
