"""Errors of the landmarks of a face (LMD) and of their motion (TLME), and their temporal jitter.

All are in pixels of a 512-pixel frame: landmarks in frames of another size are scaled, by their shorter side.
"""

from typing import Any

import numpy as np
from basicsr.utils.registry import METRIC_REGISTRY

from ..config.metric_specification import ChannelOrder, MetricSpecification, specified_by
from ..faces.landmarks import Landmarks, landmark_backend, prepare_landmarks
from ..network_files import Device
from .accumulators import FaceMean, score_clip
from .unknown_options import refuse_unknown_options

__all__ = [
    'LandmarkDistance',
    'LandmarkJitter',
    'LandmarkMotionError',
    'calculate_landmark_jitter',
    'calculate_lmd',
    'calculate_tlme',
    'landmark_distance',
    'landmark_jitter',
    'landmark_motion_error',
]

UNIT = 512


def landmark_distance(restored: np.ndarray, gt: np.ndarray) -> float:
    """LMD: mean Euclidean distance of landmarks, without any normalisation, lower is better.

    As in VQFR (Gu et al., ECCV 2022) and in the paper.

    Args:
        restored, gt (ndarray): (..., N, 2), in pixels.

    Returns:
        float: Pixels.
    """
    return float(np.linalg.norm(restored - gt, axis=-1).mean())


def landmark_motion_error(restored: np.ndarray, gt: np.ndarray) -> float:
    """TLME: mean distance between the displacements of landmarks from frame to frame, lower is better.

    Mean over neighbouring frames and points of ‖(r[t+1] − r[t]) − (g[t+1] − g[t])‖₂.  The paper names the measure and
    gives no formula; this one is our own, and its table cannot be in the same unit, because this measure is at most
    twice the LMD.

    Args:
        restored, gt (ndarray): Landmarks (T, N, 2) in pixels, T of 2 or more.

    Returns:
        float: Pixels per frame.
    """
    return float(np.linalg.norm(np.diff(restored, axis=0) - np.diff(gt, axis=0), axis=-1).mean())


def landmark_jitter(landmarks: np.ndarray) -> float:
    """Temporal jitter: mean norm of the second differences of landmarks in time, ‖l[t+1] − 2 l[t] + l[t−1]‖₂.

    Lower is better.  Uniform motion has none.  A face that really accelerates has some, so that numbers compare on the
    same clips alone.

    Args:
        landmarks (ndarray): (T, N, 2) in pixels, T of 3 or more.

    Returns:
        float: Pixels per squared frame.
    """
    return float(np.linalg.norm(np.diff(landmarks, n=2, axis=0), axis=-1).mean())


class _LandmarkMean(FaceMean):
    """Accumulates a measure of landmarks."""

    def find(self, *frames: np.ndarray) -> list[np.ndarray] | None:
        """Landmarks (N, 2) of each clip in the common unit; None where a clip has no face."""
        found = [self.backend.locate(frame) for frame in frames]
        if any(points is None for points in found):
            return None
        return [points * (UNIT / min(frame.shape[:2])) for points, frame in zip(found, frames)]


class LandmarkDistance(_LandmarkMean):
    """Accumulates `landmark_distance` in pixels, the mean over frames.

    Args:
        backend: Landmark detector, see ``metrics.backends``.
    """

    title = 'LMD'

    def measure(self, *found: list[np.ndarray]) -> float:
        """Pixels between a frame's restored and real landmarks."""
        return landmark_distance(*found[0])


class LandmarkMotionError(_LandmarkMean):
    """Accumulates `landmark_motion_error` in pixels per frame; pairs without a face are skipped.

    Args:
        backend: Landmark detector, see ``metrics.backends``.
    """

    title, min_frames = 'TLME', 2

    def measure(self, *found: list[np.ndarray]) -> float:
        """Pixels per frame, of neighbouring frames' restored and real landmarks."""
        return landmark_motion_error(*map(np.array, zip(*found)))


class LandmarkJitter(_LandmarkMean):
    """Accumulates `landmark_jitter` in pixels per squared frame; triples without a face are skipped.

    Args:
        backend: Landmark detector, see ``metrics.backends``.
    """

    title, min_frames = 'Jitter', 3

    def measure(self, *found: list[np.ndarray]) -> float:
        """Pixels per squared frame, of neighbouring frames' landmarks."""
        return landmark_jitter(np.concatenate(found))


@METRIC_REGISTRY.register()
@specified_by(
    MetricSpecification(
        title=LandmarkDistance.title,
        unit='px',
        better='lower',
        min_frames=LandmarkDistance.min_frames,
        label=prepare_landmarks,
        accumulator=lambda **options: LandmarkDistance(landmark_backend(**options)),
    )
)
def calculate_lmd(
    img: np.ndarray,
    img2: np.ndarray,
    landmarks: Landmarks = 'awing',
    weights: str | None = None,
    device: Device = 'auto',
    download: bool = False,
    channel_order: ChannelOrder = 'bgr',
    **kwargs: Any,
) -> float:
    """LMD, the distance of landmarks in pixels of a 512-pixel frame, lower is better; see `landmark_distance`.

    Args:
        img, img2 (ndarray): Restored and real clip (T, H, W, 3) or frame (H, W, 3), uint8.
        landmarks (str): awing (98 points, the paper's; takes the frame for an aligned face), dlib (68 points, no
            download, an extra) or centerface (5 points, always there). The numbers of one do not compare with those
            of another.
        weights (str | None): facexlib's ``alignment_WFLW_4HG.pth`` for awing; by default ``weights/``,
            facexlib's folder and the torch hub cache are searched.
        device (str): Where awing runs; auto takes a GPU where there is one.
        download (bool): Whether a missing file may be fetched.
        channel_order (str): Of the frames: bgr, as BasicSR hands them over, or rgb.

    Returns:
        float: Pixels; frames without a face are skipped and logged, nan if none remains.

    Raises:
        ValueError: Shapes differ.
        UserError: A file is missing or wrong, or dlib is not installed.
    """
    refuse_unknown_options(calculate_lmd, kwargs)
    backend = landmark_backend(landmarks, weights, device, download)
    return score_clip(LandmarkDistance(backend), img, img2, channel_order)


@METRIC_REGISTRY.register()
@specified_by(
    MetricSpecification(
        title=LandmarkMotionError.title,
        unit='px',
        better='lower',
        min_frames=LandmarkMotionError.min_frames,
        label=prepare_landmarks,
        accumulator=lambda **options: LandmarkMotionError(landmark_backend(**options)),
    )
)
def calculate_tlme(
    img: np.ndarray,
    img2: np.ndarray,
    landmarks: Landmarks = 'awing',
    weights: str | None = None,
    device: Device = 'auto',
    download: bool = False,
    channel_order: ChannelOrder = 'bgr',
    **kwargs: Any,
) -> float:
    """TLME, the error of the motion of landmarks from frame to frame in pixels, lower is better.

    See `landmark_motion_error`: the definition is our own.

    Args:
        img, img2 (ndarray): Restored and real clip (T, H, W, 3), uint8, T of 2 or more.
        landmarks (str): awing (98 points, the paper's), dlib (68 points) or centerface (5 points), as for LMD.
        weights (str | None): facexlib's ``alignment_WFLW_4HG.pth`` for awing, as for LMD.
        device (str): Where awing runs; auto takes a GPU where there is one.
        download (bool): Whether a missing file may be fetched.
        channel_order (str): Of the frames: bgr, as BasicSR hands them over, or rgb.

    Returns:
        float: Pixels of a 512-pixel frame, per frame; pairs without a face are skipped and logged.

    Raises:
        ValueError: Shapes differ, or there is a single frame.
        UserError: A file is missing or wrong, or dlib is not installed.
    """
    refuse_unknown_options(calculate_tlme, kwargs)
    backend = landmark_backend(landmarks, weights, device, download)
    return score_clip(LandmarkMotionError(backend), img, img2, channel_order)


@METRIC_REGISTRY.register()
@specified_by(
    MetricSpecification(
        title=LandmarkJitter.title,
        unit='px',
        better='lower',
        min_frames=LandmarkJitter.min_frames,
        label=prepare_landmarks,
        accumulator=lambda **options: LandmarkJitter(landmark_backend(**options)),
    )
)
def calculate_landmark_jitter(
    img: np.ndarray,
    landmarks: Landmarks = 'awing',
    weights: str | None = None,
    device: Device = 'auto',
    download: bool = False,
    channel_order: ChannelOrder = 'bgr',
    **kwargs: Any,
) -> float:
    """Temporal jitter of landmarks in pixels, without ground truth, lower is better; see `landmark_jitter`.

    Args:
        img (ndarray): Restored clip (T, H, W, 3), uint8, T of 3 or more.
        landmarks (str): awing (98 points, the paper's), dlib (68 points) or centerface (5 points), as for LMD.
        weights (str | None): facexlib's ``alignment_WFLW_4HG.pth`` for awing, as for LMD.
        device (str): Where awing runs; auto takes a GPU where there is one.
        download (bool): Whether a missing file may be fetched.
        channel_order (str): Of the frames: bgr, as BasicSR hands them over, or rgb.

    Returns:
        float: Pixels of a 512-pixel frame, per squared frame; triples without a face are skipped and logged.

    Raises:
        ValueError: There are fewer than three frames.
        UserError: A file is missing or wrong, or dlib is not installed.
    """
    refuse_unknown_options(calculate_landmark_jitter, kwargs)
    backend = landmark_backend(landmarks, weights, device, download)
    return score_clip(LandmarkJitter(backend), img, channel_order=channel_order)
