"""Runs held against each other, clip by clip."""

import json
import math
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
from scipy.stats import bootstrap

from ...errors import UserError
from ...files import replacing
from ..results import DataSetResult, json_values, read_results

__all__ = [
    'CONFIDENCE',
    'RESAMPLES',
    'Comparison',
    'DataSetComparison',
    'PairedDifference',
    'bootstrap_interval',
    'compare',
    'find_results',
    'paired_difference',
    'write_comparison',
]

CONFIDENCE = 0.95
RESAMPLES = 10_000
# With it, the same files give the same intervals, and clips are drawn alike for all metrics.
SEED = 0
# Resamples that are in memory at a time.
BATCH = 1000

# Options that say where a metric's network is taken from and runs; which network it is, the label says.
NOT_OF_NUMBERS = ('device', 'download', 'weights')
MOST_NAMES = 3


@dataclass(frozen=True)
class PairedDifference:
    """By how much a run's scores of a metric differ from the baseline's.

    Attributes:
        mean: Mean of the differences, in the metric's unit; of a metric that is no mean over clips, the difference.
        interval: (low, high) of the mean, see `bootstrap_interval`; None where there is none.
        better, worse, equal: Clips whose score is better than the baseline's, worse, or the same.
        verdict: 'better' or 'worse' where the interval does not contain 0; else ''.
        clips: {clip: the run's score minus the baseline's}.
    """

    mean: float
    interval: tuple | None = None
    better: int = 0
    worse: int = 0
    equal: int = 0
    verdict: str = ''
    clips: dict = field(default_factory=dict)


@dataclass(frozen=True)
class DataSetComparison:
    """Runs on the clips of a data set that all of them have.

    Attributes:
        results: Pairs (DataSetResult of these clips, its folder), the baseline's first.
        differences: {run: {metric: PairedDifference}} of the others.
        notes: What else has to be known, a sentence each.
    """

    results: list
    differences: dict
    notes: list


@dataclass(frozen=True)
class Comparison:
    """Runs on the data sets that all of them have.

    Attributes:
        runs: Their names, the baseline's first.
        data_sets: A DataSetComparison of each data set.
        notes: What else has to be known, a sentence each.
    """

    runs: list
    data_sets: list
    notes: list


def find_results(path):
    """Read the results of a run.

    Args:
        path (str | Path): A file ``metrics_<data set>.json``, or a folder that holds some.

    Returns:
        list[tuple[DataSetResult, Path]]: In the order of the files' names, with the folder that they lie in.

    Raises:
        UserError: There are none, or a file is none of these.
    """
    path = Path(path)
    files = [path] if path.is_file() else sorted(path.glob('metrics_*.json'))
    if not files:
        raise UserError(
            f'no results in {path}: it should be a file metrics_<data set>.json that basicsr test or '
            'basicsr evaluate wrote, or a folder that holds some'
        )
    return [(read_results(file), file.parent) for file in files]


def compare(runs):
    """Hold runs against the first of them.

    Args:
        runs (dict): {name: pairs (DataSetResult, folder) as of `find_results`} of two runs or more, the baseline first.

    Returns:
        Comparison: Of the data sets that all runs have; or, where each has a single one, of these, whatever their
            names.

    Raises:
        UserError: The runs cannot be compared: there are too few, they have no data set, no clip or no metric in
            common, or they disagree about a clip's length or about how a metric is measured.
    """
    if len(runs) < 2:
        raise UserError(f'{len(runs)} run to compare; it takes two or more')
    found = {run: _by_data_set(run, results) for run, results in runs.items()}
    notes = []
    if all(len(results) == 1 for results in found.values()):
        pairs = {run: next(iter(results.items())) for run, results in found.items()}
        if len({data_set for data_set, _ in pairs.values()}) > 1:
            notes.append(
                'Data sets have different names: '
                + ', '.join(f'{data_set} in {run}' for run, (data_set, _) in pairs.items())
                + '.'
            )
        return Comparison(list(runs), [_compare_data_set({run: result for run, (_, result) in pairs.items()})], notes)
    common = [
        data_set for data_set in next(iter(found.values())) if all(data_set in results for results in found.values())
    ]
    if not common:
        raise UserError(
            'the runs have no data set in common: '
            + '; '.join(f'{run} has {", ".join(results)}' for run, results in found.items())
        )
    others = [data_set for data_set in dict.fromkeys(chain.from_iterable(found.values())) if data_set not in common]
    if others:
        notes.append(f'Left out: data sets that not all runs have: {", ".join(others)}.')
    return Comparison(
        list(runs),
        [_compare_data_set({run: results[data_set] for run, results in found.items()}) for data_set in common],
        notes,
    )


def paired_difference(first, other, metric):
    """Difference of two runs over the clips that have a score in both.

    Where both scores are infinite, such as the PSNR of two clips without an error, the clip is equal and its difference
    0.  Where one is, the difference and with it the mean are infinite, or nan if it is so in both directions, and there
    is no interval.

    Args:
        first, other (DataSetResult): Of the baseline and of the run, with the same clips.
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


def bootstrap_interval(values):
    """Interval that holds the mean of what the values are a sample of, with a probability of `CONFIDENCE`.

    It is the percentile bootstrap's.  That the mean is unbiased leaves BCa no bias to correct; what it would correct
    besides, the skewness, it estimates from the same few clips, and it is undefined where all values are equal.  With
    ten values or fewer both are too narrow.

    Args:
        values (Sequence[float]): One for each clip; the frames of a clip depend on each other, clips do not.

    Returns:
        tuple[float, float] | None: None for fewer than two values, or ones that are not finite.
    """
    if len(values) < 2 or not np.isfinite(values).all():
        return None
    result = bootstrap(
        (values,),
        np.mean,
        n_resamples=RESAMPLES,
        batch=BATCH,
        confidence_level=CONFIDENCE,
        method='percentile',
        random_state=np.random.default_rng(SEED),
    )
    return tuple(map(float, result.confidence_interval))


def write_comparison(comparison, path):
    """Write all numbers as JSON; nan becomes null, and infinity 'inf', as in files of results.

    Args:
        comparison (Comparison): They.
        path (str | Path): The file; its folder must exist.

    Raises:
        OSError: It cannot be written.
    """
    contents = {
        'baseline': comparison.runs[0],
        'runs': comparison.runs,
        'notes': comparison.notes,
        'interval': {
            'method': 'percentile bootstrap over clips',
            'confidence': CONFIDENCE,
            'resamples': RESAMPLES,
            'seed': SEED,
        },
        'data_sets': {
            of_data_set.results[0][0].data_set: _contents(of_data_set) for of_data_set in comparison.data_sets
        },
    }
    with replacing(path) as partial:
        partial.write_text(json.dumps(contents, indent=1, allow_nan=False) + '\n', encoding='utf-8')


def _by_data_set(run, results):
    found = {}
    for result, folder in results:
        if result.data_set in found:
            raise UserError(
                f'run {run}: two files of results in {folder} are of the data set {result.data_set}; '
                'name the file that counts'
            )
        found[result.data_set] = (result, folder)
    return found


def _compare_data_set(runs):
    """DataSetComparison of {run: (DataSetResult, folder)}."""
    results = {run: result for run, (result, _) in runs.items()}
    _require_same_metrics(results)
    clips = {run: {clip.name: clip for clip in result.clips} for run, result in results.items()}
    everywhere = dict.fromkeys(chain.from_iterable(clips.values()))
    common, left_out = [], []
    for name in everywhere:
        (common if all(name in of_run for of_run in clips.values()) else left_out).append(name)
    first = next(iter(results))
    data_set = results[first].data_set
    if not common:
        raise UserError(f'{data_set}: no clip is in the results of all runs')
    _require_same_lengths(data_set, clips, common)

    notes = [_left_out(left_out, len(everywhere))] if left_out else []
    # What was computed of other clips as well says nothing about these, and cannot be computed again.
    whole = {metric: result.metrics[metric].title for result in results.values() for metric in result.whole if left_out}
    for title in whole.values():
        notes.append(f'Left out: {title}, a number of all clips of a run, which are not the same in all runs.')
    restricted = {
        run: DataSetResult(
            run,
            data_set,
            {name: info for name, info in result.metrics.items() if name not in whole},
            [clips[run][name] for name in common],
            {name: scores for name, scores in result.whole.items() if name not in whole},
        )
        for run, result in results.items()
    }
    differences = {run: _differences(restricted[first], result) for run, result in restricted.items() if run != first}
    return DataSetComparison([(restricted[run], folder) for run, (_, folder) in runs.items()], differences, notes)


def _differences(first, other):
    """{metric: PairedDifference} of the metrics that have anything to compare."""
    differences = {
        metric: paired_difference(first, other, metric) for metric in first.metrics if metric in other.metrics
    }
    differences = {
        metric: difference
        for metric, difference in differences.items()
        if difference.clips or not math.isnan(difference.mean)
    }
    if not differences:
        raise UserError(
            f'{first.data_set}: no metric has scores in both {first.run} and {other.run}; one has '
            f'{", ".join(first.metrics) or "no metrics"}, the other {", ".join(other.metrics) or "none"}'
        )
    return differences


def _require_same_metrics(results):
    measured = {}
    for run, result in results.items():
        for metric, info in result.metrics.items():
            before, known = measured.setdefault(metric, (run, info))
            if _measurement(known) != _measurement(info):
                raise UserError(
                    f'{result.data_set}: numbers of the metric {metric} do not compare: {before} has '
                    f'{_described(known)}, {run} has {_described(info)}; measure both alike'
                )


def _measurement(info):
    """What numbers depend on."""
    options = {option: value for option, value in info.options.items() if option not in NOT_OF_NUMBERS}
    return info.label, info.better, options


def _described(info):
    label, better, options = _measurement(info)
    parts = [label, f'better: {better}', *(f'{name}: {value}' for name, value in options.items() if name != 'better')]
    return ', '.join(part for part in parts if part)


def _require_same_lengths(data_set, clips, names):
    first, *others = clips
    for name in names:
        length = clips[first][name].num_frames
        for run in others:
            if clips[run][name].num_frames != length:
                raise UserError(
                    f'{data_set}: clip {name} has {length} frames in {first} and '
                    f'{clips[run][name].num_frames} in {run}; it should be scored on the same frames'
                )


def _left_out(names, total):
    some = ', '.join(names[:MOST_NAMES]) + (', …' if len(names) > MOST_NAMES else '')
    return f'Left out: {len(names)} of {total} clips, which not all runs have: {some}.'


def _minus(score, baseline):
    """The difference; equal infinities have none."""
    return 0.0 if score == baseline else score - baseline


def _contents(of_data_set):
    """A DataSetComparison as JSON can hold it."""
    first = of_data_set.results[0][0]
    return json_values(
        {
            'notes': of_data_set.notes,
            'clips': {clip.name: clip.num_frames for clip in first.clips},
            'means': {result.run: result.means() for result, _ in of_data_set.results},
            'differences': {
                run: {metric: asdict(difference) for metric, difference in differences.items()}
                for run, differences in of_data_set.differences.items()
            },
        }
    )
