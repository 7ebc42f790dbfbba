"""Metrics of clips, frame by frame.

An accumulator has ``update(restored, gt)``, which takes one frame of each clip, (H, W, 3) uint8 RGB, and ``compute()``,
which returns the score so far.  It remembers a frame or two, however long the clip.  Those of metrics without ground
truth take ``update(restored)``.
"""
import logging
from collections import deque
from typing import Literal

__all__ = ['ChannelOrder', 'FaceMean', 'NeighbourMean', 'as_rgb', 'score_clip']

ChannelOrder = Literal['rgb', 'bgr']


class FaceMean:
    """Mean over frames in which a face was found; those without are counted and left out.

    Args:
        metric (str): What the log calls it.
    """

    def __init__(self, metric):
        self.metric = metric
        self.total, self.count, self.left_out = 0.0, 0, 0

    def add(self, value):
        """Count a value, or a frame without a face as None."""
        if value is None:
            self.left_out += 1
        else:
            self.total += value
            self.count += 1

    def value(self):
        """The mean; nan where nothing was added.  What was left out is logged."""
        if self.left_out:
            logging.getLogger('basicsr').warning(
                f'{self.metric}: no face was found {self.left_out} times, {self.count} values remain')
        return self.total / self.count if self.count else float('nan')


class NeighbourMean(FaceMean):
    """Mean of a measure over runs of neighbouring frames; runs in which a face is missing are left out.

    Args:
        metric (str): What the log calls it.
        length (int): Frames of a run.
        measure (Callable): Of what was found in a run's frames, as arguments.
    """

    def __init__(self, metric, length, measure):
        super().__init__(metric)
        self._measure = measure
        self._recent = deque(maxlen=length)

    def add_frame(self, found):
        """Take what was found in the next frame, None where no face was."""
        self._recent.append(found)
        if len(self._recent) == self._recent.maxlen:
            missing = any(item is None for item in self._recent)
            self.add(None if missing else self._measure(*self._recent))


def score_clip(accumulator, img, img2=None, channel_order='rgb', min_frames=1):
    """Score of a whole clip by an accumulator.

    Args:
        accumulator: A fresh one.
        img (ndarray): Restored clip (T, H, W, 3) uint8; a single frame (H, W, 3) is a clip of one.
        img2 (ndarray | None): Ground truth of the same shape.
        channel_order (str): ``rgb``, as this package's validation has it, or ``bgr``, as BasicSR's.
        min_frames (int): What the metric needs.

    Raises:
        ValueError: Shapes differ or are not those of a clip.
    """
    clips = [clip if clip.ndim == 4 else clip[None] for clip in (img, img2) if clip is not None]
    shapes = [clip.shape for clip in clips]
    if len(set(shapes)) > 1 or len(shapes[0]) != 4 or shapes[0][-1] != 3 or len(clips[0]) < min_frames:
        raise ValueError(f'expected {"a clip" if img2 is None else "two clips of one shape"} (T, H, W, 3), '
                         f'T of {min_frames} or more, got {" and ".join(map(str, shapes))}')
    for frames in zip(*clips):
        accumulator.update(*(as_rgb(frame, channel_order) for frame in frames))
    return accumulator.compute()


def as_rgb(frame, channel_order):
    """A frame (H, W, 3) of either order as RGB."""
    return frame if channel_order == 'rgb' else frame[..., ::-1].copy()
