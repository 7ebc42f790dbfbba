"""Differences of two runs over the same clips, and how sure they are."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.stats import bootstrap

from ..results import DatasetResult

__all__ = ['CONFIDENCE', 'RESAMPLES', 'SEED', 'PairedDifference', 'bootstrap_interval', 'paired_difference']

CONFIDENCE = 0.95
RESAMPLES = 10_000
# Makes intervals reproducible, and draws the same clips for all metrics.
SEED = 0
# Resamples that are in memory at a time.
BATCH = 1000


@dataclass(frozen=True)
class PairedDifference:
    """By how much a run's scores of a metric differ from the baseline's.

    Attributes:
        mean: Mean of the differences, in the metric's unit; of a dataset-level metric, the difference.
        interval: (low, high) of the mean, see `bootstrap_interval`; None where there is none.
        better, worse, equal: Clips whose score is better than the baseline's, worse, or the same.
        verdict: 'better' or 'worse' where the interval does not contain 0; else ''.
        clips: {clip: the run's score minus the baseline's}.
    """

    mean: float
    interval: tuple[float, float] | None = None
    better: int = 0
    worse: int = 0
    equal: int = 0
    verdict: str = ''
    clips: dict[str, float] = field(default_factory=dict)


def paired_difference(first: DatasetResult, other: DatasetResult, metric: str) -> PairedDifference:
    """Difference of two runs over the clips that have a score in both.

    Where both scores are infinite, such as the PSNR of two clips without an error, the clip is equal and its difference
    0.  Where one is, the difference and with it the mean are infinite, or nan if it is so in both directions, and there
    is no interval.

    Args:
        first, other (DatasetResult): Of the baseline and of the run, with the same clips.
        metric (str): Name of a metric that both have.

    Returns:
        PairedDifference: Of the restored clips; the mean is nan where no clip has a score in both.
    """
    if metric in first.whole and metric in other.whole:
        return PairedDifference(_minus(other.mean(metric), first.mean(metric)))
    baseline, scores = first.clip_scores(metric), other.clip_scores(metric)
    clips = {clip: _minus(scores[clip], score) for clip, score in baseline.items() if clip in scores}
    values = list(clips.values())
    direction = 1 if first.metrics[metric].better == 'higher' else -1
    interval = bootstrap_interval(values)
    verdict = ''
    if interval and not interval[0] <= 0 <= interval[1]:
        verdict = 'better' if direction * interval[0] > 0 else 'worse'
    return PairedDifference(
        sum(values) / len(values) if values else math.nan,
        interval,
        better=sum(direction * value > 0 for value in values),
        worse=sum(direction * value < 0 for value in values),
        equal=values.count(0),
        verdict=verdict,
        clips=clips,
    )


def bootstrap_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Confidence interval of the mean of the population that the values are a sample of, at `CONFIDENCE`.

    It is the percentile bootstrap.  BCa would correct bias, which a mean does not have, and skewness, which it
    estimates from the same few clips, and it is undefined where all values are equal.  With ten values or fewer both
    are too narrow.

    Args:
        values (Sequence[float]): One for each clip: frames of a clip depend on each other, clips do not.

    Returns:
        tuple[float, float] | None: None for fewer than two values, or values that are not finite.
    """
    if len(values) < 2 or not np.isfinite(values).all():
        return None
    low, high = bootstrap(
        (values,),
        np.mean,
        n_resamples=RESAMPLES,
        batch=BATCH,
        confidence_level=CONFIDENCE,
        method='percentile',
        random_state=np.random.default_rng(SEED),
    ).confidence_interval
    return float(low), float(high)


def _minus(score: float, baseline: float) -> float:
    """The difference; equal infinities have none."""
    return 0.0 if score == baseline else score - baseline
