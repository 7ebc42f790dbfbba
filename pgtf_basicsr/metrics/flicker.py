"""Flicker: what changes from frame to frame besides motion."""

import math
from typing import Any

import cv2
import numpy as np
from basicsr.utils.registry import METRIC_REGISTRY

from ..config.metric_specification import ChannelOrder, MetricSpecification, specified_by
from ..frame_cache import of_recent_frames
from .accumulators import score_clip
from .unknown_options import refuse_unknown_options

__all__ = ['MIN_SIDE', 'Flicker', 'calculate_flicker', 'motion_to_previous', 'warped_difference']

# Below this side OpenCV's optical flow refuses some frames, and wide ones end the process.
MIN_SIDE = 16


# Several metrics, or several clips with the same ground truth, ask for the flow of one pair.
@of_recent_frames(2)
def motion_to_previous(frame: np.ndarray, previous: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the pixels of a frame were in the previous one, by DIS optical flow (Kroeger et al., ECCV 2016).

    Args:
        frame, previous (ndarray): (H, W, 3) uint8 RGB, of 16 pixels or more.

    Returns:
        tuple: Positions (H, W, 2) float32, x and y in pixels of the previous frame; (H, W) bool, which of them were
        visible there.  A pixel was if its position lies inside the frame and the flow back from there returns to it,
        up to ‖f + b‖² ≤ 0.01 (‖f‖² + ‖b‖²) + 0.5 (Sundaram et al., ECCV 2010).

    Raises:
        ValueError: The frames are too small.
    """
    if min(frame.shape[:2]) < MIN_SIDE:
        raise ValueError(
            f'optical flow needs frames of {MIN_SIDE}×{MIN_SIDE} pixels or more, got {frame.shape[0]}×{frame.shape[1]}'
        )
    method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    now, before = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (frame, previous))
    # OpenCV's types do not know that there may be no flow to start from.
    forward, backward = method.calc(now, before, None), method.calc(before, now, None)  # type: ignore[call-overload]
    height, width = now.shape
    positions = forward + np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)
    inside = ((positions >= 0) & (positions <= (width - 1, height - 1))).all(axis=-1)
    back = _sampled(backward, positions, cv2.INTER_LINEAR, cv2.BORDER_CONSTANT)
    error, bound = (np.square(flow).sum(axis=-1) for flow in (forward + back, np.dstack([forward, back])))
    return positions, inside & (error <= 0.01 * bound + 0.5)


def warped_difference(frame: np.ndarray, previous: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """A frame minus the previous one moved onto it.

    Args:
        frame, previous (ndarray): (H, W, 3) uint8.
        positions (ndarray): Where the frame's pixels were, (H, W, 2) float32.

    Returns:
        ndarray: (H, W, 3) float32, in levels of 0 to 255.
    """
    moved = _sampled(previous.astype(np.float32), positions, cv2.INTER_CUBIC, cv2.BORDER_REPLICATE)
    return frame.astype(np.float32) - moved


class Flicker:
    """Accumulates the mean of |Δ restored − Δ real| over visible pixels, channels and neighbouring frames.

    Δ is `warped_difference` along the motion of the real clip.  Without a real clip, the motion is that of the restored
    one itself, and Δ real is 0, as it is in a video that changes by motion alone.  The two kinds of numbers do not
    compare: the latter also counts what the optical flow gets wrong, and favours blurred videos.
    """

    min_frames = 2

    def __init__(self) -> None:
        self._total, self._pairs = 0.0, 0
        self._previous: list[np.ndarray] | None = None

    def update(self, restored: np.ndarray, gt: np.ndarray | None = None) -> float:
        """Take the next frame of each clip, (H, W, 3) uint8 RGB.

        Returns:
            float: Mean of this frame and the previous one; nan for the first, or where no pixel was visible in both.
        """
        frames = [restored] if gt is None else [restored, gt]
        previous, self._previous = self._previous, frames
        if previous is None:
            return math.nan
        positions, visible = motion_to_previous(frames[-1], previous[-1])
        changes = [warped_difference(*pair, positions) for pair in zip(frames, previous)]
        errors = np.abs(changes[0] - changes[1] if len(changes) == 2 else changes[0])[visible]
        if not errors.size:
            return math.nan
        value = float(errors.mean(dtype=np.float64))
        self._total += value
        self._pairs += 1
        return value

    def compute(self) -> float:
        """Levels of 0 to 255; nan before the second frame."""
        return self._total / self._pairs if self._pairs else math.nan


@METRIC_REGISTRY.register()
@specified_by(
    MetricSpecification(
        title='Flicker',
        better='lower',
        min_frames=Flicker.min_frames,
        min_side=MIN_SIDE,
        accumulator=lambda **options: Flicker(),
    )
)
def calculate_flicker(
    img: np.ndarray, img2: np.ndarray | None = None, channel_order: ChannelOrder = 'bgr', **kwargs: Any
) -> float:
    """Mean change from frame to frame besides motion, in levels of 0 to 255, lower is better.

    See `Flicker`: with ground truth, changes that the real clip has do not count; numbers with and without it do not
    compare.  No network is needed.

    Args:
        img (ndarray): Restored clip (T, H, W, 3), uint8, T of 2 or more, H and W of 16 or more.
        img2 (ndarray | None): Real clip of the same shape.
        channel_order (str): Of the frames: bgr, as BasicSR hands them over, or rgb.

    Returns:
        float: Levels; 0 for equal clips, and without ground truth for still ones.

    Raises:
        ValueError: Shapes differ, there is a single frame, or frames are too small.
    """
    refuse_unknown_options(calculate_flicker, kwargs)
    return score_clip(Flicker(), img, img2, channel_order)


def _sampled(image: np.ndarray, positions: np.ndarray, interpolation: int, border: int) -> np.ndarray:
    """Sample an image at positions (H, W, 2) float32."""
    # OpenCV's types do not know that the second map may be None.
    return cv2.remap(image, positions, None, interpolation, borderMode=border)  # type: ignore[call-overload]
