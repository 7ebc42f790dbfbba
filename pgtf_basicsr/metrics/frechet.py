"""FVD: how far the restored clips of a data set are from the real ones, as a whole."""
from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge
from basicsr.utils.registry import METRIC_REGISTRY

from ..errors import UserError
from .accumulators import ChannelOrder, as_rgb
from .backends.video_features import prepare_frame, prepare_video_features, video_feature_backend
from .backends.weights import Device

__all__ = ['FeatureStatistics', 'FrechetVideoDistance', 'calculate_fvd', 'frechet_distance']

# I3D halves time several times.
MIN_WINDOW = 10


def frechet_distance(mean1, cov1, mean2, cov2):
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


class FeatureStatistics:
    """Mean and covariance of vectors, one after another, in double precision and constant memory.

    Attributes:
        count (int): Vectors so far.
        mean (ndarray): (D,); None before the first.
    """

    def __init__(self):
        self.count, self.mean, self._scatter = 0, None, None

    def update(self, features):
        """Take a vector (D,)."""
        features = np.asarray(features, np.float64)
        single = FeatureStatistics()
        single.count, single.mean, single._scatter = 1, features, np.zeros((features.size, features.size))
        self.merge(single)

    def merge(self, other):
        """Take all vectors of another one, such as another process' (Chan et al., 1979)."""
        if not other.count:
            return
        if not self.count:
            self.count, self.mean, self._scatter = other.count, other.mean.copy(), other._scatter.copy()
            return
        total = self.count + other.count
        shift = other.mean - self.mean
        self._scatter += other._scatter + np.outer(shift, shift) * (self.count * other.count / total)
        self.mean = self.mean + shift * (other.count / total)
        self.count = total

    def covariance(self):
        """Unbiased covariance (D, D); of 2 vectors or more."""
        return self._scatter / (self.count - 1)


class FrechetVideoDistance:
    """Accumulates FVD (Unterthiner et al., 2018) over the clips of a data set.

    Each run of ``window`` frames of a clip, one after the other, is a sample; what is left at a clip's end is not used.
    Memory does not grow with the number or length of clips.

    Args:
        extract: What makes a vector of frames (T, 3, 224, 224) in [-1, 1]: I3D for FVD, see ``metrics.backends``.
        window (int): Frames of a sample, 10 or more.  Distances of different windows do not compare.

    Raises:
        UserError: The window is too short.
    """

    def __init__(self, extract, window=16):
        if window < MIN_WINDOW:
            raise UserError(f'FVD: window is {window}; I3D needs {MIN_WINDOW} frames or more')
        self.window = window
        self.clips = 0
        self._extract = extract
        self._statistics = FeatureStatistics(), FeatureStatistics()
        self._frames = [], []
        self._clip_frames = 0

    def update(self, restored, gt):
        """Take the next frame of a restored and a real clip, (H, W, 3) uint8 RGB."""
        self._clip_frames += 1
        for frames, frame, statistics in zip(self._frames, (restored, gt), self._statistics):
            frames.append(prepare_frame(frame))
            if len(frames) == self.window:
                statistics.update(self._extract(torch.stack(frames)))
                frames.clear()

    def end_clip(self):
        """Tell that the clip is over.

        Raises:
            UserError: It was shorter than the window.
        """
        if self._clip_frames < self.window:
            raise UserError(f'FVD: a clip has {self._clip_frames} frames; {self.window} are needed (option `window`, '
                            f'{MIN_WINDOW} or more)')
        self.clips += 1
        self._clip_frames = 0
        for frames in self._frames:
            frames.clear()

    def merge(self, other):
        """Take all clips of another one, such as another process'."""
        self.clips += other.clips
        for mine, others in zip(self._statistics, other._statistics):
            mine.merge(others)

    def compute(self):
        """The distance.

        Raises:
            UserError: There were fewer than two clips.
        """
        if self.clips < 2:
            raise UserError('FVD is a distance between two sets of clips and says nothing of a single one: '
                            f'two clips or more are needed, got {self.clips}')
        restored, real = self._statistics
        return frechet_distance(restored.mean, restored.covariance(), real.mean, real.covariance())


@METRIC_REGISTRY.register()
def calculate_fvd(img, img2, window: Annotated[int, Ge(MIN_WINDOW)] = 16, weights: str | None = None,
                  device: Device = 'auto', download: bool = False, channel_order: ChannelOrder = 'rgb', **kwargs):
    """FVD, the Fréchet distance of I3D's features of restored and real clips, lower is better.

    It is one number of a data set and not a mean over clips, see `FrechetVideoDistance`; its attribute ``per_data_set``
    tells validation so.  With fewer clips than I3D has features, 400, it is biased, and numbers compare only for the
    same clips and the same ``window``.

    Args:
        img, img2 (list): Restored and real clips, 2 or more of each, (T, H, W, 3) uint8 with T of ``window`` or more.
        window (int): Frames of a sample, 10 or more.
        weights (str | None): I3D as TorchScript, ``i3d_torchscript.pt``; without it, ``weights/``, facexlib's folder
            and the torch hub cache are looked through.
        device (str): Where the network runs; auto takes a GPU where there is one.
        download (bool): Whether a missing file may be fetched.
        channel_order (str): Of the frames: rgb, as this package's validation hands them over, or bgr.

    Returns:
        float: 0 for equal clips, up to rounding.

    Raises:
        ValueError: Restored and real clips differ in number or length.
        UserError: There are fewer than two clips, or too short ones, or the file is missing or wrong.
    """
    if isinstance(img, np.ndarray) and img.ndim < 5:
        raise UserError('FVD is a distance between two sets of clips and says nothing of a single one or its frames')
    if list(map(len, img)) != list(map(len, img2)):
        raise ValueError('expected as many restored clips as real ones, of the same lengths, '
                         f'got {list(map(len, img))} and {list(map(len, img2))} frames')
    distance = _accumulator(window, weights, device, download)
    for restored, real in zip(img, img2):
        for frames in zip(restored, real):
            distance.update(*(as_rgb(frame, channel_order) for frame in frames))
        distance.end_clip()
    return distance.compute()


def _accumulator(window=16, weights=None, device='auto', download=False, **options):
    return FrechetVideoDistance(video_feature_backend(weights, device, download), window)


calculate_fvd.per_data_set = True
calculate_fvd.prepare = prepare_video_features
calculate_fvd.accumulator = _accumulator


def _root(covariance):
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
