"""Metrics of clips take them frame by frame, tell what each frame adds, and take no more memory for a long clip."""

import inspect
import pickle

import numpy as np
import pytest
from basicsr.utils.registry import METRIC_REGISTRY

from pgtf_basicsr.config.metric_specification import specification_of
from pgtf_basicsr.metrics import (
    Flicker,
    IdentityConsistency,
    IdentityDistance,
    LandmarkDistance,
    LandmarkJitter,
    LandmarkMotionError,
    ResidualPSNR,
    VideoFeatures,
)

from ..helpers.portraits import moving_portrait, noisy

OF_BACKEND = [LandmarkDistance, LandmarkMotionError, IdentityDistance, LandmarkJitter, IdentityConsistency]


class MeanColour:
    """Stands for all networks: what it sees is the mean colour."""

    def locate(self, frame):
        return frame.mean(axis=(0, 1))[None, :2]

    def embed(self, frame, landmarks):
        return frame.mean(axis=(0, 1))

    def __call__(self, frames):
        return frames.mean(dim=(0, 2, 3)).numpy()


def made(kind):
    return kind(MeanColour()) if kind in OF_BACKEND else kind()


def frames_for(kind):
    """Frames of the restored and, if the metric compares it, of the real clip."""
    clip, _ = moving_portrait()
    without_gt = kind in (LandmarkJitter, IdentityConsistency)
    return list(zip(noisy(clip, 5)) if without_gt else zip(noisy(clip, 5), clip))


@pytest.mark.parametrize('kind', [Flicker, ResidualPSNR, *OF_BACKEND])
def test_each_frame_adds_the_score_of_the_run_that_ends_there(kind):
    accumulator, frames = made(kind), frames_for(kind)
    values, sizes = [], []
    for frame in frames:
        values.append(accumulator.update(*frame))
        sizes.append(len(pickle.dumps(accumulator)))
    assert all(type(value) is float for value in values)

    length = kind.min_frames
    assert np.isnan(values[: length - 1]).all()
    for end in range(length, len(frames) + 1):
        alone = made(kind)
        for frame in frames[end - length : end]:
            assert np.isnan(alone.compute())
            alone.update(*frame)
        assert values[end - 1] == alone.compute() > 0
    if kind is not ResidualPSNR:
        assert accumulator.compute() == pytest.approx(np.nanmean(values))
    # Memory does not grow.
    assert sizes[-1] < sizes[length - 1] + 100


def test_a_change_has_decibels_of_its_own():
    still, moved = np.zeros((3, 1, 1, 3), np.uint8), np.zeros((3, 1, 1, 3), np.uint8)
    moved[1], moved[2] = 5, 6
    residual = ResidualPSNR(scales=[1])
    values = [residual.update(*frames) for frames in zip(moved, still)]
    assert values[1:] == pytest.approx([10 * np.log10(255**2 / 25), 10 * np.log10(255**2 / 1)])
    # The score is that of the mean error, and no mean of decibels.
    assert residual.compute() == pytest.approx(10 * np.log10(255**2 / 13))


def test_a_frame_without_a_face_adds_nothing():
    clip = moving_portrait()[0].copy()
    clip[2] = 0
    deg, consistency = IdentityDistance(MeanColour()), IdentityConsistency(MeanColour())
    assert np.isnan([deg.update(frame, frame) for frame in clip]).nonzero()[0].tolist() == [2]
    assert np.isnan([consistency.update(frame) for frame in clip]).nonzero()[0].tolist() == [0, 2, 3]


def test_features_of_whole_windows_are_all_that_is_kept():
    features, sizes = VideoFeatures(MeanColour(), window=10), []
    clip = np.random.default_rng(0).integers(0, 255, (34, 8, 8, 3), dtype=np.uint8)
    for number, frame in enumerate(clip, 1):
        assert np.isnan(features.update(frame, frame[::-1]))
        if number % 10 == 0:
            sizes.append(len(pickle.dumps(features)))
    assert sizes[-1] < sizes[0] + 1000
    restored, real = features.collect()
    assert restored.dtype == real.dtype == np.float32 and restored.shape == real.shape == (3, 3)
    np.testing.assert_allclose(restored, 2 * clip[:30].reshape(3, -1, 3).mean(axis=1) / 255 - 1, atol=1e-2)


@pytest.mark.parametrize(
    'name, needed',
    [
        ('calculate_flicker', 2),
        ('calculate_msrl', 2),
        ('calculate_lmd', 1),
        ('calculate_tlme', 2),
        ('calculate_landmark_jitter', 3),
        ('calculate_deg', 1),
        ('calculate_identity_consistency', 2),
        ('calculate_fvd', 16),
    ],
)
def test_how_many_frames_a_clip_must_have_is_known_without_any_file(name, needed, nowhere):
    assert specification_of({'type': name, 'better': 'lower'}).min_frames == needed
    if 'window' in inspect.signature(METRIC_REGISTRY.get(name)).parameters:
        assert specification_of({'type': name, 'window': 20}).min_frames == 20
