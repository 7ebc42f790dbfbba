"""The temporal fidelity regulator, frame by frame and in strips."""

import torch
import torch.nn.functional as F
from torch import nn

from ..blocks.frames import join_frames
from .convolution import arranged, without_row_padding
from .strips import channels_last, convolve, new_map, strips

__all__ = ['TemporalFidelityRegulator']


class TemporalFidelityRegulator(nn.Module):
    """As :class:`~pgtf_basicsr.archs.blocks.TemporalFidelityRegulator`, frame by frame, mixed as they come.

    What is kept of decoder features is overwritten with the result.
    """

    def __init__(self, regulator):
        super().__init__()
        self.num_frames = regulator.num_frames
        self.reduce_encoder, self.reduce_decoder = regulator.reduce_encoder, regulator.reduce_decoder
        self.mix_frames, self.mix_channels = regulator.mix_frames, regulator.mix_channels
        self.block = regulator.block
        # Both see the same map, so their first convolutions are one.
        self.first = arranged(side_by_side(regulator.scale[0], regulator.shift[0]))
        self.second = nn.ModuleList(map(arranged, (regulator.scale[2], regulator.shift[2])))

    def forward(self, encoder_feature, decoder_feature, fidelity=1.0, wanted=slice(None)):
        encoder_frames, decoder_frames = list(each_frame(encoder_feature)), each_frame(decoder_feature)
        kept = []
        for first in range(0, len(encoder_frames), self.num_frames):
            kept += self.mix(encoder_frames[first : first + self.num_frames], decoder_frames, wanted)
        # The end is reached: who makes the frames no longer holds what the last one was made of.
        next(decoder_frames, None)
        results = []
        while kept:
            encoder_frame, decoder_frame, temporal = kept.pop(0)
            self.modulate(decoder_frame, self.block(encoder_frame, decoder_frame, temporal), fidelity)
            results.append(decoder_frame)
        return join_frames(results, len(results))

    def mix(self, encoder_frames, decoder_frames, wanted):
        """Take a clip's frames as they are made; the wanted ones, each with its temporal feature."""
        channels = self.mix_channels.in_channels
        weight, bias = (
            x.unflatten(0, (self.num_frames, channels))[wanted].flatten(0, 1)
            for x in (self.mix_frames.weight, self.mix_frames.bias)
        )
        weights = weight.unflatten(1, (2, self.num_frames, channels))
        kept = []
        for i, encoder_frame in enumerate(encoder_frames):
            decoder_frame = next(decoder_frames)
            if i == 0:
                mixed = new_map(decoder_frame, len(bias)).copy_(bias[:, None, None])
            share = weights[:, :, i].flatten(1, 2)
            for _, rows in strips(decoder_frame, decoder_frame.shape[1]):
                reduced = torch.cat(
                    [self.reduce_encoder(encoder_frame[:, :, rows]), self.reduce_decoder(decoder_frame[:, :, rows])],
                    dim=1,
                )
                mixed[:, :, rows] += F.conv2d(reduced, share)
            if i in range(self.num_frames)[wanted]:
                kept.append((encoder_frame, decoder_frame))
            # Nobody holds it while the next one is made.
            del decoder_frame
        return [
            (*frames, self.mix_channels(channels_last(part)))
            for frames, part in zip(kept, mixed.split(channels, dim=1))
        ]

    def modulate(self, feature, x, fidelity):
        """feature <- feature + fidelity * (feature * scale(x) + shift(x))."""
        hidden = new_map(x, self.first.out_channels)

        def copy(source):
            return lambda frames, rows, target: target.copy_(source[frames, :, rows])

        def bend(frames, rows, result):
            hidden[frames, :, rows] = F.leaky_relu(result, 0.2, inplace=True)

        def apply(frames, rows, result):
            scale, shift = result
            piece = feature[frames, :, rows]
            piece.add_(shift.addcmul_(piece, scale), alpha=fidelity)

        convolve(without_row_padding(self.first), x, x.shape[1], copy(x), bend)
        second = [without_row_padding(conv, slot) for slot, conv in enumerate(self.second)]
        convolve(
            lambda x: [conv(half) for conv, half in zip(second, x.chunk(2, dim=1))],
            hidden,
            hidden.shape[1],
            copy(hidden),
            apply,
        )


def each_frame(feature):
    """Frames (1, C, H, W), channels-last, of a map or of pieces (n, C, H, W) of it."""
    for piece in [feature] if isinstance(feature, torch.Tensor) else feature:
        yield from channels_last(piece).split(1)
        # Nobody holds it while the next one is made.
        del piece


def side_by_side(a, b):
    """Two convolutions of the same map as one."""
    conv = nn.Conv2d(a.in_channels, 2 * a.out_channels, a.kernel_size, padding=a.padding, device='meta')
    conv.weight = nn.Parameter(torch.cat([a.weight, b.weight]), requires_grad=False)
    conv.bias = nn.Parameter(torch.cat([a.bias, b.bias]), requires_grad=False)
    return conv
