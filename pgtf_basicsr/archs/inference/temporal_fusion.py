"""The temporal fidelity regulator, frame by frame and in strips."""
import torch
import torch.nn.functional as F
from torch import nn

from .convolution import arranged, without_row_padding
from .strips import channels_last, convolve, new_map, strips

__all__ = ['TemporalFidelityRegulator']


class TemporalFidelityRegulator(nn.Module):
    """As :class:`~pgtf_basicsr.archs.blocks.TemporalFidelityRegulator`, frame by frame after frames are mixed."""

    def __init__(self, regulator):
        super().__init__()
        self.num_frames = regulator.num_frames
        self.reduce_encoder, self.reduce_decoder = regulator.reduce_encoder, regulator.reduce_decoder
        self.mix_frames, self.mix_channels = regulator.mix_frames, regulator.mix_channels
        self.block = regulator.block
        # Both see the same map, so their first convolutions are one.
        self.first = arranged(joined(regulator.scale[0], regulator.shift[0]))
        self.second = nn.ModuleList(map(arranged, (regulator.scale[2], regulator.shift[2])))

    def forward(self, encoder_feature, decoder_feature, fidelity=1.0, wanted=slice(None)):
        if isinstance(encoder_feature, torch.Tensor):
            encoder_feature = encoder_feature.split(1)
        encoder_frames = [channels_last(frame) for frame in encoder_feature]
        decoder_frames = channels_last(decoder_feature).split(1)
        kept = range(len(decoder_frames))
        kept = [i for first in kept[::self.num_frames] for i in kept[first:first + self.num_frames][wanted]]
        out = new_map(decoder_feature, decoder_feature.shape[1], frames=len(kept))
        temporal = self.temporal(encoder_frames, decoder_frames, wanted)
        for i, t, target in zip(kept, temporal.split(1), out.split(1)):
            self.modulate(decoder_frames[i], self.block(encoder_frames[i], decoder_frames[i], t), fidelity, target)
        return out

    def temporal(self, encoder_frames, decoder_frames, wanted):
        """The temporal feature of the wanted frames, (B * wanted, C', H, W)."""
        channels = self.mix_channels.in_channels
        weight, bias = (x.unflatten(0, (self.num_frames, channels))[wanted].flatten(0, 1)
                        for x in (self.mix_frames.weight, self.mix_frames.bias))
        clips = [slice(first, first + self.num_frames) for first in range(0, len(decoder_frames), self.num_frames)]
        out = new_map(decoder_frames[0], channels, frames=len(clips) * len(bias) // channels)
        for clip, target in zip(clips, out.chunk(len(clips))):
            for _, rows in strips(decoder_frames[0], self.mix_frames.in_channels):
                reduced = [reduce(frame[:, :, rows])
                           for reduce, frames in ((self.reduce_encoder, encoder_frames[clip]),
                                                  (self.reduce_decoder, decoder_frames[clip])) for frame in frames]
                mixed = F.conv2d(torch.cat(reduced, dim=1), weight, bias)
                target[:, :, rows] = self.mix_channels(torch.cat(mixed.split(channels, dim=1)))
        return out

    def modulate(self, feature, x, fidelity, target):
        """target <- feature + fidelity * (feature * scale(x) + shift(x))."""
        hidden = new_map(x, self.first.out_channels)

        def copy(source):
            return lambda frames, rows, target: target.copy_(source[frames, :, rows])

        def bend(frames, rows, result):
            hidden[frames, :, rows] = F.leaky_relu(result, 0.2, inplace=True)

        def apply(frames, rows, result):
            scale, shift = result
            piece = feature[frames, :, rows]
            torch.add(piece, shift.addcmul_(piece, scale), alpha=fidelity, out=target[frames, :, rows])

        convolve(without_row_padding(self.first), x, x.shape[1], copy(x), bend)
        second = [without_row_padding(conv, slot) for slot, conv in enumerate(self.second)]
        convolve(lambda x: [conv(half) for conv, half in zip(second, x.chunk(2, dim=1))], hidden, hidden.shape[1],
                 copy(hidden), apply)


def joined(a, b):
    """Two convolutions of the same map as one."""
    conv = nn.Conv2d(a.in_channels, 2 * a.out_channels, a.kernel_size, padding=a.padding, device='meta')
    conv.weight = nn.Parameter(torch.cat([a.weight, b.weight]), requires_grad=False)
    conv.bias = nn.Parameter(torch.cat([a.bias, b.bias]), requires_grad=False)
    return conv
