"""The temporal fidelity regulator on a GPU: output frames in one batch."""

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ...blocks.frames import join_frames, select_frames
from ...memory_format import channels_last
from ..arranged_regulator import ArrangedRegulator

__all__ = ['TemporalFidelityRegulator']


class TemporalFidelityRegulator(ArrangedRegulator):
    """As :class:`~pgtf_basicsr.archs.blocks.TemporalFidelityRegulator`, with scale and shift side by side."""

    def regulate_frames(
        self,
        encoder_frames: Sequence[Tensor],
        decoder_frames: Iterator[Tensor],
        output_frames: slice = slice(None),
        fidelity: float = 1.0,
    ) -> list[Tensor]:
        """Fuse frames, see :class:`ArrangedRegulator`."""
        features = [
            channels_last(x)
            for x in (torch.cat(list(encoder_frames)), join_frames(decoder_frames, len(encoder_frames)))
        ]
        temporal = self.temporal_feature(*features)
        e, d, temporal = (select_frames(x, output_frames, self.num_frames) for x in (*features, temporal))
        x = self.first(self.block(e, d, temporal))
        scale, shift = (
            conv(F.leaky_relu(half, 0.2)) for conv, half in zip((self.last_scale, self.last_shift), x.chunk(2, dim=1))
        )
        return list(torch.add(d, shift.addcmul_(d, scale), alpha=fidelity).split(1))
