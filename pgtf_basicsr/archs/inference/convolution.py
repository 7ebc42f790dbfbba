"""What a frame passes by itself: normalisations, activations and convolutions in strips."""

import torch
import torch.nn.functional as F
from torch import nn

from .memory import release_free_memory
from .strips import activate, channels_last, convolve, new_map, normalise, strips
from .winograd import TiledConvolution, convolve_upsampled, taps_first

__all__ = ['Downsample', 'ResidualBlock', 'Upsample', 'arranged', 'last_convolution', 'without_row_padding']

# Channels from which on convolutions are faster in tiles, in these types.
TILED_CHANNELS = 128
TILED_TYPES = (torch.float32, torch.bfloat16)


class ResidualBlock(nn.Module):
    """As :class:`~pgtf_basicsr.archs.blocks.ResidualBlock`; the input may come in parts of its channels."""

    def __init__(self, block):
        super().__init__()
        self.norm1, self.norm2 = block.norm1, block.norm2
        self.conv1, self.conv2 = arranged(block.conv1), arranged(block.conv2)
        self.shortcut = block.shortcut

    def forward(self, *parts):
        parts = [channels_last(part) for part in parts]

        def shortcut(frames, rows):
            pieces = [part[frames, :, rows] for part in parts]
            return self.shortcut(pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim=1))

        hidden = normalised_convolution(self.norm1, self.conv1, parts)
        # Written over what is read: rows above are no longer needed.
        return normalised_convolution(self.norm2, self.conv2, [hidden], out=hidden, add=shortcut)


def normalised_convolution(norm, conv, parts, out=None, add=None):
    """conv(SiLU(norm(x))), plus what ``add`` gives for (frames, rows); x in parts of its channels."""
    affine = normalise(norm, parts)
    out = new_map(parts[0], conv.out_channels) if out is None else out
    ends = [sum(part.shape[1] for part in parts[: i + 1]) for i in range(len(parts))]

    def fill(frames, rows, target):
        for part, (factor, summand), end in zip(parts, affine, ends):
            activate(part[frames, :, rows], factor[frames], summand[frames], target[:, end - part.shape[1] : end])

    def finish(frames, rows, result):
        if add is None:
            out[frames, :, rows] = result
        else:
            torch.add(result, add(frames, rows), out=out[frames, :, rows])

    convolve(without_row_padding(conv), parts[0], ends[-1], fill, finish)
    return out


def last_convolution(norm, conv, x):
    """The tail of encoder and decoder."""
    release_free_memory(x.device)
    return normalised_convolution(norm, conv, [channels_last(x)])


def without_row_padding(conv, slot=0):
    """A 3x3 convolution that pads columns alone; for ``slot`` see :class:`TiledConvolution`."""

    def convolution(x):
        return F.conv2d(x, conv.weight, conv.bias, padding=(0, 1))

    if not goes_in_tiles(conv):
        return convolution
    tiled = TiledConvolution(conv, slot)
    return lambda x: convolution(x) if x.shape[2] % 2 or x.shape[3] % 2 else tiled(x)


def goes_in_tiles(conv):
    """Whether a convolution is of the kind that is faster in tiles. Libraries of GPUs choose for themselves."""
    return (
        conv.kernel_size == (3, 3)
        and conv.stride == (1, 1)
        and conv.weight.device.type == 'cpu'
        and (conv.weight.dtype in TILED_TYPES and min(conv.in_channels, conv.out_channels) >= TILED_CHANNELS)
    )


def arranged(conv):
    """The convolution, with weights in memory as :func:`without_row_padding` needs them."""
    if goes_in_tiles(conv):
        conv.weight.data = taps_first(conv.weight.data)
    return conv


class Upsample(nn.Module):
    """As :class:`~pgtf_basicsr.archs.blocks.Upsample`, on a CPU at a quarter of the work."""

    def __init__(self, upsample):
        super().__init__()
        self.conv = arranged(upsample.conv)

    def forward(self, x):
        release_free_memory(x.device)
        if x.device.type == 'cpu':
            return convolve_upsampled(x, self.conv)
        return self.conv(F.interpolate(channels_last(x), scale_factor=2.0, mode='nearest'))


class Downsample(nn.Module):
    """As :class:`~pgtf_basicsr.archs.blocks.Downsample`; only strips are padded."""

    def __init__(self, downsample):
        super().__init__()
        self.conv = downsample.conv

    def forward(self, x):
        x = channels_last(x)
        out = new_map(x, self.conv.out_channels, x.shape[2] // 2, x.shape[3] // 2)
        for frames, rows in strips(out, 4 * self.conv.in_channels):
            piece = x[frames, :, 2 * rows.start : 2 * rows.stop + 1]
            missing = 2 * (rows.stop - rows.start) + 1 - piece.shape[2]
            out[frames, :, rows] = self.conv(channels_last(F.pad(piece, (0, 1, 0, missing))))
        return out
