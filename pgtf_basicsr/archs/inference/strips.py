"""Convolutions a strip of rows at a time, for inference: what lies between two convolutions stays in the cache.

A map of 64 channels at 512x512 has 67 MB. Normalising it, its activation and a padded copy would each read and write
that much memory; of a strip they are done where the next convolution finds them. Maps are channels-last, in which
convolutions are fastest, and in which torch's own GroupNorm is inaccurate: it sums up whole maps in single precision.
"""

import sys

import torch
import torch.nn.functional as F

__all__ = ['channels_last', 'convolve', 'normalise', 'row_strips', 'strip_size', 'strips']

# Bytes of a strip on a CPU.
STRIP = 2**22
# Values that are summed up in single precision before double takes over.
BLOCK = 2**18


def channels_last(x):
    """The same tensor (N, C, H, W) with channels last in memory; no copy where they are."""
    return x.contiguous(memory_format=torch.channels_last)


def strip_size(x):
    """Values of a strip of maps like x: on a CPU they are to fit into its cache; other devices take maps as wholes."""
    return STRIP // x.element_size() if x.device.type == 'cpu' else sys.maxsize


def new_map(like, channels, height=None, width=None, frames=None):
    """An uninitialised map of the device and type of another one; sizes that are not given are the other one's."""
    n, _, h, w = like.shape
    return torch.empty(
        (frames or n, channels, height or h, width or w),
        dtype=like.dtype,
        device=like.device,
        memory_format=torch.channels_last,
    )


def strips(x, channels):
    """Cut maps into pieces of some frames, or of some rows of a frame.

    Args:
        x (Tensor): (N, C, H, W).
        channels (int): Channels of what is kept of a piece.

    Yields:
        tuple: A slice of frames and a slice of rows.
    """
    n, _, height, width = x.shape
    limit = strip_size(x)
    frames = max(1, min(n, limit // (channels * height * width)))
    # Even, for what takes rows in pairs.
    rows = height if frames > 1 else max(2, min(height, limit // (channels * width) // 2 * 2))
    for first in range(0, n, frames):
        for top in row_strips(height, rows):
            yield slice(first, min(first + frames, n)), top


def row_strips(height, rows):
    """Slices of up to ``rows`` rows that make up ``height``."""
    return [slice(top, min(top + rows, height)) for top in range(0, height, rows)]


def convolve(convolution, x, channels, fill, finish):
    """Run a 3x3 convolution of padding 1 over maps that exist a strip at a time.

    Args:
        convolution (callable): Maps (n, channels, r + 2, W) to (n, C', r, W): it pads columns, not rows.
        x (Tensor): (N, ., H, W): number and size of the maps.
        channels (int): Channels that the convolution sees.
        fill (callable): Called as fill(frames, rows, target) to write those rows of what the convolution sees
            into ``target`` (n, channels, rows, W); every row once, from top to bottom.
        finish (callable): Called as finish(frames, rows, result) with what the convolution gives; it may overwrite
            these rows of what ``fill`` reads.
    """
    height = x.shape[2]
    buffer, kept = None, 0
    for frames, rows in strips(x, channels):
        count = rows.stop - rows.start
        if rows.start == 0:
            buffer = new_map(x, channels, height=count + 2, frames=frames.stop - frames.start)
            buffer[:, :, 0] = 0
            filled, first = 1, 0
        else:
            # The last row of the strip before, and the one below it that was there for its sake.
            buffer[:, :, :2] = buffer[:, :, kept : kept + 2].clone()
            filled, first = 2, rows.start + 1
        kept = count
        target = buffer[:, :, : count + 2]
        last = min(rows.stop + 1, height)
        if first < last:
            fill(frames, slice(first, last), target[:, :, filled : filled + last - first])
        if rows.stop == height:
            target[:, :, -1] = 0
        finish(frames, rows, convolution(target))


def normalise(norm, parts):
    """Group normalisation of maps as a factor and a summand for each channel of each frame.

    Args:
        norm (nn.GroupNorm): Of as many channels as the parts have together.
        parts (list[Tensor]): (N, C_i, H, W), taken as one map of all their channels.

    Returns:
        list[tuple[Tensor, Tensor]]: For each part factor and summand, (N, C_i, 1, 1) in single precision.
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


def _moments(x):
    """Means of values and of their squares, (N, C) in double precision."""
    # With statistics in single precision beside them, those of a half-precision map are in single precision as well.
    like = torch.zeros(x.shape[1], device=x.device)
    rows = max(1, BLOCK // x[0, :, 0].numel()) if x.device.type == 'cpu' else x.shape[2]
    result = []
    for frame in channels_last(x).split(1):
        pieces = frame.split(rows, dim=2)
        # One pass without a copy of the map, variances about the mean of the piece.
        mean, variance = (
            torch.stack(values).double()
            for values in zip(*(torch.batch_norm_update_stats(piece, like, like, 0.0) for piece in pieces))
        )
        # Made on the device: a GPU need not be waited for.
        share = torch.full((len(pieces), 1), rows / x.shape[2], dtype=mean.dtype, device=x.device)
        share[-1] = pieces[-1].shape[2] / x.shape[2]
        result.append(((share * mean).sum(0), (share * (variance + mean.square())).sum(0)))
    return [torch.stack(values) for values in zip(*result)]


def activate(rows, factor, summand, target):
    """Write SiLU(factor * rows + summand) into ``target``, computed in single precision."""
    if target.dtype == torch.float32:
        torch.addcmul(summand, rows, factor, out=target)
        F.silu(target, inplace=True)
    else:
        target.copy_(F.silu(torch.addcmul(summand, rows.float(), factor), inplace=True))
