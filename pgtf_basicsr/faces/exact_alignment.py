"""Alignment to the FFHQ template in rational numbers: the same transform on every machine.

`alignment.align_to_template` estimates by OpenCV, which refines iteratively: processors and versions differ in the
seventh digit.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations

import numpy as np

from .alignment import face_template

__all__ = ['align_exactly']

# Squared factor from the median of residuals to the largest that is not an outlier, for a model of two points
# (Rousseeuw and Leroy, 1987, as in OpenCV): sigma = 1.4826 (1 + 5 / (n - 2)) times the median, and 2.5 sigma.
_SIGMA = Fraction('2.5') * Fraction('1.4826')

Point = tuple[Fraction, Fraction]
# (a, b, c, d): the transform x' = a x - b y + c, y' = b x + a y + d.
Similarity = tuple[Fraction, Fraction, Fraction, Fraction]


def align_exactly(landmarks: np.ndarray, size: int) -> np.ndarray:
    """Find the similarity transform from a face to the FFHQ template by least median of squares.

    Of the transforms that take two landmarks to their places, the one with the smallest median of residuals says which
    landmarks are misplaced; least squares over the others give the result.

    Args:
        landmarks (ndarray): (5, 2).
        size (int): Side of the template in pixels.

    Returns:
        ndarray: (2, 3), see `transforms`; correctly rounded.

    Raises:
        ValueError: The landmarks do not determine a transform: all of them coincide or one is not finite.
    """
    if not np.isfinite(landmarks).all() or not np.ptp(landmarks, axis=0).any():
        raise ValueError(f'landmarks {np.asarray(landmarks).tolist()} do not determine a similarity transform')
    pairs = list(zip(_points(landmarks), _points(face_template(size))))
    # Two landmarks in one place determine none.
    candidates = [_least_squares(two) for two in combinations(pairs, 2) if two[0][0] != two[1][0]]
    median, best = min((_median(pairs, candidate), candidate) for candidate in candidates)
    limit = (_SIGMA * (1 + Fraction(5, len(pairs) - 2))) ** 2 * median
    a, b, c, d = _least_squares([pair for pair in pairs if _residual(pair, best) <= limit])
    return np.array([[a, -b, c], [b, a, d]], dtype=np.float64)


def _points(values: np.ndarray) -> list[Point]:
    return [(Fraction(float(x)), Fraction(float(y))) for x, y in values]


def _least_squares(pairs: Sequence[tuple[Point, Point]]) -> Similarity:
    """Similarity transform that takes the first points of pairs closest to the second ones."""
    count = len(pairs)
    means = [sum(values, Fraction()) / count for values in zip(*(first + second for first, second in pairs))]
    centred = [[value - mean for value, mean in zip(first + second, means)] for first, second in pairs]
    norm = sum((x * x + y * y for x, y, _, _ in centred), Fraction())
    a = sum((x * u + y * v for x, y, u, v in centred), Fraction()) / norm
    b = sum((x * v - y * u for x, y, u, v in centred), Fraction()) / norm
    x, y, u, v = means
    return a, b, u - a * x + b * y, v - b * x - a * y


def _residual(pair: tuple[Point, Point], similarity: Similarity) -> Fraction:
    """Squared distance of a landmark from its place."""
    ((x, y), (u, v)), (a, b, c, d) = pair, similarity
    return (a * x - b * y + c - u) ** 2 + (b * x + a * y + d - v) ** 2


def _median(pairs: Sequence[tuple[Point, Point]], similarity: Similarity) -> Fraction:
    return sorted(_residual(pair, similarity) for pair in pairs)[len(pairs) // 2]
