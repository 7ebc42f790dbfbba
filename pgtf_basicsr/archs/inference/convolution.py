"""Per-frame layers, a row tile at a time: normalisations, activations and convolutions."""

from collections.abc import Callable, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import blocks
from ..counterpart import Counterpart
from ..memory_format import channels_last
from ..processor import has_matrix_units
from .linear import pointwise, suits_onednn
from .memory import release_free_memory
from .row_tiles import activate, convolve, new_feature_map, normalise, row_tiles, split_rows, workspace
from .thread_pool import for_each
from .winograd import FOUR, TWO, WinogradConvolution, convolve_upsampled, taps_first

__all__ = [
    'Convolution',
    'Decoder',
    'DirectConvolution',
    'Downsample',
    'Encoder',
    'ResidualBlock',
    'RowConvolution',
    'Upsample',
    'arrange_weights',
    'without_padding',
]

# Called with rows (N, C, H + 2, W + 2) and the tensor where its output (N, K, H, W) goes.
RowConvolution = Callable[[Tensor, Tensor], object]

# Multiplications of a tile of other convolutions: some milliseconds.
MULTIPLICATIONS = 2**27
# Channels from which on Winograd's convolutions are faster than plain ones, in these types.
WINOGRAD_CHANNELS = {torch.float32: 64, torch.bfloat16: 128}
# Pixels of a feature map from which on F(4x4, 3x3) is faster than F(2x2, 3x3): it has more than twice as many weights
# to be transformed and kept. They are those of one frame, whose bits must not depend on how many frames there are.
LEAST_FOR_FOUR = 64 * 64


class Convolution(Counterpart, nn.Conv2d):
    """As torch's module; on a CPU threads share the rows of its output."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', H', W')."""
        if x.device.type != 'cpu' or self.dilation != (1, 1) or self.padding_mode != 'zeros':
            return super().forward(x)
        if self.kernel_size == self.stride == (1, 1) and self.padding == (0, 0) and self.groups == 1:
            return pointwise(x, self.weight[:, :, 0, 0], self.bias)
        x = channels_last(x)
        side, stride, (above, beside) = self.kernel_size, self.stride, cast(tuple[int, int], self.padding)
        height, width = ((x.shape[2 + i] + 2 * cast(int, self.padding[i]) - side[i]) // stride[i] + 1 for i in (0, 1))
        rows = max(1, MULTIPLICATIONS // (self.weight.numel() * width))
        if rows >= height and len(x) == 1:
            return super().forward(x)
        out = new_feature_map(x, self.out_channels, height, width)
        convolution = DirectConvolution(self, x.shape[2] + 2 * above, x.shape[3], beside)

        def run(tile: tuple[int, slice]) -> None:
            frame, part = tile
            first, last = part.start * stride[0] - above, (part.stop - 1) * stride[0] - above + side[0]
            values = x[frame : frame + 1, :, max(first, 0) : last]
            missing = max(-first, 0), max(last - x.shape[2], 0)
            if any(missing):
                values = channels_last(F.pad(values, (0, 0, *missing)))
            convolution(values, out[frame : frame + 1, :, part])

        for_each(run, [(frame, part) for frame in range(len(x)) for part in split_rows(height, rows)])
        return out


class Encoder(Counterpart, blocks.Encoder):
    """As :class:`~pgtf_basicsr.archs.blocks.Encoder`, whose last layers go by row tiles."""

    def prepare(self) -> None:
        """Arrange weights in memory as they are used."""
        arrange_weights(self.conv_out)

    def tail(self, x: Tensor) -> Tensor:
        """Normalise, activate and convolve the output of the middle."""
        return last_convolution(self.norm_out, self.conv_out, x)


class Decoder(Counterpart, blocks.Decoder):
    """As :class:`~pgtf_basicsr.archs.blocks.Decoder`, whose last layers go by row tiles."""

    def prepare(self) -> None:
        """Arrange weights in memory as they are used."""
        arrange_weights(self.conv_out)

    def tail(self, x: Tensor) -> Tensor:
        """Normalise, activate and convolve the output of the finest level."""
        return last_convolution(self.norm_out, self.conv_out, x)


class ResidualBlock(Counterpart, blocks.ResidualBlock):
    """As :class:`~pgtf_basicsr.archs.blocks.ResidualBlock`; the input may come in parts of its channels."""

    def prepare(self) -> None:
        """Arrange weights in memory as they are used."""
        arrange_weights(self.conv1)
        arrange_weights(self.conv2)

    def forward(self, *parts: Tensor) -> Tensor:
        """Parts (N, C_i, H, W) -> (N, out_channels, H, W)."""
        parts = tuple(channels_last(part) for part in parts)

        def shortcut(frames: slice, rows: slice) -> Tensor:
            tiles = [part[frames, :, rows] for part in parts]
            return self.shortcut(tiles[0] if len(tiles) == 1 else torch.cat(tiles, dim=1))

        hidden = normalised_convolution(self.norm1, self.conv1, parts)
        # Written over what is read: rows above are no longer needed.
        return normalised_convolution(self.norm2, self.conv2, [hidden], out=hidden, add=shortcut)


def normalised_convolution(
    norm: nn.GroupNorm,
    conv: nn.Conv2d,
    parts: Sequence[Tensor],
    out: Tensor | None = None,
    add: Callable[[slice, slice], Tensor] | None = None,
) -> Tensor:
    """Compute conv(SiLU(norm(x))), plus what ``add`` returns for (frames, rows).

    Args:
        norm (nn.GroupNorm): Of all channels.
        conv (nn.Conv2d): 3x3, with padding 1.
        parts (Sequence[Tensor]): x in parts of its channels, (N, C_i, H, W).
        out (Tensor | None): Where the result goes, (N, C', H, W); may be x. Default: a new feature map.
        add (Callable | None): Called as add(frames, rows) for a summand of these rows. Default: nothing is added.

    Returns:
        Tensor: ``out``.
    """
    affine = normalise(norm, parts)
    result_map = new_feature_map(parts[0], conv.out_channels) if out is None else out
    ends = [sum(part.shape[1] for part in parts[: i + 1]) for i in range(len(parts))]

    def fill(frames: slice, rows: slice, target: Tensor) -> None:
        for part, (factor, summand), end in zip(parts, affine, ends):
            activate(part[frames, :, rows], factor[frames], summand[frames], target[:, end - part.shape[1] : end])

    convolution = without_padding(conv, parts[0])

    def write(frames: slice, rows: slice, values: Tensor) -> None:
        target = result_map[frames, :, rows]
        convolution(values, target)
        if add is not None:
            target += add(frames, rows)

    convolve(parts[0], ends[-1], fill, write)
    return result_map


def last_convolution(norm: nn.GroupNorm, conv: nn.Conv2d, x: Tensor) -> Tensor:
    """Compute the last layers of encoder or decoder."""
    release_free_memory(x.device)
    return normalised_convolution(norm, conv, [channels_last(x)])


def without_padding(conv: nn.Conv2d, x: Tensor) -> RowConvolution:
    """Return a 3x3 convolution without padding, for tiles of feature maps of the size of x, (N, ., H, W)."""

    height, width = x.shape[2:]
    if not suits_winograd(conv) or height % 2 or width % 2:
        return DirectConvolution(conv, height + 2, width + 2)
    if x.dtype == torch.float32 and height % 4 == width % 4 == 0 and height * width >= LEAST_FOR_FOUR:
        return WinogradConvolution(conv, FOUR)
    return WinogradConvolution(conv, TWO)


class DirectConvolution:
    """Convolve tiles of rows; oneDNN lays the weights out for the processor once for all of them.

    Args:
        conv (nn.Conv2d): Of any size and stride, not dilated.
        height, width (int): Of the input that tiles are parts of: the best layout depends on it.
        beside (int): Zeros to add at the left and at the right of a tile. Default: 0.
    """

    def __init__(self, conv: nn.Conv2d, height: int, width: int, beside: int = 0) -> None:
        self.weight, self.bias = conv.weight, conv.bias
        self.padding, self.stride, self.groups = (0, beside), cast(tuple[int, int], conv.stride), conv.groups
        self.by_onednn = suits_onednn(conv.weight)
        if self.by_onednn:
            size = (1, conv.in_channels, height, width)
            self.weight = torch.ops.mkldnn._reorder_convolution_weight(
                conv.weight, self.padding, self.stride, groups=self.groups, input_size=size
            )

    def __call__(self, x: Tensor, out: Tensor) -> None:
        """Rows (N, C, H, W), with what lies above and below, to ``out`` (N, K, H', W')."""
        if self.by_onednn:
            dilation = 1, 1
            values = torch.ops.mkldnn._convolution_pointwise(
                x, self.weight, self.bias, self.padding, self.stride, dilation, self.groups, 'none', [], ''
            )
        else:
            values = F.conv2d(x, self.weight, self.bias, self.stride, self.padding, groups=self.groups)
        out.copy_(values)


def suits_winograd(conv: nn.Conv2d) -> bool:
    """Tell whether Winograd's algorithm makes a convolution faster.

    Where a processor has matrix units a direct one takes less time than bringing tiles into another basis.
    Libraries of GPUs choose for themselves.
    """
    return (
        conv.kernel_size == (3, 3)
        and conv.stride == (1, 1)
        and conv.weight.device.type == 'cpu'
        and conv.weight.dtype in WINOGRAD_CHANNELS
        and not has_matrix_units(conv.weight.dtype)
        and min(conv.in_channels, conv.out_channels) >= WINOGRAD_CHANNELS[conv.weight.dtype]
    )


def arrange_weights(conv: nn.Conv2d) -> None:
    """Arrange the weights of a convolution in memory as :func:`without_padding` needs them."""
    if suits_winograd(conv):
        conv.weight.data = taps_first(conv.weight.data)


class Upsample(Counterpart, blocks.Upsample):
    """As :class:`~pgtf_basicsr.archs.blocks.Upsample`, on a CPU at a quarter of the work."""

    def prepare(self) -> None:
        """Arrange weights in memory as they are used."""
        arrange_weights(self.conv)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, 2H, 2W)."""
        if x.device.type == 'cpu':
            return convolve_upsampled(x, self.conv)
        return self.conv(F.interpolate(channels_last(x), scale_factor=2.0, mode='nearest'))


class Downsample(Counterpart, blocks.Downsample):
    """As :class:`~pgtf_basicsr.archs.blocks.Downsample`; only row tiles are padded."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H / 2, W / 2)."""
        channels, height, width = x.shape[1:]
        out = new_feature_map(x, self.conv.out_channels, height // 2, width // 2)
        convolution = DirectConvolution(self.conv, height + 1, width + 1)
        x = channels_last(x).permute(0, 2, 3, 1)

        def run(tile: tuple[slice, slice]) -> None:
            frames, rows = tile
            values = x[frames, 2 * rows.start : 2 * rows.stop + 1]
            padded = workspace('padded', x, len(values), 2 * (rows.stop - rows.start) + 1, width + 1, channels)
            padded[:, -1] = padded[:, :, -1] = 0
            padded[:, : values.shape[1], :-1] = values
            convolution(padded.permute(0, 3, 1, 2), out[frames, :, rows])

        for_each(run, row_tiles(out, 4 * channels))
        return out
