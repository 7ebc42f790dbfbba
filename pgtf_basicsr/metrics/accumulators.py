"""Shared parts of metrics that score clips frame by frame, as a `config.metric_specification.Accumulator` does."""

import logging
import math
from collections import deque
from typing import Any

import numpy as np

from ..config.metric_specification import ChannelOrder

__all__ = ['SINGLE_FRAMES', 'FaceMean', 'as_rgb', 'score_clip']

# Ends the message where a metric of neighbouring frames gets one.
SINGLE_FRAMES = ': models of BasicSR measure single frames; `basicsr evaluate` measures the clips that they save'


class FaceMean:
    """Accumulates the mean of a measure of faces, over frames or over runs of neighbouring frames.

    Runs in which a face is missing are counted, logged, and skipped.  A subclass defines the measure by:

        title           name in tables and in the log
        min_frames      frames of a run
        find            method of one frame of each clip: what is measured there, None where there is no face
        measure         method of what was found in each frame of a run: the value

    Args:
        backend: The network that `find` asks, see ``metrics.backends``.
    """

    title: str
    min_frames = 1

    def __init__(self, backend: Any) -> None:
        self.backend = backend
        self._recent: deque[Any] = deque(maxlen=self.min_frames)
        self._total, self._count, self._skipped = 0.0, 0, 0

    def find(self, *frames: np.ndarray) -> Any:
        """What is measured in one frame of each clip, (H, W, 3) uint8 RGB; None where there is no face."""
        raise NotImplementedError

    def measure(self, *found: Any) -> float:
        """Value of a run, of what `find` found in each of its frames."""
        raise NotImplementedError

    def update(self, *frames: np.ndarray) -> float:
        """Take the next frame of each clip, (H, W, 3) uint8 RGB.

        Returns:
            float: Value of the run that ends here; nan before there is one, or without a face in it.
        """
        self._recent.append(self.find(*frames))
        if len(self._recent) < self.min_frames:
            return math.nan
        if any(found is None for found in self._recent):
            self._skipped += 1
            return math.nan
        value = self.measure(*self._recent)
        self._total += value
        self._count += 1
        return value

    def compute(self) -> float:
        """Mean so far; nan without a value.  The number of skipped runs is logged."""
        if self._skipped:
            logging.getLogger('basicsr').warning(
                f'{self.title}: no face was found {self._skipped} times, {self._count} values remain'
            )
        return self._total / self._count if self._count else math.nan


def score_clip(
    accumulator: Any, img: np.ndarray, img2: np.ndarray | None = None, channel_order: ChannelOrder = 'rgb'
) -> float:
    """Score of a whole clip by an accumulator.

    Args:
        accumulator: A new accumulator, with ``min_frames``.
        img (ndarray): Restored clip (T, H, W, 3) uint8; a single frame (H, W, 3) is a clip of one.
        img2 (ndarray | None): Ground truth of the same shape.
        channel_order (str): Of the frames: ``rgb``, as this package's validation has it, or ``bgr``, as BasicSR's.

    Raises:
        ValueError: Shapes differ, are not those of a clip, or there are too few frames.
    """
    clips = [clip if clip.ndim == 4 else clip[None] for clip in (img, img2) if clip is not None]
    shapes = [clip.shape for clip in clips]
    if len(set(shapes)) > 1 or len(shapes[0]) != 4 or shapes[0][-1] != 3 or len(clips[0]) < accumulator.min_frames:
        raise ValueError(
            f'expected {"a clip" if img2 is None else "two clips of one shape"} (T, H, W, 3), '
            f'T of {accumulator.min_frames} or more, got {" and ".join(map(str, shapes))}'
            + (SINGLE_FRAMES if img.ndim == 3 and accumulator.min_frames > 1 else '')
        )
    for frames in zip(*clips):
        accumulator.update(*(as_rgb(frame, channel_order) for frame in frames))
    return accumulator.compute()


def as_rgb(frame: np.ndarray, channel_order: ChannelOrder) -> np.ndarray:
    """Convert a frame (H, W, 3) of either channel order to RGB."""
    return frame if channel_order == 'rgb' else frame[..., ::-1].copy()
