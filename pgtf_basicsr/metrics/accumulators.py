"""Metrics of clips, frame by frame.

An accumulator has

    min_frames      frames that it needs
    update          function of one frame of the restored clip and, with ground truth, one of the real clip, (H, W, 3)
                    uint8 RGB: returns the value that these frames add, a float in the metric's unit, for a curve over
                    time; nan where they add none, such as a frame without a face, or the first one of all where
                    neighbours are compared
    compute         returns the score so far, the mean of those values, or what `ResidualPSNR` makes of its errors; nan
                    where there is none

It remembers a frame or two, however long the clip.  Several of them look at a frame once, see `backends.recent`, if
all are given the same array, which must not be changed in place.  `VideoFeatures`, of a number of a whole data set, has
``collect()`` in place of ``compute()``.
"""

import logging
import math
from collections import deque
from typing import Literal

__all__ = ['ChannelOrder', 'FaceMean', 'accumulated', 'as_rgb', 'score_clip']

ChannelOrder = Literal['rgb', 'bgr']


class FaceMean:
    """Accumulates the mean of a measure of faces, over frames or over runs of neighbouring ones.

    Runs in which a face is missing are counted, logged, and left out.  A subclass says what is measured:

        metric          what the log calls it
        min_frames      frames of a run
        find            method of one frame of each clip: what is there, None where no face is
        measure         method of what was found in each frame of a run: the value

    Args:
        backend: The network that `find` asks, see ``metrics.backends``.
    """

    min_frames = 1

    def __init__(self, backend):
        self.backend = backend
        self._recent = deque(maxlen=self.min_frames)
        self._total, self._count, self._left_out = 0.0, 0, 0

    def update(self, *frames):
        """Take the next frame of each clip, (H, W, 3) uint8 RGB.

        Returns:
            float: Value of the run that ends here; nan before there is one, or without a face in it.
        """
        self._recent.append(self.find(*frames))
        if len(self._recent) < self.min_frames:
            return math.nan
        if any(found is None for found in self._recent):
            self._left_out += 1
            return math.nan
        value = self.measure(*self._recent)
        self._total += value
        self._count += 1
        return value

    def compute(self):
        """Mean so far; nan without a value.  What was left out is logged."""
        if self._left_out:
            logging.getLogger('basicsr').warning(
                f'{self.metric}: no face was found {self._left_out} times, {self._count} values remain'
            )
        return self._total / self._count if self._count else math.nan


def accumulated(kind, backend, prepare):
    """Decorator of a metric of clips: give it the hooks of a subclass of `FaceMean`, see `metrics`.

    Args:
        kind (type): The subclass.
        backend (Callable): Makes the backend of the metric's options.
        prepare (Callable): The hook of this name.
    """

    def decorate(metric):
        metric.per_clip = True
        metric.prepare = prepare
        metric.min_frames = lambda **options: kind.min_frames
        metric.accumulator = lambda **options: kind(backend(**options))
        return metric

    return decorate


def score_clip(accumulator, img, img2=None, channel_order='rgb'):
    """Score of a whole clip by an accumulator.

    Args:
        accumulator: A fresh one.
        img (ndarray): Restored clip (T, H, W, 3) uint8; a single frame (H, W, 3) is a clip of one.
        img2 (ndarray | None): Ground truth of the same shape.
        channel_order (str): ``rgb``, as this package's validation has it, or ``bgr``, as BasicSR's.

    Raises:
        ValueError: Shapes differ, are not those of a clip, or there are too few frames.
    """
    clips = [clip if clip.ndim == 4 else clip[None] for clip in (img, img2) if clip is not None]
    shapes = [clip.shape for clip in clips]
    if len(set(shapes)) > 1 or len(shapes[0]) != 4 or shapes[0][-1] != 3 or len(clips[0]) < accumulator.min_frames:
        raise ValueError(
            f'expected {"a clip" if img2 is None else "two clips of one shape"} (T, H, W, 3), '
            f'T of {accumulator.min_frames} or more, got {" and ".join(map(str, shapes))}'
        )
    for frames in zip(*clips):
        accumulator.update(*(as_rgb(frame, channel_order) for frame in frames))
    return accumulator.compute()


def as_rgb(frame, channel_order):
    """A frame (H, W, 3) of either order as RGB."""
    return frame if channel_order == 'rgb' else frame[..., ::-1].copy()
