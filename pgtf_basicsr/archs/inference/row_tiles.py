"""Convolutions a tile of rows at a time, for inference: what lies between two convolutions stays in the cache.

A feature map of 64 channels at 512x512 has 67 MB. Normalising it, its activation and a padded copy would each read and
write that much memory; a row tile is still in the cache when the next convolution reads it. Feature maps are
channels-last, in which convolutions are fastest, and in which torch's own GroupNorm is inaccurate: it sums up whole
feature maps in fp32.
"""

import math
import sys
import threading
from collections.abc import Callable, Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..memory_format import channels_last
from .memory import release_free_memory
from .thread_pool import for_each, map_each

__all__ = ['activate', 'convolve', 'new_feature_map', 'normalise', 'row_tiles', 'split_rows', 'tile_size', 'workspace']

# Bytes of a row tile on a CPU.
TILE_BYTES = 2**21
# Tiles that there are at least, for threads to share, unless they would have fewer values than are worth it.
TILES, LEAST = 4, 2**16
# Bytes of a feature map from which on freed memory is given back to the system before one of a new resolution is
# allocated. Before every other one it would come back page by page: a twentieth of the time for 1 % of the memory.
LARGE = 2**24
# Values that are summed up in fp32 before fp64 takes over.
BLOCK = 2**18


class Workspace(threading.local):
    """Memory that is used again and again: to get it anew takes longer than what is computed in it."""

    def __init__(self) -> None:
        self.buffers: dict[tuple[str, torch.dtype], Tensor] = {}

    def __call__(self, name: str, like: Tensor, *shape: int) -> Tensor:
        """Return an uninitialised tensor of the type of another one: that of the last call with this name."""
        # Recorded graphs of a GPU would go on to use what a larger buffer takes the place of.
        if like.device.type != 'cpu':
            return like.new_empty(shape)
        key, count = (name, like.dtype), math.prod(shape)
        if key not in self.buffers or len(self.buffers[key]) < count:
            # Outside inference mode: born in it, it could not be written to later without.
            with torch.inference_mode(False):
                self.buffers[key] = torch.empty(count, dtype=like.dtype)
        return self.buffers[key][:count].view(shape)


workspace = Workspace()


def tile_size(x: Tensor) -> int:
    """Return how many values a row tile may have: on a CPU it fits into the cache, other devices take all rows."""
    return TILE_BYTES // x.element_size() if x.device.type == 'cpu' else sys.maxsize


def new_feature_map(
    like: Tensor, channels: int, height: int | None = None, width: int | None = None, frames: int | None = None
) -> Tensor:
    """Allocate a feature map on the device and of the type of another one; sizes not given are the other one's."""
    n, _, h, w = like.shape
    shape = frames or n, channels, height or h, width or w
    if shape[2:] != (h, w) and math.prod(shape) * like.element_size() >= LARGE:
        release_free_memory(like.device)
    return torch.empty(shape, dtype=like.dtype, device=like.device, memory_format=torch.channels_last)


def row_tiles(x: Tensor, channels: int) -> Iterator[tuple[slice, slice]]:
    """Cut feature maps into tiles of some frames, or of some rows of a frame.

    Args:
        x (Tensor): (N, C, H, W).
        channels (int): Channels of what is kept of a tile.

    Yields:
        tuple: A slice of frames and a slice of rows.
    """
    n, _, height, width = x.shape
    if x.device.type != 'cpu':
        yield slice(0, n), slice(0, height)
        return
    limit = tile_size(x)
    frame = channels * height * width
    # Small feature maps are cut across some frames, large ones frame by frame.
    frames = 1 if frame > limit else math.ceil(n / math.ceil(n * frame / (TILES * limit)))
    groups = math.ceil(n / frames)
    shared = min(math.ceil(TILES / groups), math.ceil(frames * frame / LEAST))
    count = max(math.ceil(frames * frame / limit), shared)
    # In fours, as the largest tiles of Winograd's convolutions take them.
    rows = 4 * math.ceil(height / count / 4)
    for first in range(0, n, frames):
        for part in split_rows(height, rows):
            yield slice(first, min(first + frames, n)), part


def split_rows(height: int, rows: int) -> list[slice]:
    """Split ``height`` rows into slices of up to ``rows`` rows."""
    return [slice(top, min(top + rows, height)) for top in range(0, height, rows)]


def convolve(
    x: Tensor,
    channels: int,
    fill: Callable[[slice, slice, Tensor], object],
    convolution: Callable[[slice, slice, Tensor], object],
) -> None:
    """Run a 3x3 convolution of padding 1 over feature maps that exist a row tile at a time.

    Args:
        x (Tensor): (N, ., H, W): number and size of the feature maps.
        channels (int): Channels of the input of the convolution.
        fill (Callable): Called as fill(frames, rows, target) to write those rows of the convolution's input
            into ``target`` (n, channels, rows, W); every row once, in any order.
        convolution (Callable): Called as convolution(frames, rows, values) with the input of these rows and one pixel
            more at each side, (n, channels, rows + 2, W + 2). It may overwrite these rows of what ``fill`` reads.
    """
    height = x.shape[2]
    tiles = list(row_tiles(x, channels))
    cuts: dict[tuple[int, int], Tensor] = {}

    def fill_cut(tile: tuple[slice, slice]) -> None:
        frames, rows = tile
        between = new_feature_map(x, channels, height=2, frames=frames.stop - frames.start)
        fill(frames, slice(rows.start - 1, rows.start + 1), between)
        cuts[frames.start, rows.start] = between

    def run(tile: tuple[slice, slice]) -> None:
        frames, rows = tile
        count = rows.stop - rows.start
        values = workspace('input', x, frames.stop - frames.start, count + 2, x.shape[3] + 2, channels)
        values = values.permute(0, 3, 1, 2)
        values[..., 0] = values[..., -1] = 0
        target = values[..., 1:-1]
        first, last = 0, count
        if rows.start:
            target[:, :, :2] = cuts[frames.start, rows.start]
            first += 1
        else:
            target[:, :, 0] = 0
        if rows.stop < height:
            target[:, :, -2:] = cuts[frames.start, rows.stop]
            last -= 1
        else:
            target[:, :, -1] = 0
        if first < last:
            fill(frames, slice(rows.start + first, rows.start + last), target[:, :, first + 1 : last + 1])
        convolution(frames, rows, values)

    # The rows at both sides of a cut are read by two tiles: first, for a tile may overwrite what fill reads.
    for_each(fill_cut, [tile for tile in tiles if tile[1].start])
    for_each(run, tiles)


def normalise(norm: nn.GroupNorm, parts: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Compute a group normalisation as a factor and a summand for each channel of each frame.

    Args:
        norm (nn.GroupNorm): Of as many channels as the parts have together.
        parts (Sequence[Tensor]): (N, C_i, H, W), taken as one feature map of all their channels.

    Returns:
        list[tuple[Tensor, Tensor]]: For each part factor and summand, (N, C_i, 1, 1) in fp32.
    """
    moments = [_moments(part) for part in parts]
    mean, square = (torch.cat(values, dim=1) for values in zip(*moments))
    frames, channels = mean.shape
    mean, square = (x.view(frames, norm.num_groups, -1).mean(2) for x in (mean, square))
    deviation = ((square - mean.square()).clamp_(min=0) + norm.eps).sqrt()
    factor = norm.weight.double() / deviation.repeat_interleave(channels // norm.num_groups, dim=1)
    summand = norm.bias.double() - factor * mean.repeat_interleave(channels // norm.num_groups, dim=1)
    sizes = [part.shape[1] for part in parts]
    return list(zip(*(x.float()[:, :, None, None].split(sizes, dim=1) for x in (factor, summand))))


def _moments(x: Tensor) -> list[Tensor]:
    """Compute the means of values and of their squares, (N, C) in fp64."""
    # With statistics in fp32 beside them, those of a bf16 or fp16 feature map are in fp32 as well.
    like = torch.zeros(x.shape[1], device=x.device)
    rows = max(1, BLOCK // x[0, :, 0].numel()) if x.device.type == 'cpu' else x.shape[2]
    tiles = [frame.split(rows, dim=2) for frame in channels_last(x).split(1)]
    # One pass without a copy of the feature map, variances about the mean of the tile.
    values = map_each(
        lambda tile: torch.batch_norm_update_stats(tile, like, like, 0.0), [tile for parts in tiles for tile in parts]
    )
    mean, variance = (torch.stack(moments).unflatten(0, (len(tiles), -1)).double() for moments in zip(*values))
    # Made on the device: a GPU need not be waited for.
    share = torch.full((len(tiles[0]), 1), rows / x.shape[2], dtype=mean.dtype, device=x.device)
    share[-1] = tiles[0][-1].shape[2] / x.shape[2]
    return [(share * mean).sum(1), (share * (variance + mean.square())).sum(1)]


def activate(rows: Tensor, factor: Tensor, summand: Tensor, target: Tensor) -> None:
    """Write SiLU(factor * rows + summand) into ``target``; in bf16 and fp16 each step is rounded once."""
    if target.dtype == torch.float32:
        torch.addcmul(summand, rows, factor, out=target)
        F.silu(target, inplace=True)
        return
    # A batch normalisation computes in fp32 without a copy in it.
    mean = torch.zeros(rows.shape[1], device=rows.device)
    variance = torch.ones_like(mean)
    for i, (weight, bias) in enumerate(zip(factor, summand)):
        affine = F.batch_norm(rows[i : i + 1], mean, variance, weight.flatten(), bias.flatten(), eps=0.0)
        torch.ops.aten.silu.out(affine, out=target[i : i + 1])
