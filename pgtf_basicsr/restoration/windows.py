"""The streaming engine: frames in, restored frames out, a few of them in memory at a time."""
from collections import deque
from itertools import islice

import torch

__all__ = ['restore_frames', 'sliding_windows']


def sliding_windows(frames, num_frames):
    """Yield for every frame the window of `num_frames` frames with that frame in the middle.

    The middle of T frames is index T // 2.  The first and last frame are repeated at the edges,
    so that also clips shorter than T have one window a frame.  Only one window is held, and no
    more of `frames` is taken than the next window needs.

    Args:
        frames (Iterable): frames of any type.
        num_frames (int): T, at least 1.

    Yields:
        tuple: T frames.
    """
    before = num_frames // 2
    after = num_frames - 1 - before
    window = deque(maxlen=num_frames)
    for frame in _repeat_edges(frames, before, after):
        window.append(frame)
        if len(window) == num_frames:
            yield tuple(window)


def restore_frames(net, frames, num_frames, batch_size=1, device='cpu'):
    """Restore a stream of frames window by window, keeping the middle frame of each.

    Args:
        net (Callable): maps (B, T, 3, H, W) to (B, T, 3, H, W), both on `device`; a network in
            eval mode, or a function around one.
        frames (Iterable[Tensor]): (3, H, W), RGB, float in [0, 1], all of one size.
        num_frames (int): T of the network.
        batch_size (int): windows in one pass; the result does not depend on it, memory does.
        device (str | torch.device): where `net` works.

    Yields:
        Tensor: (3, H, W) on the CPU, one for each frame and in the same order, not clamped.
    """
    windows = sliding_windows(frames, num_frames)
    while batch := list(islice(windows, batch_size)):
        lq = torch.stack([torch.stack(window) for window in batch]).to(device)
        # Not inference_mode: during training's validation its tensors could end up in a cache of
        # the network, where the next backward pass cannot use them.
        with torch.no_grad():
            restored = net(lq)[:, num_frames // 2]
        yield from restored.cpu()


def _repeat_edges(frames, before, after):
    last = None
    for index, last in enumerate(frames):
        if index == 0:
            yield from [last] * before
        yield last
    if last is not None:
        yield from [last] * after
