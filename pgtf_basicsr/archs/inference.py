"""Makes a trained network fast: the same weights and results to rounding, in operators that cannot be trained."""
from functools import partial

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from .blocks import residual, swin3d, temporal_fusion
from .blocks.strips import activate, channels_last, convolve, new_map, normalise, row_strips, strip_size, strips
from .blocks.swin3d import shift_mask
from .blocks.winograd import convolve_tiles, tile_weights

__all__ = ['for_inference']

# What stays in single precision.
EXACT = ('codebook.', 'predictor.norm.', 'predictor.head.', 'parsing_net.mean', 'parsing_net.std')

# Channels from which on convolutions are faster in tiles.
TILED_CHANNELS = 64


def for_inference(net, dtype=torch.float32):
    """Turn a network, in place, into one that restores faster and cannot be trained.

    Maps are channels-last. Convolutions run a strip of rows at a time, together with the normalisation and activation
    before them, in single precision on a CPU with 4/9 of the multiplications; nearest-neighbour upsampling and the
    convolution after it become four convolutions of the small map; bias and mask of each window attention are built
    once for a size. In single precision results stay as close to exact arithmetic as those of the network before. In
    half precision sums of normalisations, codes and logits stay in single precision.

    Args:
        net (TSVQGAN | PGTFormer): In evaluation mode.
        dtype (torch.dtype): float32, bfloat16 or float16, of weights and maps. Default: float32.

    Returns:
        nn.Module: ``net``.
    """
    net.requires_grad_(False)
    for name, tensor in [*net.named_parameters(), *net.named_buffers()]:
        if tensor.is_floating_point() and not name.startswith(EXACT):
            tensor.data = tensor.data.to(dtype)
    replace(net)
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data = channels_last(module.weight.data)
    for coder in (net.encoder, net.decoder):
        coder.tail = partial(last_convolution, coder.norm_out, coder.conv_out)
    return net


def replace(module):
    """Replace modules below ``module`` by their faster counterparts."""
    for name, child in module.named_children():
        replace(child)
        if type(child) in FASTER:
            setattr(module, name, FASTER[type(child)](child))


class ResidualBlock(nn.Module):
    """As :class:`~pgtf_basicsr.archs.blocks.ResidualBlock`; the input may come in parts of its channels."""

    def __init__(self, block):
        super().__init__()
        self.norm1, self.conv1, self.norm2, self.conv2 = block.norm1, block.conv1, block.norm2, block.conv2
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
    ends = [sum(part.shape[1] for part in parts[:i + 1]) for i in range(len(parts))]

    def fill(frames, rows, target):
        for part, (factor, summand), end in zip(parts, affine, ends):
            activate(part[frames, :, rows], factor[frames], summand[frames], target[:, end - part.shape[1]:end])

    def finish(frames, rows, result):
        if add is None:
            out[frames, :, rows] = result
        else:
            torch.add(result, add(frames, rows), out=out[frames, :, rows])

    convolve(without_row_padding(conv), parts[0], ends[-1], fill, finish)
    return out


def last_convolution(norm, conv, x):
    """The tail of encoder and decoder."""
    return normalised_convolution(norm, conv, [channels_last(x)])


def without_row_padding(conv):
    """A 3x3 convolution that pads columns alone."""
    def convolution(x):
        return F.conv2d(x, conv.weight, conv.bias, padding=(0, 1))

    if not goes_in_tiles(conv):
        return convolution
    weights = tile_weights(conv.weight)
    return lambda x: convolution(x) if x.shape[2] % 2 or x.shape[3] % 2 else convolve_tiles(x, weights, conv.bias)


def goes_in_tiles(conv):
    """Whether a convolution is of the kind that is faster in tiles. Libraries of GPUs choose for themselves."""
    return conv.kernel_size == (3, 3) and conv.stride == (1, 1) and conv.weight.device.type == 'cpu' and (
        conv.weight.dtype == torch.float32 and min(conv.in_channels, conv.out_channels) >= TILED_CHANNELS)


class Upsample(nn.Module):
    """As :class:`~pgtf_basicsr.archs.blocks.Upsample`, at less than half the work.

    An output pixel sees two rows and two columns of the small map, which ones depends on whether its own are even:
    four 2x2 convolutions, whose weights are sums of the 3x3 weights that fall onto the same pixel.
    """

    def __init__(self, upsample):
        super().__init__()
        conv = upsample.conv
        self.bias = conv.bias
        for odd_row in (0, 1):
            for odd_column in (0, 1):
                weight = merged(merged(conv.weight.double(), 2, odd_row), 3, odd_column)
                self.register_buffer(f'weight{odd_row}{odd_column}', channels_last(weight.to(conv.weight.dtype)))

    def forward(self, x):
        out = new_map(x, len(self.bias), 2 * x.shape[2], 2 * x.shape[3])
        x = channels_last(x)
        for frames, rows in strips(x, x.shape[1]):
            first = max(rows.start - 1, 0)
            piece = x[frames, :, first:rows.stop + 1]
            target = out[frames, :, 2 * rows.start:2 * rows.stop]
            for i in (0, 1):
                for j in (0, 1):
                    result = F.conv2d(piece, getattr(self, f'weight{i}{j}'), self.bias, padding=1)
                    top = rows.start - first + i
                    target[:, :, i::2, j::2] = result[:, :, top:top + rows.stop - rows.start, j:j + x.shape[3]]
        return out


def merged(weight, axis, odd):
    """Merge the three weights along an axis into two: those of the neighbour before, or after, and of the pixel."""
    before, middle, after = weight.unbind(axis)
    return torch.stack((before + middle, after) if odd else (before, middle + after), dim=axis)


class Downsample(nn.Module):
    """As :class:`~pgtf_basicsr.archs.blocks.Downsample`; only strips are padded."""

    def __init__(self, downsample):
        super().__init__()
        self.conv = downsample.conv

    def forward(self, x):
        x = channels_last(x)
        out = new_map(x, self.conv.out_channels, x.shape[2] // 2, x.shape[3] // 2)
        for frames, rows in strips(out, 4 * self.conv.in_channels):
            piece = x[frames, :, 2 * rows.start:2 * rows.stop + 1]
            missing = 2 * (rows.stop - rows.start) + 1 - piece.shape[2]
            out[frames, :, rows] = self.conv(channels_last(F.pad(piece, (0, 1, 0, missing))))
        return out


class TemporalFidelityRegulator(nn.Module):
    """As :class:`~pgtf_basicsr.archs.blocks.TemporalFidelityRegulator`, frame by frame after frames are mixed."""

    def __init__(self, regulator):
        super().__init__()
        self.num_frames = regulator.num_frames
        self.reduce_encoder, self.reduce_decoder = regulator.reduce_encoder, regulator.reduce_decoder
        self.mix_frames, self.mix_channels = regulator.mix_frames, regulator.mix_channels
        self.block = regulator.block
        # Both see the same map, so their first convolutions are one.
        self.first = joined(regulator.scale[0], regulator.shift[0])
        self.second = nn.ModuleList([regulator.scale[2], regulator.shift[2]])

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
        second = [without_row_padding(conv) for conv in self.second]
        convolve(lambda x: [conv(half) for conv, half in zip(second, x.chunk(2, dim=1))], hidden, hidden.shape[1],
                 copy(hidden), apply)


def joined(a, b):
    """Two convolutions of the same map as one."""
    conv = nn.Conv2d(a.in_channels, 2 * a.out_channels, a.kernel_size, padding=a.padding, device='meta')
    conv.weight = nn.Parameter(torch.cat([a.weight, b.weight]), requires_grad=False)
    conv.bias = nn.Parameter(torch.cat([a.bias, b.bias]), requires_grad=False)
    return conv


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
        groups = row_strips(alike, max(1, strip_size(clip.device) // clip[:, :window[0]].numel()))
        for group in [*groups, slice(alike, rows)] if shift[0] else groups:
            bias = self.bias(group.stop - group.start, columns, window, shift, group.start == alike, clip)
            positions = [(y + shift[0]) % (rows * window[0]) for y in range(group.start * window[0],
                                                                            group.stop * window[0])]
            self.attend(clip, positions, window, shift, bias)

    def attend(self, clip, positions, window, shift, bias):
        """Let the rows at ``positions``, some of which may lie below the picture, attend to each other."""
        frames, height, width = clip.shape[:3]
        inside = [i for i, y in enumerate(positions) if y < height]
        where = torch.tensor([positions[i] for i in inside], device=clip.device)
        x = clip[:, where]
        padded = self.norm1(x)
        if len(inside) < len(positions) or width % window[1]:
            padded = x.new_zeros(frames, len(positions), -(-width // window[1]) * window[1], x.shape[3])
            padded[:, inside, :width] = self.norm1(x)
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


FASTER = {
    residual.ResidualBlock: ResidualBlock,
    residual.Upsample: Upsample,
    residual.Downsample: Downsample,
    swin3d.Swin3DLayer: Swin3DLayer,
    temporal_fusion.TemporalFidelityRegulator: TemporalFidelityRegulator,
}
