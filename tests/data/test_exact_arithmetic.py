"""Warp, resize, degradation and alignment in integers and fractions, against OpenCV, SciPy and closed forms."""

from fractions import Fraction

import cv2
import numpy as np
import pytest
from scipy.ndimage import correlate

from pgtf_basicsr.data.degradation import Degradation, DegradationRanges, gaussian_kernel
from pgtf_basicsr.data.exact_degradation import ExactDegradation, rgb_of_yuv420, yuv420_of_rgb
from pgtf_basicsr.data.exact_resampling import WEIGHTS, ExactWarp, integer_weights, resize_weights, resized, to_uint8
from pgtf_basicsr.faces.alignment import align_to_template, face_template
from pgtf_basicsr.faces.exact_alignment import align_exactly
from pgtf_basicsr.faces.transforms import move_about_centre, transform_points, warp


def textured(height=64, width=80, seed=0):
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 1.5), None, 0, 255, cv2.NORM_MINMAX)


@pytest.mark.parametrize(
    'mode, flag', [('area', cv2.INTER_AREA), ('linear', cv2.INTER_LINEAR), ('cubic', cv2.INTER_CUBIC)]
)
def test_resize_is_that_of_opencv(mode, flag):
    frame = textured()
    # Area only shrinks.
    for size in [(20, 16), (37, 29), (80, 64)] + [(160, 96)] * (mode != 'area'):
        exact = to_uint8(resized(frame, size, mode) / 4**WEIGHTS)
        assert np.abs(np.subtract(exact, cv2.resize(frame, size, interpolation=flag), dtype=int)).max() <= 1, size


def test_weights_are_integers_and_sum_to_a_power_of_two():
    for weights in (resize_weights(50, 23, 'cubic'), resize_weights(50, 23, 'area'), resize_weights(7, 40, 'linear')):
        assert np.array_equal(weights, np.rint(weights)) and (weights.sum(axis=1) == 2**WEIGHTS).all()
    assert integer_weights(np.array([1.0, 1.0, 1.0]), 4).tolist() == [6, 5, 5]


@pytest.mark.parametrize(
    'matrix',
    [move_about_centre(48, 1.7, 20, (5, -3)), move_about_centre(48, 0.6, -8, (-4, 6)), np.eye(2, 3)],
    ids=['enlarged', 'shrunk', 'identity'],
)
def test_warp_is_that_of_opencv(matrix):
    """Places lie on a finer grid than OpenCV's, which may be of 1/32 of a pixel."""
    frame = textured(56, 72)
    difference = np.abs(np.subtract(ExactWarp(matrix, 56, 72, 48)(frame), warp(frame, matrix, 48), dtype=int))
    assert difference.mean() < 0.3 and np.quantile(difference, 0.99) <= 3
    if np.array_equal(matrix, np.eye(2, 3)):
        assert difference.max() == 0


def test_colours_survive_yuv420_as_far_as_eight_bits_hold_them():
    """Against the equations of BT.601 in limited range."""
    colours = np.random.default_rng(0).integers(0, 256, (32, 40, 3), dtype=np.uint8)
    frame = colours.repeat(2, axis=0).repeat(2, axis=1)
    planes = yuv420_of_rgb(frame)
    red, green, blue = np.moveaxis(colours.astype(float), -1, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    expected = 16 + luma * 219 / 255, 128 + (blue - luma) / 1.772 * 224 / 255, 128 + (red - luma) / 1.402 * 224 / 255
    chroma = planes[64:].reshape(2, 32, 40)
    for plane, values in zip((planes[:64:2, ::2], *chroma), expected):
        assert np.abs(plane - values).max() <= 0.51
    assert np.abs(rgb_of_yuv420(planes).astype(int) - frame).max() <= 3
    grey = np.full((4, 4, 3), 77, np.uint8)
    assert np.array_equal(rgb_of_yuv420(yuv420_of_rgb(grey)), grey)


@pytest.mark.parametrize('sigma', [(1.3, 1.3), (2.5, 0.8)], ids=['isotropic', 'anisotropic'])
def test_blur_is_the_exact_sum(sigma):
    """Against SciPy's sums with the kernel in float64, up to the rounding of weights and of steps of 1/256."""
    degradation = ExactDegradation(DegradationRanges(isotropic_prob=float(sigma[0] == sigma[1])))
    parameters = degradation.draw(np.random.default_rng(0), 1)
    parameters = type(parameters)(**{**vars(parameters), 'sigma': sigma, 'angle': 0.0 if len(set(sigma)) == 1 else 0.4})
    frame = textured(40, 40)
    kernel = gaussian_kernel(21, *sigma, parameters.angle).astype(float)
    expected = np.stack([correlate(frame[..., c].astype(float), kernel, mode='mirror') for c in range(3)], axis=-1)
    blurred = degradation._blur(parameters)(frame)
    assert np.array_equal(blurred, np.rint(blurred))
    assert np.abs(blurred / 256 - expected).max() < 0.1


def test_degradation_is_eq_8_as_training_has_it():
    """Of grey frames, whose colours the two convert alike, at the codec's best quality and without noise."""
    frames = np.stack([textured()[..., :1].repeat(3, -1)] * 2)
    for seed in range(6):
        ranges = DegradationRanges(noise=(0, 0), crf=(0, 0), scale=(2, 3), sigma=(0.5, 2))
        fast, exact = (kind(ranges)(frames, np.random.default_rng(seed)) for kind in (Degradation, ExactDegradation))
        assert exact.dtype == np.uint8 and exact.shape == frames.shape
        # FFmpeg's conversion of colours darkens by up to a level.
        assert np.abs(np.subtract(exact, fast, dtype=int)).mean() < 1


def test_noise_has_the_level_that_was_drawn():
    degradation = ExactDegradation(DegradationRanges(sigma=(0.1, 0.1), scale=(1, 1)))
    parameters = degradation.draw(np.random.default_rng(3), 1)
    noisy = degradation._low_resolution(parameters)(np.full((96, 96, 3), 128, np.uint8), 8.0, False)
    assert abs(noisy.astype(float).std() - 8) < 0.2 and abs(noisy.mean() - 128) < 0.3


def test_alignment_is_the_least_median_of_squares():
    rng = np.random.default_rng(0)
    for _ in range(10):
        landmarks = face_template(96) + rng.uniform(-20, 20, 2) + rng.normal(0, 0.5, (5, 2))
        exact = align_exactly(landmarks, 64)
        # Over all points of the image, OpenCV's iterative estimate of the same.
        corners = np.array([[0, 0], [96, 0], [0, 96], [96, 96]])
        first, second = (transform_points(corners, matrix) for matrix in (exact, align_to_template(landmarks, 64)))
        assert np.abs(first - second).max() < 0.01


def test_a_misplaced_landmark_does_not_tilt_the_face():
    moved = move_about_centre(64, 0.8, 12, (3, 5))
    landmarks = transform_points(face_template(64), moved)
    expected = align_exactly(landmarks, 64)
    landmarks[3] += (40, -25)
    assert np.allclose(align_exactly(landmarks, 64), expected, atol=1e-9)


def test_alignment_is_exact():
    """Landmarks and template of few bits have a transform that can be computed by hand."""
    landmarks = face_template(512) * 2 + (10, -20)
    expected = [[Fraction(1, 2), 0, -5], [0, Fraction(1, 2), 10]]
    assert np.abs(align_exactly(landmarks, 512) - np.array(expected, float)).max() < 1e-12
    with pytest.raises(ValueError, match='do not determine a similarity'):
        align_exactly(np.ones((5, 2)), 512)
    with pytest.raises(ValueError, match='do not determine a similarity'):
        align_exactly(np.full((5, 2), np.nan), 512)
