"""Runs compared with the first of them, clip by clip."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from ...errors import UserError
from ...files import replacing
from ..protocols import have_one_protocol, require_one_protocol
from ..results import ClipResult, DatasetResult, MetricInfo, json_values, read_results
from .differences import CONFIDENCE, RESAMPLES, SEED, PairedDifference, paired_difference

__all__ = [
    'Comparison',
    'DatasetComparison',
    'compare',
    'dataset_values',
    'find_results',
    'require_same_metrics',
    'write_comparison',
]

# Options that say where a metric's network comes from and runs; which network it is, the label says.
NOT_OF_NUMBERS = ('device', 'download', 'weights')
MOST_NAMES = 3

# Results of a dataset, and the folder that they lie in.
Found = tuple[DatasetResult, Path]


@dataclass(frozen=True)
class DatasetComparison:
    """Runs on the clips of a dataset that all of them have.

    Attributes:
        results: Pairs (DatasetResult of these clips, its folder), the baseline's first.
        differences: {run: {metric: PairedDifference}} of the others.
        notes: What else a reader has to know, a sentence each.
    """

    results: list[Found]
    differences: dict[str, dict[str, PairedDifference]]
    notes: list[str]


@dataclass(frozen=True)
class Comparison:
    """Runs on the datasets that all of them have.

    Attributes:
        runs: Their names, the baseline's first.
        datasets: A DatasetComparison of each dataset.
        notes: What else a reader has to know, a sentence each.
    """

    runs: list[str]
    datasets: list[DatasetComparison]
    notes: list[str]


def find_results(path: str | Path) -> list[Found]:
    """Read the results of a run.

    Args:
        path (str | Path): A file ``metrics_<dataset>.json``, or a folder that holds some.

    Returns:
        list[tuple[DatasetResult, Path]]: In the order of the files' names, with the folder that they lie in.

    Raises:
        UserError: There are none, or a file is not a file of results.
    """
    path = Path(path)
    files = [path] if path.is_file() else sorted(path.glob('metrics_*.json'))
    if not files:
        raise UserError(
            f'no results in {path}: it should be a file metrics_<dataset>.json that basicsr test or '
            'basicsr evaluate wrote, or a folder that holds some'
        )
    return [(read_results(file), file.parent) for file in files]


def compare(runs: Mapping[str, Sequence[Found]], mixed_protocols: bool = False) -> Comparison:
    """Compare runs with the first of them.

    Args:
        runs (dict): {name: pairs (DatasetResult, folder) as of `find_results`} of two runs or more, the baseline first.
        mixed_protocols (bool): Compare runs of different protocols as well; tables say so.

    Returns:
        Comparison: Of the datasets that all runs have; or, where each has a single one, of these, whatever their
            names.

    Raises:
        UserError: The runs cannot be compared: there are too few, they have no dataset, no clip or no metric in
            common, or they disagree about a clip's length, about how a metric is measured or about the protocol.
    """
    if len(runs) < 2:
        raise UserError(f'{len(runs)} run to compare; it takes two or more')
    found = {run: _by_dataset(run, results) for run, results in runs.items()}
    if all(len(results) == 1 for results in found.values()):
        singles = {run: next(iter(results.values())) for run, results in found.items()}
        return _compare_single_datasets(singles, mixed_protocols)
    everywhere = dict.fromkeys(chain.from_iterable(found.values()))
    common = [dataset for dataset in everywhere if all(dataset in results for results in found.values())]
    if not common:
        raise UserError(
            'the runs have no dataset in common: '
            + '; '.join(f'{run} has {", ".join(results)}' for run, results in found.items())
        )
    others = [dataset for dataset in everywhere if dataset not in common]
    return Comparison(
        list(runs),
        [
            _compare_dataset({run: results[dataset] for run, results in found.items()}, mixed_protocols)
            for dataset in common
        ],
        [f'Skipped: datasets that not all runs have: {", ".join(others)}.'] if others else [],
    )


def require_same_metrics(results: Mapping[str, DatasetResult]) -> None:
    """Refuse results, by the names of their runs, in which a metric is not measured alike.

    Raises:
        UserError: There are such; one line that names the metric.
    """
    measured: dict[str, tuple[str, MetricInfo]] = {}
    for run, result in results.items():
        for metric, info in result.metrics.items():
            before, known = measured.setdefault(metric, (run, info))
            if _measurement(known) != _measurement(info):
                raise UserError(
                    f'{result.dataset}: numbers of the metric {metric} are not comparable: {before} has '
                    f'{_described(known)}, {run} has {_described(info)}; measure both alike'
                )


def write_comparison(comparison: Comparison, path: Path) -> None:
    """Write all numbers as JSON; nan becomes null, and infinity 'inf', as in files of results.

    Args:
        comparison (Comparison): The comparison.
        path (Path): The file; its folder must exist.

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
            of_dataset.results[0][0].dataset: dataset_values(of_dataset) for of_dataset in comparison.datasets
        },
    }
    with replacing(path) as partial:
        partial.write_text(json.dumps(contents, indent=1, allow_nan=False) + '\n', encoding='utf-8')


def dataset_values(of_dataset: DatasetComparison) -> Any:
    """Return a DatasetComparison as JSON can hold it."""
    first = of_dataset.results[0][0]
    return json_values(
        {
            'notes': of_dataset.notes,
            'clips': {clip.name: clip.num_frames for clip in first.clips},
            'means': {result.run: result.means() for result, _ in of_dataset.results},
            'protocols': {result.run: result.protocol for result, _ in of_dataset.results},
            'differences': {
                run: {metric: asdict(difference) for metric, difference in differences.items()}
                for run, differences in of_dataset.differences.items()
            },
        }
    )


def _by_dataset(run: str, results: Sequence[Found]) -> dict[str, Found]:
    found: dict[str, Found] = {}
    for result, folder in results:
        if result.dataset in found:
            raise UserError(
                f'run {run}: two files of results in {folder} are of the dataset {result.dataset}; '
                'name the file that counts'
            )
        found[result.dataset] = (result, folder)
    return found


def _compare_single_datasets(found: Mapping[str, Found], mixed_protocols: bool) -> Comparison:
    """Compare runs that have a single dataset each, whatever its name."""
    names = {run: result.dataset for run, (result, _) in found.items()}
    notes = []
    if len(set(names.values())) > 1:
        notes.append(
            f'Datasets have different names: {", ".join(f"{dataset} in {run}" for run, dataset in names.items())}.'
        )
    return Comparison(list(found), [_compare_dataset(found, mixed_protocols)], notes)


def _compare_dataset(found: Mapping[str, Found], mixed_protocols: bool) -> DatasetComparison:
    """Compare runs, {run: (DatasetResult, folder)}, on the clips that all of them have."""
    results = {run: result for run, (result, _) in found.items()}
    require_same_metrics(results)
    clips = {run: {clip.name: clip for clip in result.clips} for run, result in results.items()}
    everywhere = dict.fromkeys(chain.from_iterable(clips.values()))
    common = [name for name in everywhere if all(name in of_run for of_run in clips.values())]
    skipped = [name for name in everywhere if name not in common]
    first = next(iter(results))
    dataset = results[first].dataset
    if not common:
        raise UserError(f'{dataset}: no clip is in the results of all runs')
    if not mixed_protocols:
        require_one_protocol([replace(result, run=run) for run, result in results.items()])
    _require_same_lengths(dataset, clips, common)

    notes = [_skipped(skipped, len(everywhere))] if skipped else []
    # A dataset-level number includes the skipped clips, and cannot be computed again without them.
    whole = {metric: result.metrics[metric].title for result in results.values() for metric in result.whole if skipped}
    notes += [
        f'Skipped: {title}, a number of all clips of a run, which are not the same in all runs.'
        for title in whole.values()
    ]
    restricted = {run: _restricted(run, dataset, result, common, whole) for run, result in results.items()}
    if skipped and have_one_protocol(list(results.values())):
        # A protocol is of all clips; different ones stay, for they say that the numbers do not compare.
        restricted = {run: replace(result, protocol='') for run, result in restricted.items()}
    differences = {run: _differences(restricted[first], result) for run, result in restricted.items() if run != first}
    return DatasetComparison([(restricted[run], folder) for run, (_, folder) in found.items()], differences, notes)


def _restricted(
    run: str, dataset: str, result: DatasetResult, names: Sequence[str], skipped_metrics: Mapping[str, str]
) -> DatasetResult:
    """Results of some clips, without some metrics."""
    clips = {clip.name: clip for clip in result.clips}
    return DatasetResult(
        run,
        dataset,
        {name: info for name, info in result.metrics.items() if name not in skipped_metrics},
        [clips[name] for name in names],
        {name: scores for name, scores in result.whole.items() if name not in skipped_metrics},
        result.protocol,
    )


def _differences(first: DatasetResult, other: DatasetResult) -> dict[str, PairedDifference]:
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
            f'{first.dataset}: no metric has scores in both {first.run} and {other.run}; one has '
            f'{", ".join(first.metrics) or "no metrics"}, the other {", ".join(other.metrics) or "none"}'
        )
    return differences


def _measurement(info: MetricInfo) -> tuple[str, str, dict[str, Any]]:
    """What numbers depend on: label, direction and options."""
    options = {option: value for option, value in info.options.items() if option not in NOT_OF_NUMBERS}
    return info.label, info.better, options


def _described(info: MetricInfo) -> str:
    label, better, options = _measurement(info)
    parts = [label, f'better: {better}', *(f'{name}: {value}' for name, value in options.items() if name != 'better')]
    return ', '.join(part for part in parts if part)


def _require_same_lengths(dataset: str, clips: Mapping[str, Mapping[str, ClipResult]], names: Sequence[str]) -> None:
    first, *others = clips
    for name in names:
        length = clips[first][name].num_frames
        for run in others:
            if clips[run][name].num_frames != length:
                raise UserError(
                    f'{dataset}: clip {name} has {length} frames in {first} and '
                    f'{clips[run][name].num_frames} in {run}; it should be scored on the same frames'
                )


def _skipped(names: Sequence[str], total: int) -> str:
    some = ', '.join(names[:MOST_NAMES]) + (', …' if len(names) > MOST_NAMES else '')
    return f'Skipped: {len(names)} of {total} clips, which not all runs have: {some}.'
