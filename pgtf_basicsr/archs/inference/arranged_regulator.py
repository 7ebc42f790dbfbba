"""Fidelity regulators over frames that come one after the other."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from .. import blocks
from ..blocks.frames import join_frames, per_frame, select_frames
from ..counterpart import Counterpart

__all__ = ['ArrangedRegulator', 'regulate_frames']


class ArrangedRegulator(Counterpart, blocks.TemporalFidelityRegulator):
    """Base of the counterparts of :class:`~pgtf_basicsr.archs.blocks.TemporalFidelityRegulator`."""

    def prepare(self) -> None:
        """Make one convolution of the first ones of scale and shift, for both see the same feature map."""
        first_scale, last_scale, first_shift, last_shift = (
            cast(nn.Conv2d, layers[i]) for layers in (self.scale, self.shift) for i in (0, 2)
        )
        self.first = side_by_side(first_scale, first_shift)
        self.last_scale, self.last_shift = last_scale, last_shift
        del self.scale, self.shift

    def forward(self, encoder_feature: Tensor, decoder_feature: Tensor, fidelity: float = 1.0) -> Tensor:
        """Fuse two features of the same size, (B * T, C, H, W), into one of that size."""
        results = self.regulate_frames(encoder_feature.split(1), iter(decoder_feature.split(1)), fidelity=fidelity)
        return join_frames(results, len(results))

    def regulate_frames(
        self,
        encoder_frames: Sequence[Tensor],
        decoder_frames: Iterator[Tensor],
        output_frames: slice = slice(None),
        fidelity: float = 1.0,
    ) -> list[Tensor]:
        """Fuse frames as they are made, see :func:`regulate_frames`."""
        raise NotImplementedError


def regulate_frames(
    regulator: blocks.FidelityRegulator,
    encoder_frames: Sequence[Tensor],
    decoder_frames: Iterator[Tensor],
    output_frames: slice = slice(None),
    fidelity: float = 1.0,
) -> list[Tensor]:
    """Run a regulator, plain or arranged for inference, for some of the T frames of each clip; all of them are seen.

    Args:
        regulator (FidelityRegulator): Of T frames.
        encoder_frames (Sequence[Tensor]): e, B * T feature maps (1, C, H, W), frames of a clip next to each other.
        decoder_frames (Iterator[Tensor]): d, as many.
        output_frames (slice): Which of the T frames to fuse. Default: all.
        fidelity (float): w. Default: 1.

    Returns:
        list[Tensor]: B * T' feature maps (1, C, H, W).
    """
    if isinstance(regulator, ArrangedRegulator):
        return regulator.regulate_frames(encoder_frames, decoder_frames, output_frames, fidelity)
    features = regulator.features(torch.cat(list(encoder_frames)), join_frames(decoder_frames, len(encoder_frames)))
    selected = [select_frames(x, output_frames, regulator.num_frames) for x in features]
    return list(per_frame(partial(regulator.modulate, fidelity=fidelity), *selected).split(1))


def side_by_side(a: nn.Conv2d, b: nn.Conv2d) -> nn.Conv2d:
    """Join two convolutions of the same feature map into one."""
    conv = nn.Conv2d(a.in_channels, 2 * a.out_channels, 3, padding=1, device='meta')
    for name in ('weight', 'bias'):
        joined = torch.cat([a.get_parameter(name), b.get_parameter(name)])
        setattr(conv, name, nn.Parameter(joined, requires_grad=False))
    return conv
