"""FVD, against the closed form, an independent matrix square root, and a small TorchScript network."""

import numpy as np
import pytest
import scipy.linalg

from pgtf_basicsr.errors import UserError
from pgtf_basicsr.metrics import VideoFeatures, calculate_fvd, frechet_distance, frechet_video_distance
from pgtf_basicsr.metrics.backends.video_features import prepare_frame

from ..helpers.portraits import blurred, noisy


def covariance(rng, size, rank=None):
    factor = rng.normal(size=(size, rank or size))
    return factor @ factor.T


def test_closed_form_of_independent_features():
    # Diagonal covariances: the sum over features of (μ₁ − μ₂)² + (σ₁ − σ₂)².
    mean1, mean2 = np.array([1.0, -2.0, 0.0]), np.array([4.0, -2.0, 1.0])
    std1, std2 = np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 0.0])
    expected = 9 + 0 + 1 + 4 + 0 + 9
    assert frechet_distance(mean1, np.diag(std1**2), mean2, np.diag(std2**2)) == pytest.approx(expected)


@pytest.mark.parametrize('size', [3, 40])
def test_against_an_independent_matrix_square_root(size):
    rng = np.random.default_rng(size)
    mean1, mean2 = rng.normal(size=(2, size))
    cov1, cov2 = covariance(rng, size), covariance(rng, size)
    root = scipy.linalg.sqrtm(cov1 @ cov2)
    expected = np.sum((mean1 - mean2) ** 2) + np.trace(cov1 + cov2 - 2 * root).real
    assert frechet_distance(mean1, cov1, mean2, cov2) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(mean2, cov2, mean1, cov1) == pytest.approx(expected, rel=1e-9)


def test_fewer_samples_than_features():
    rng = np.random.default_rng(0)
    mean, cov = rng.normal(size=50), covariance(rng, 50, rank=4)
    assert frechet_distance(mean, cov, mean, cov) == pytest.approx(0, abs=1e-10)
    # Σ₂ = 4 Σ₁: tr Σ₁ (1 − 2)².
    assert frechet_distance(mean, cov, mean, 4 * cov) == pytest.approx(np.trace(cov), rel=1e-10)


def test_samples_of_all_clips_count_alike():
    """Clips of different lengths, features far from 0, where a covariance in single precision would be lost."""
    rng = np.random.default_rng(0)
    collected = [rng.normal(1e3, 1, (2, count, 6)).astype(np.float32) for count in (1, 3, 20)]
    restored, real = np.concatenate(collected, axis=1).astype(np.float64)
    covariances = [np.cov(restored.T), np.cov(real.T)]
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1])
    expected = np.sum((restored.mean(axis=0) - real.mean(axis=0)) ** 2) + np.trace(sum(covariances) - 2 * root).real
    assert frechet_video_distance(collected) == pytest.approx(expected, rel=1e-9)


def test_distance_of_gaussian_features():
    """Clips whose mean colour is drawn from two Gaussians, and a network that sees the mean colour alone."""
    rng = np.random.default_rng(0)
    colours = [rng.normal(mean, std, (15, 3)).round().clip(0, 255) for mean, std in ((100, 10), (160, 20))]
    collected = []
    for pair in zip(*colours):
        features = VideoFeatures(lambda frames: frames.mean(dim=(0, 2, 3)).numpy(), window=10)
        frames = [np.full((8, 8, 3), colour, np.uint8) for colour in pair]
        for _ in range(10):
            features.update(*frames)
        collected.append(features.collect())
    means = [2 * colour.mean(axis=0) / 255 - 1 for colour in colours]
    covariances = [np.cov(2 * colour / 255 - 1, rowvar=False) for colour in colours]
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1])
    expected = np.sum((means[0] - means[1]) ** 2) + np.trace(sum(covariances) - 2 * root).real
    assert frechet_video_distance(collected) == pytest.approx(expected, rel=1e-4)


def clips():
    return [np.random.default_rng(seed).integers(0, 255, (11, 32, 40, 3), dtype=np.uint8) for seed in range(3)]


def test_a_data_set_by_a_network_from_a_file(i3d_file):
    real = [blurred(clip, 1) for clip in clips()]
    fvd = [
        calculate_fvd([noisy(clip, sigma) for clip in real], real, window=10, weights=i3d_file, channel_order='rgb')
        for sigma in (0, 10, 20, 40)
    ]
    # Equal up to the rounding of a square root.
    assert fvd[0] == pytest.approx(0, abs=1e-9)
    assert sorted(fvd) == fvd and fvd[1] > 1e-7
    bgr = calculate_fvd(
        [noisy(clip, 20)[..., ::-1] for clip in real], [clip[..., ::-1] for clip in real], window=10, weights=i3d_file
    )
    assert bgr == pytest.approx(fvd[2])


@pytest.mark.parametrize('order', [(0, 1, 2), (2, 0, 1)])
def test_the_number_is_the_same_whichever_process_has_seen_a_clip(i3d_file, order):
    real = clips()
    restored = [noisy(clip, 20) for clip in real]
    collected = {}
    for index in order:
        features = calculate_fvd.specification.accumulator(window=10, weights=i3d_file, better='lower')
        for frames in zip(restored[index], real[index]):
            features.update(*frames)
        collected[index] = features.collect()
    together = calculate_fvd(restored, real, window=10, weights=i3d_file, channel_order='rgb')
    assert calculate_fvd.specification.combine([collected[index] for index in range(3)]) == together


def test_frames_for_the_network():
    frame = np.zeros((448, 672, 3), np.uint8)
    frame[:, 336:] = 255
    image = prepare_frame(frame)
    assert image.shape == (3, 224, 224)
    assert image[:, :, :111].unique().tolist() == [-1] and image[:, :, 113:].unique().tolist() == [1]


def test_what_has_no_distribution_is_refused(i3d_file):
    clip = clips()[0]
    with pytest.raises(UserError, match='a single one'):
        calculate_fvd(clip, clip, weights=i3d_file)
    with pytest.raises(UserError, match='two clips or more are needed, got 1'):
        calculate_fvd([clip], [clip], window=10, weights=i3d_file)
    with pytest.raises(UserError, match='a clip has 9 frames; 10 are needed'):
        calculate_fvd([clip[:9]] * 2, [clip[:9]] * 2, window=10, weights=i3d_file)
    with pytest.raises(UserError, match='window is 9'):
        calculate_fvd([clip] * 2, [clip] * 2, window=9, weights=i3d_file)
    with pytest.raises(ValueError, match='same lengths'):
        calculate_fvd([clip] * 2, [clip[:10]] * 2, window=10, weights=i3d_file)


def test_a_file_that_is_no_network(tmp_path):
    path = tmp_path / 'i3d.pt'
    path.write_text('no network')
    with pytest.raises(UserError, match='cannot be read as TorchScript'):
        calculate_fvd([], [], weights=str(path))
