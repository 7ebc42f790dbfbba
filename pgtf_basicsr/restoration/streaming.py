"""The streaming engine: frames in, restored frames out, a few of them in memory at a time.

Neighbouring windows share frames. What a network computes of each frame by itself is computed once a frame, and of
what comes after the last exchange between frames, only what the output frames need. Neither changes a bit of the
result.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from typing import TypeVar

import torch
from torch import Tensor

from ..archs.inference import stream
from ..archs.ts_vqgan_arch import TSVQGAN
from .transfers import fetch, send
from .windows import blend, sliding_windows, strided_windows

__all__ = ['restore_frames', 'run_windows']

Features = TypeVar('Features')


def restore_frames(
    net: TSVQGAN,
    frames: Iterable[Tensor],
    stride: int = 1,
    batch_size: int = 1,
    device: str | torch.device = 'cpu',
    autocast: Callable[[], AbstractContextManager[object]] = nullcontext,
    **options: float,
) -> Iterator[Tensor]:
    """Restore a stream of frames.

    With a stride of 1 every frame is the middle one of a window of its own, and the first and
    last frame are repeated at the edges. Longer strides are faster: with a stride of T, windows do
    not overlap and all their frames are kept; between, overlapping windows are blended.

    Args:
        net (TSVQGAN | PGTFormer): In evaluation mode, on ``device``.
        frames (Iterable[Tensor]): (3, H, W), RGB, float in [0, 1], all of one size.
        stride (int): Frames from one window to the next, 1 to T. Default: 1.
        batch_size (int): Windows in one pass; the result does not depend on it, memory does. Default: 1.
        device (str | torch.device): Where ``net`` works. Default: cpu.
        autocast (Callable): Makes the context that the network runs in. Default: one that does nothing.
        **options: ``fidelity`` of a PGTFormer.

    Yields:
        Tensor: (3, H, W) on the CPU, one for each frame and in the same order, not clamped.

    Raises:
        ValueError: For another stride, or frames the network was not built for.
    """
    streamed = stream(net, **options)
    return run_windows(
        streamed.frame_features, streamed.restore, frames, net.num_frames, stride, batch_size, device, autocast
    )


def run_windows(
    frame_features: Callable[[Tensor], Features],
    window_results: Callable[[list[Features], slice], Tensor],
    frames: Iterable[Tensor],
    num_frames: int,
    stride: int = 1,
    batch_size: int = 1,
    device: str | torch.device = 'cpu',
    autocast: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Iterator[Tensor]:
    """Compute something for each frame of a stream from windows of T frames.

    Args:
        frame_features (Callable): Maps (1, 3, H, W) to anything.
        window_results (Callable): Maps a list of that for the B * T frames of B windows, which it may empty, and a
            slice of the T frames, the output frames, to a tensor (B, T', ...).
        frames, num_frames, stride, batch_size, device, autocast: As of :func:`restore_frames`.

    Yields:
        Tensor: On the CPU, one for each frame.

    Raises:
        ValueError: For another stride.
    """
    if not 1 <= stride <= num_frames:
        raise ValueError(f'stride must be from 1 to {num_frames}, not {stride}')
    count = 0

    def features_of(frames: Iterable[Tensor]) -> Iterator[Features]:
        nonlocal count
        for frame in frames:
            count += 1
            # Not inference_mode: during training's validation its tensors could end up in a cache of
            # the network, where the next backward pass cannot use them.
            with torch.no_grad(), autocast():
                features = frame_features(send(frame[None], device))
            yield features
            del features

    def results(
        windows: Iterator[tuple[int, list[Features]]], output_frames: slice
    ) -> Iterator[tuple[list[int], Tensor]]:
        while batch := list(islice(windows, batch_size)):
            features = [feature for _, window in batch for feature in window]
            for _, window in batch:
                # What is kept of a frame goes with the last window it is in, as soon as that has used it.
                window.clear()
            with torch.no_grad(), autocast():
                result = window_results(features, output_frames)
            yield [first for first, _ in batch], result

    def fetched(windows: Iterator[tuple[int, list[Features]]], output_frames: slice) -> Iterator[tuple[int, Tensor]]:
        for positions, result in fetch(results(windows, output_frames)):
            yield from zip(positions, result)

    if stride == 1:
        middle = num_frames // 2
        windows = enumerate(sliding_windows(features_of(frames), num_frames))
        for _, (frame,) in fetched(windows, slice(middle, middle + 1)):
            yield frame
    else:
        windows = strided_windows(features_of(frames), num_frames, stride)
        for index, frame in enumerate(blend(fetched(windows, slice(None)), num_frames)):
            # A clip shorter than a window was filled up.
            if index < count:
                yield frame
