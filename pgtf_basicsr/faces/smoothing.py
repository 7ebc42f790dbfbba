"""Smoothing of measurements over time, without lag."""

import functools

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.linalg import solveh_banded
from scipy.ndimage import gaussian_filter1d, maximum_filter1d, median_filter

__all__ = ['smooth']

# Widths of the curves that are tried, the stiffest first, in frames: fourth roots of the stiffness. With the first,
# noise of 2 pixels moves the curve by about a tenth of a pixel from frame to frame at most.
WIDTHS = (12.0, 6.0, 3.0, 1.5, 0.75)
# Standard deviations, in frames, of the averages that tell a miss from noise: a short one for jolts, and a long one for
# slow bends, which are missed by less, for longer.
MISS_WINDOWS = (2.0, 6.0)
# How many of its own standard deviations an average has to exceed: so many that noise alone hardly ever makes a still
# face one that moves; fewer where it moves, where a lag is worse than noise.
MOVES, MOVES_MORE = 5.0, 3.0
# A single measurement that lies this many standard deviations off its neighbours is wrong.
OUTLIER = 8.0
# Keeps the curve defined where all measurements are at one frame.
_EPSILON = 1e-6


def smooth(values: np.ndarray, tolerance: np.ndarray | float) -> np.ndarray:
    """Fit a smooth curve to measurements, with looks ahead and back, through gaps and up to both ends.

    The curve minimises squared distances to the measurements plus squared second differences times a stiffness
    (Whittaker, 1923), so that a motion of constant speed is never bent. Where an average of several measurements lies
    off the curve by more than their noise explains, the stiffness is lowered until it does not: places of a still face
    are averaged over some thirty frames, those of a jolted one over two. The noise is measured on the values.

    Args:
        values (ndarray): (frames,), nan where nothing was measured.
        tolerance (ndarray | float): How far the curve may lie off the average of the measurements in any case:
            (frames,) or one for all.

    Returns:
        ndarray: (frames,), nowhere nan.

    Raises:
        ValueError: Nothing was measured.
    """
    values = np.asarray(values, dtype=np.float64)
    tolerance = np.broadcast_to(np.asarray(tolerance, dtype=np.float64), values.shape)
    measured = np.isfinite(values)
    if not measured.any():
        raise ValueError('no value to smooth')
    times = np.flatnonzero(measured)
    noise = _noise(times, values[times], 2 * float(np.median(tolerance)))
    measured[times[_outliers(values[times], OUTLIER * np.maximum(noise, tolerance[times]))]] = False
    weights = measured.astype(np.float64)
    values = np.where(measured, values, 0)
    widths = np.zeros(len(values), int)
    while True:
        curve = _curve(values, weights, np.take(WIDTHS, widths))
        missed = np.zeros(len(values), bool)
        for window in MISS_WINDOWS:
            missed |= _misses(weights * (values - curve), weights, widths, window, noise, tolerance)
        missed &= widths < len(WIDTHS) - 1
        if not missed.any():
            return curve
        widths[missed] += 1


def _misses(
    residual: np.ndarray, weights: np.ndarray, widths: np.ndarray, window: float, noise: float, tolerance: np.ndarray
) -> np.ndarray:
    """Around which frames the average of the residual is more than is left of noise there, and than the tolerance."""
    # Of the window around each frame, the share that was measured.
    share = np.maximum(gaussian_filter1d(weights, window, mode='constant'), 1e-3)
    spread = noise * np.array([_residual_noise(width, window) for width in WIDTHS])[widths] / np.sqrt(share)
    average = gaussian_filter1d(residual, window, mode='constant') / share
    missed = np.abs(average) > np.maximum(np.where(widths == 0, MOVES, MOVES_MORE) * spread, tolerance)
    return np.asarray(maximum_filter1d(missed, 2 * int(2 * window) + 1))


@functools.cache
def _residual_noise(width: float, window: float) -> float:
    """Standard deviation of the average of what a curve leaves of white noise of 1: a narrow one follows it itself."""
    frequencies = np.pi * (np.arange(1024) + 0.5) / 1024
    bend = (width * 2 * np.sin(frequencies / 2)) ** 4
    return float(np.sqrt(np.mean((bend / (1 + bend) * np.exp(-((window * frequencies) ** 2) / 2)) ** 2)))


def _noise(times: np.ndarray, values: np.ndarray, assumed: float) -> float:
    """Standard deviation of the noise, from third differences, which leave little of a motion.

    It is rather too great than too small: by more than its own standard deviation, 1.5 over the root of their number.
    """
    if len(values) < 6:
        return assumed
    thirds = np.diff(values, 3)
    even = np.ptp(sliding_window_view(np.diff(times), 3), axis=1) == 0
    if even.sum() < 3:
        return assumed
    return float(np.median(np.abs(thirds[even])) / 0.6745 / np.sqrt(20) * (1 + 2 / np.sqrt(len(values))))


def _outliers(values: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """Which measurements lie off the median of five by more than the limit."""
    return np.asarray(np.abs(values - median_filter(values, 5, mode='nearest')) > limit)


def _curve(values: np.ndarray, weights: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Solve for the curve: (W + D' S D) curve = W values, D the second differences, S the stiffness."""
    count = len(values)
    bands = np.zeros((3, count))  # upper diagonals, the main one last, as LAPACK has them
    bands[2] = weights + _EPSILON
    if count > 2:
        stiffness = width[1:-1] ** 4
        bands[2, :-2] += stiffness
        bands[2, 1:-1] += 4 * stiffness
        bands[2, 2:] += stiffness
        bands[1, 1:-1] -= 2 * stiffness
        bands[1, 2:] -= 2 * stiffness
        bands[0, 2:] += stiffness
    mean = weights @ values / weights.sum()
    return mean + solveh_banded(bands, weights * (values - mean))
