"""Results as Markdown tables of means, to read and to paste."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..config.metric_specification import specification_of
from .markdown import escaped, footnotes, markdown_grid, markdown_notes, number_text
from .protocols import have_one_protocol, protocol_text
from .results import DatasetResult, MetricInfo, all_metrics

__all__ = ['column_titles', 'digits_of', 'heading', 'markdown_table']

ARROWS = {'higher': '↑', 'lower': '↓'}


def markdown_table(results: Sequence[DatasetResult]) -> str:
    """Means as Markdown that is aligned for a terminal as well: a table for each dataset, with its footnotes.

    Rows are the degraded input, once when all runs have the same numbers for it, and then the runs.  The best run's
    number is bold where several have one; runs whose numbers look equal are equally good, and of runs on different
    protocols none is best.

    Args:
        results (list[DatasetResult]): Results of one run's datasets, or of several runs, whose metrics were measured
            alike.

    Returns:
        str: Ends with a line break.
    """
    datasets: dict[str, list[DatasetResult]] = {}
    for result in results:
        datasets.setdefault(result.dataset, []).append(result)
    return '\n'.join(_dataset_table(name, of_runs) for name, of_runs in datasets.items())


def column_titles(metrics: Mapping[str, MetricInfo]) -> dict[str, str]:
    """Titles of columns, with the metric's name where two have the same title.

    Args:
        metrics (dict): {metric: MetricInfo}.

    Returns:
        dict: {metric: title}; a dagger marks numbers that are not comparable with the paper's.
    """
    titles = [info.title for info in metrics.values()]
    return {
        metric: (info.title if titles.count(info.title) == 1 else f'{info.title} {metric}') + '†' * (not info.of_paper)
        for metric, info in metrics.items()
    }


def heading(title: str, info: MetricInfo) -> str:
    """A column's title with the arrow to the better numbers and their unit, such as 'PSNR ↑ (dB)'."""
    return f'{title} {ARROWS[info.better]}' + (f' ({info.unit})' if info.unit else '')


def digits_of(info: MetricInfo) -> int:
    """Digits behind the point of a metric's mean."""
    return specification_of(info.options).digits


@dataclass(frozen=True)
class _Row:
    """A row of means.

    Attributes:
        name: What stands before the numbers.
        means: {metric: number} of the metrics that were measured.
        counts: {metric: clips that have a score}, of the metrics that are a mean over clips.
        total: Number of clips.
        protocol: What the clips were made by.
    """

    name: str
    means: dict[str, float]
    counts: dict[str, int]
    total: int
    protocol: str = ''


def _dataset_table(name: str, results: Sequence[DatasetResult]) -> str:
    restored = [_row(result.run, result, 'restored') for result in results]
    degraded = _degraded_rows(results)
    rows = degraded + restored
    metrics = {
        metric: info for metric, info in all_metrics(results).items() if any(metric in row.means for row in rows)
    }
    titles = column_titles(metrics)
    columns = [['', *(escaped(row.name) for row in rows)]]
    for metric, info in metrics.items():
        columns.append([escaped(heading(titles[metric], info)), *_cells(metric, info, degraded, restored)])
    notes = footnotes(
        titles,
        {metric: info.label for metric, info in metrics.items()},
        {
            metric: '' if info.of_paper else "not comparable with the paper's numbers"
            for metric, info in metrics.items()
        },
        {metric: _coverage(metric, rows) for metric in metrics},
    )
    return f'## {escaped(name)}\n\n{_sizes(results)}\n\n{markdown_grid(list(zip(*columns)))}{markdown_notes(notes)}'


def _row(name: str, result: DatasetResult, side: str) -> _Row:
    scored = [metric for metric in result.metrics if any(side in clip.scores.get(metric, {}) for clip in result.clips)]
    whole = [metric for metric, scores in result.whole.items() if side in scores]
    return _Row(
        name,
        {metric: result.mean(metric, side) for metric in scored + whole},
        {metric: len(result.clip_scores(metric, side)) for metric in scored},
        len(result.clips),
        result.protocol,
    )


def _degraded_rows(results: Sequence[DatasetResult]) -> list[_Row]:
    """One row where all runs had the same input, as far as digits show it, otherwise a row for each run."""
    rows = [
        _row(f'degraded input of {result.run}', result, 'degraded')
        for result in results
        if 'degraded' in result.sides()
    ]
    means: dict[str, float] = {}
    counts: dict[str, int] = {}
    for row in rows:
        means.update(row.means)
        counts.update(row.counts)
    digits = {metric: digits_of(info) for metric, info in all_metrics(results).items()}
    if all(
        number_text(number, digits[metric]) == number_text(means[metric], digits[metric])
        for row in rows
        for metric, number in row.means.items()
    ):
        return [_Row('degraded input', means, counts, rows[0].total)] if rows else []
    return rows


def _cells(metric: str, info: MetricInfo, degraded: Sequence[_Row], restored: Sequence[_Row]) -> list[str]:
    """Texts of a column below its heading."""
    digits = digits_of(info)
    texts = [number_text(row.means.get(metric, math.nan), digits) for row in (*degraded, *restored)]
    numbers = [row.means[metric] for row in restored if not math.isnan(row.means.get(metric, math.nan))]
    if len(numbers) < 2 or len({row.protocol for row in restored}) > 1:
        return texts
    best = number_text(max(numbers) if info.better == 'higher' else min(numbers), digits)
    # Blanks in the place of asterisks keep digits below each other in a terminal.
    return [
        f'**{text}**' if text == best and number >= len(degraded) else f'{text}  ' for number, text in enumerate(texts)
    ]


def _coverage(metric: str, rows: Sequence[_Row]) -> str:
    """How many clips the means of a column are of, if fewer than the dataset has."""
    covered: dict[str, list[str]] = {}
    for row in rows:
        if metric in row.counts:
            covered.setdefault(f'{row.counts[metric]} of {_counted(row.total, "clip")}', []).append(row.name)
    if all(row.counts.get(metric, row.total) == row.total for row in rows):
        return ''
    if len(covered) == 1:
        return f'mean of {next(iter(covered))}; the others have no score'
    return (
        'mean of '
        + ', '.join(f'{count} ({", ".join(names)})' for count, names in covered.items())
        + '; the others have no score'
    )


def _sizes(results: Sequence[DatasetResult]) -> str:
    """How many clips and frames the numbers are of, and by which protocol these were made."""
    sizes = [
        f'{_counted(len(result.clips), "clip")}, {_counted(sum(clip.num_frames for clip in result.clips), "frame")}'
        for result in results
    ]
    protocol = escaped(protocol_text(results))
    if not have_one_protocol(results):
        protocol = f'**{protocol}**'
    size = '; '.join(f'{escaped(result.run)}: {size}' for result, size in zip(results, sizes))
    return ', '.join(filter(None, [sizes[0] if len(set(sizes)) == 1 else size, protocol]))


def _counted(number: int, noun: str) -> str:
    return f'{number:,} {noun}{"s" * (number != 1)}'
