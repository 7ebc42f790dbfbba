"""The streaming engine: frames in, restored frames out, a few of them in memory at a time.

Neighbouring windows share frames.  What a network computes of each frame by itself is computed
once per frame, and of what comes after the last exchange between frames, only what the frames
that are kept need.  Neither changes a bit of the result.
"""

from contextlib import nullcontext
from functools import partial
from itertools import islice

import torch

from .windows import blend, sliding_windows, strided_windows

__all__ = ['restore_frames', 'run_windows']


def restore_frames(net, frames, stride=1, batch_size=1, device='cpu', autocast=nullcontext, **options):
    """Restore a stream of frames.

    With a stride of 1 every frame is the middle one of a window of its own, and the first and
    last frame are repeated at the edges.  Longer strides are faster: of a stride of T, windows do
    not overlap and all their frames are kept; between, overlapping windows are blended.

    Args:
        net (nn.Module): a network in eval mode with ``num_frames``, ``frame_features`` and
            ``restore_features``, such as TSVQGAN and PGTFormer, on `device`.
        frames (Iterable[Tensor]): (3, H, W), RGB, float in [0, 1], all of one size.
        stride (int): frames from one window to the next, 1 to T. Default: 1.
        batch_size (int): windows in one pass; the result does not depend on it, memory does.
        device (str | torch.device): where `net` works.
        autocast (Callable): makes the context that the network runs in.
        **options: of ``restore_features``, such as ``fidelity``.

    Yields:
        Tensor: (3, H, W) on the CPU, one for each frame and in the same order, not clamped.

    Raises:
        ValueError: For another stride.
    """
    return run_windows(
        net.frame_features,
        partial(net.restore_features, **options),
        frames,
        net.num_frames,
        stride,
        batch_size,
        device,
        autocast,
    )


def run_windows(
    frame_features, window_results, frames, num_frames, stride=1, batch_size=1, device='cpu', autocast=nullcontext
):
    """Compute something for each frame of a stream from windows of T frames.

    Args:
        frame_features (Callable): maps (1, 3, H, W) to anything.
        window_results (Callable): maps a list of that for the B * T frames of B windows, which it may empty, and a
            slice of the T frames that are wanted, to a tensor (B, wanted, ...).
        frames, num_frames, stride, batch_size, device, autocast: as of `restore_frames`.

    Yields:
        Tensor: On the CPU, one for each frame.
    """
    if not 1 <= stride <= num_frames:
        raise ValueError(f'stride must be from 1 to {num_frames}, not {stride}')

    def features_of(frame):
        # Not inference_mode: during training's validation its tensors could end up in a cache of
        # the network, where the next backward pass cannot use them.
        with torch.no_grad(), autocast():
            return frame_features(frame[None].to(device, non_blocking=True))

    def results(windows, wanted):
        while batch := list(islice(windows, batch_size)):
            frames = [frame for _, window in batch for frame in window]
            for _, window in batch:
                # What is kept of a frame goes with the last window it is in, as soon as that has used it.
                window.clear()
            with torch.no_grad(), autocast():
                result = window_results(frames, wanted)
            yield from zip((first for first, _ in batch), result.cpu())

    count = 0

    def counted(frames):
        nonlocal count
        for count, frame in enumerate(frames, 1):
            yield features_of(frame)

    if stride == 1:
        middle = num_frames // 2
        windows = enumerate(sliding_windows(counted(frames), num_frames))
        for _, (frame,) in results(windows, slice(middle, middle + 1)):
            yield frame
    else:
        windows = strided_windows(counted(frames), num_frames, stride)
        for index, frame in enumerate(blend(results(windows, slice(None)), num_frames)):
            # A clip shorter than a window was filled up.
            if index < count:
                yield frame
