"""FVD: distance between all restored and all real clips of a dataset."""

import math
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Ge
from basicsr.utils.registry import METRIC_REGISTRY

from ..config.metric_specification import ChannelOrder, MetricSpecification, specified_by
from ..errors import UserError
from ..network_files import Device
from .accumulators import as_rgb
from .backends.video_features import prepare_frame, prepare_video_features, video_feature_backend
from .unknown_options import refuse_unknown_options

__all__ = ['VideoFeatures', 'calculate_fvd', 'frechet_distance', 'frechet_video_distance']

# I3D halves time several times.
MIN_WINDOW = 10
WINDOW = 16


def frechet_distance(mean1: np.ndarray, cov1: np.ndarray, mean2: np.ndarray, cov2: np.ndarray) -> float:
    """Squared Fréchet distance of two Gaussians, lower is better.

    ‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2 (Σ₁ Σ₂)^½) (Dowson and Landau, 1982), in double precision.  The trace of the root is
    the sum of the singular values of Σ₁^½ Σ₂^½, so that singular covariances do no harm.

    Args:
        mean1, mean2 (ndarray): (D,).
        cov1, cov2 (ndarray): (D, D), symmetric and positive semidefinite.

    Returns:
        float: 0 for equal Gaussians, up to rounding.
    """
    mean1, cov1, mean2, cov2 = (np.asarray(values, np.float64) for values in (mean1, cov1, mean2, cov2))
    overlap = np.linalg.svd(_root(cov1) @ _root(cov2), compute_uv=False).sum()
    return float(np.square(mean1 - mean2).sum() + np.trace(cov1) + np.trace(cov2) - 2 * overlap)


def frechet_video_distance(collected: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """FVD (Unterthiner et al., 2018) of the clips of a dataset, lower is better.

    Mean and covariance are numpy's, in double precision, over the samples of all clips in the order given: the number
    does not depend on which process has collected which clip.

    Args:
        collected (sequence): What `VideoFeatures.collect` returns for each clip.

    Returns:
        float: 0 for equal clips, up to rounding.

    Raises:
        UserError: There are fewer than two clips.
    """
    if len(collected) < 2:
        raise UserError(
            'FVD is a distance between two sets of clips and says nothing of a single one: '
            f'two clips or more are needed, got {len(collected)}'
        )
    restored, real = (np.concatenate(features).astype(np.float64) for features in zip(*collected))
    return frechet_distance(
        restored.mean(axis=0), np.cov(restored, rowvar=False), real.mean(axis=0), np.cov(real, rowvar=False)
    )


class VideoFeatures:
    """Collects features of a restored and a real clip for FVD.

    Each run of ``window`` frames, one after the other, is a sample; frames that are left at the clip's end are skipped.

    Args:
        extract: Function that makes a vector (D,) of frames (T, 3, 224, 224) in [-1, 1]: I3D for FVD, see
            ``metrics.backends``.
        window (int): Frames of a sample, 10 or more.  Distances of different windows do not compare.

    Raises:
        UserError: The window is too short.
    """

    def __init__(self, extract: Callable[[torch.Tensor], np.ndarray], window: int = WINDOW) -> None:
        if window < MIN_WINDOW:
            raise UserError(f'FVD: window is {window}; I3D needs {MIN_WINDOW} frames or more')
        self.min_frames = window
        self._extract = extract
        self._frames: tuple[list[torch.Tensor], list[torch.Tensor]] = [], []
        self._features: tuple[list[np.ndarray], list[np.ndarray]] = [], []
        self._count = 0

    def update(self, restored: np.ndarray, gt: np.ndarray) -> float:
        """Take the next frame of each clip, (H, W, 3) uint8 RGB; return nan, as single frames have no value."""
        self._count += 1
        for frames, features, frame in zip(self._frames, self._features, (restored, gt)):
            frames.append(prepare_frame(frame))
            if len(frames) == self.min_frames:
                features.append(self._extract(torch.stack(frames)))
                frames.clear()
        return math.nan

    def collect(self) -> tuple[np.ndarray, np.ndarray]:
        """Features of the restored and of the real clip, a pair of arrays (n, D) float32 for n whole windows.

        I3D has a D of 400: each window takes 3200 bytes.

        Raises:
            UserError: The clip was shorter than the window.
        """
        if self._count < self.min_frames:
            raise UserError(
                f'FVD: a clip has {self._count} frames; {self.min_frames} are needed (option `window`, '
                f'{MIN_WINDOW} or more)'
            )
        restored, real = (np.array(features, np.float32) for features in self._features)
        return restored, real


@METRIC_REGISTRY.register()
@specified_by(
    MetricSpecification(
        title='FVD',
        better='lower',
        digits=2,
        label=prepare_video_features,
        accumulator=lambda window=WINDOW, **options: VideoFeatures(video_feature_backend(**options), window),
        combine=frechet_video_distance,
        of_options=lambda window=WINDOW, **options: {'min_frames': window},
    )
)
def calculate_fvd(
    img: Sequence[np.ndarray],
    img2: Sequence[np.ndarray],
    window: Annotated[int, Ge(MIN_WINDOW)] = WINDOW,
    weights: str | None = None,
    device: Device = 'auto',
    download: bool = False,
    channel_order: ChannelOrder = 'bgr',
    **kwargs: Any,
) -> float:
    """FVD, the Fréchet distance of I3D's features of restored and real clips, lower is better.

    It is a dataset-level metric and not a mean over clips, see `VideoFeatures` and `frechet_video_distance`.  With
    fewer clips than I3D has features, 400, it is biased, and numbers compare only for the same clips and the same
    ``window``.

    Args:
        img, img2 (sequence): Restored and real clips, 2 or more of each, (T, H, W, 3) uint8 with T of
            ``window`` or more.
        window (int): Frames of a sample, 10 or more.
        weights (str | None): I3D as TorchScript, ``i3d_torchscript.pt``; by default ``weights/``, facexlib's
            folder and the torch hub cache are searched.
        device (str): Where the network runs; auto takes a GPU where there is one.
        download (bool): Whether a missing file may be fetched.
        channel_order (str): Of the frames: bgr, as BasicSR hands them over, or rgb.

    Returns:
        float: 0 for equal clips, up to rounding.

    Raises:
        ValueError: Restored and real clips differ in number or length.
        UserError: There are fewer than two clips, or too short ones, or the file is missing or wrong.
    """
    refuse_unknown_options(calculate_fvd, kwargs)
    if isinstance(img, np.ndarray) and img.ndim < 5:
        raise UserError('FVD is a distance between two sets of clips and says nothing of a single one or its frames')
    if list(map(len, img)) != list(map(len, img2)):
        raise ValueError(
            'expected as many restored clips as real ones, of the same lengths, '
            f'got {list(map(len, img))} and {list(map(len, img2))} frames'
        )
    backend, collected = video_feature_backend(weights, device, download), []
    for restored, real in zip(img, img2):
        features = VideoFeatures(backend, window)
        for frames in zip(restored, real):
            features.update(*(as_rgb(frame, channel_order) for frame in frames))
        collected.append(features.collect())
    return frechet_video_distance(collected)


def _root(covariance: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
