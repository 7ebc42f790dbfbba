"""Windows of frames over a stream, and their results blended into one stream again."""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import TypeVar

from torch import Tensor

__all__ = ['blend', 'blend_weights', 'sliding_windows', 'strided_windows', 'weighted_mean']

Frame = TypeVar('Frame')


def sliding_windows(frames: Iterable[Frame], num_frames: int) -> Iterator[list[Frame]]:
    """Yield for every frame the window of T frames with that frame in the middle.

    The middle of T frames is index T // 2. The first and last frame are repeated at the edges,
    so that clips shorter than T have one window a frame as well. Only frames that the next window
    needs are held, and no more of ``frames`` is taken than that needs.

    Args:
        frames (Iterable): Frames of any type.
        num_frames (int): T, at least 1.

    Yields:
        list: T frames.
    """
    before = num_frames // 2
    after = num_frames - 1 - before
    window: deque[Frame] = deque()
    for frame in _repeat_edges(frames, before, after):
        window.append(frame)
        if len(window) == num_frames:
            yield [window.popleft(), *window]


def strided_windows(frames: Iterable[Frame], num_frames: int, stride: int) -> Iterator[tuple[int, list[Frame]]]:
    """Yield windows of T frames, each ``stride`` frames after the last, that cover all frames.

    The last window ends with the last frame, so it may start less than ``stride`` frames after the
    one before. A clip shorter than T has one window, in which its last frame is repeated.

    Args:
        frames (Iterable): Frames of any type.
        num_frames (int): T.
        stride (int): 1 to T.

    Yields:
        tuple: The index of the first frame, and a list of T frames.
    """
    recent: deque[Frame] = deque(maxlen=num_frames)
    count = covered = 0
    for count, frame in enumerate(frames, 1):
        recent.append(frame)
        if count >= num_frames and (count - num_frames) % stride == 0:
            covered = count
            yield count - num_frames, [recent.popleft(), *recent]
    if 0 < count < num_frames:
        yield 0, [*recent, *repeat(recent[-1], num_frames - count)]
    elif covered < count:
        yield count - num_frames, list(recent)


def blend(windows: Iterable[tuple[int, Iterable[Tensor]]], num_frames: int) -> Iterator[Tensor]:
    """Blend frames of overlapping windows into one stream, from one window to the next by a raised cosine.

    A frame is the mean of all windows that have it, weighted by `blend_weights`.

    Args:
        windows (Iterable): Pairs of the index of the first frame, and T frames (tensors); indices grow.
        num_frames (int): T.

    Yields:
        Tensor: A frame, as soon as the next window starts behind it.
    """
    weights = blend_weights(num_frames)
    pending: deque[list[tuple[float, Tensor]]] = deque()
    done = 0
    for first, window in windows:
        while done < first:
            yield weighted_mean(pending.popleft())
            done += 1
        pending.extend([] for _ in range(first + num_frames - done - len(pending)))
        for versions, version in zip(pending, zip(weights, window)):
            versions.append(version)
    yield from map(weighted_mean, pending)


def blend_weights(num_frames: int) -> list[float]:
    """Weights of the T frames of a window: sin^2(pi (i + 1/2) / T) at position i."""
    return [math.sin(math.pi * (i + 0.5) / num_frames) ** 2 for i in range(num_frames)]


def weighted_mean(versions: Sequence[tuple[float, Tensor]]) -> Tensor:
    """Average versions of a frame, each with its weight; a single one stays as it is."""
    if len(versions) == 1:
        return versions[0][1]
    weighted = [weight * frame for weight, frame in versions]
    return sum(weighted[1:], weighted[0]) / sum(weight for weight, _ in versions)


def _repeat_edges(frames: Iterable[Frame], before: int, after: int) -> Iterator[Frame]:
    last = None
    for index, last in enumerate(frames):
        if index == 0:
            yield from [last] * before
        yield last
    if last is not None:
        yield from [last] * after
