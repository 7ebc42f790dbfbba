"""Results as tables: Markdown to read and to paste, CSV to go on with."""

import csv
import math
import re
from dataclasses import dataclass

from ..files import replacing

__all__ = [
    'column_titles',
    'digits_of',
    'escaped',
    'footnotes',
    'heading',
    'markdown_grid',
    'markdown_table',
    'number_text',
    'write_clip_table',
    'write_frame_table',
]

# Digits behind the point that tables of the literature give; a metric that is not here has `OTHER_DIGITS`.
DIGITS = {
    'calculate_psnr': 2,
    'calculate_msrl': 2,
    'calculate_fvd': 2,
    'calculate_ssim': 4,
    'calculate_lpips': 4,
    'calculate_code_accuracy': 4,
}
OTHER_DIGITS = 3
NO_NUMBER = '–'
ARROWS = {'higher': '↑', 'lower': '↓'}


def markdown_table(results):
    """Means as Markdown that is aligned for a terminal as well: a table for each data set, with its footnotes.

    Rows are the degraded input, once when all runs have the same numbers for it, and then the runs.  The best run's
    number is bold where several have one; runs whose numbers look equal are equally good.

    Args:
        results (list[DataSetResult]): Of one run's data sets, or of several runs, whose metrics were measured alike.

    Returns:
        str: Ends with a line break.
    """
    data_sets = {}
    for result in results:
        data_sets.setdefault(result.data_set, []).append(result)
    return '\n'.join(_data_set(name, of_runs) for name, of_runs in data_sets.items())


def write_clip_table(results, path):
    """Write scores as CSV: run, data_set, clip, of (restored or degraded), frames, a column for each metric.

    Numbers have full precision, a score that could not be had is empty, infinity is ``inf``.  Metrics that are no mean
    over clips have no column.  Names are written as they are, even where a spreadsheet would take one for a formula
    (= + - @ at its beginning): whoever joins this table with files has to find them.

    Args:
        results (list[DataSetResult]): A row for each clip and side of each of them.
        path (str | Path): The file; its folder must exist.

    Raises:
        OSError: It cannot be written.
    """
    metrics = [metric for metric in _metrics(results) if all(metric not in result.whole for result in results)]
    rows = (
        [result.run, result.data_set, clip.name, side, clip.num_frames]
        + [_field(clip.scores.get(metric, {}).get(side, math.nan)) for metric in metrics]
        for result in results
        for clip in result.clips
        for side in result.sides()
    )
    _write_csv(path, ['run', 'data_set', 'clip', 'of', 'frames', *metrics], rows)


def write_frame_table(results, path):
    """Write curves as CSV: run, data_set, clip, frame (from 0), of (restored or degraded), a column for each metric.

    Numbers and names are as in `write_clip_table`.

    Args:
        results (list[DataSetResult]): A row for each frame and side of each clip of each of them.
        path (str | Path): The file; its folder must exist.

    Raises:
        OSError: It cannot be written.
    """
    metrics = [
        metric
        for metric in _metrics(results)
        if any(metric in clip.curves for result in results for clip in result.clips)
    ]
    _write_csv(path, ['run', 'data_set', 'clip', 'frame', 'of', *metrics], _frame_rows(results, metrics))


def column_titles(metrics):
    """What columns are called: titles, with the metric's name where two have the same title.

    Args:
        metrics (dict): {metric: MetricInfo}.

    Returns:
        dict: {metric: title}; a dagger marks those that do not compare with the paper's.
    """
    titles = [info.title for info in metrics.values()]
    return {
        metric: escaped(info.title if titles.count(info.title) == 1 else f'{info.title} {metric}')
        + '†' * (not info.of_paper)
        for metric, info in metrics.items()
    }


def heading(title, info):
    """A column's title with the arrow to the better numbers and their unit, such as 'PSNR ↑ (dB)'."""
    return f'{title} {ARROWS[info.better]}' + (f' ({info.unit})' if info.unit else '')


def digits_of(info):
    """Digits behind the point that the mean of a metric is given with."""
    return DIGITS.get(info.options.get('type'), OTHER_DIGITS)


def number_text(number, digits, sign='-'):
    """A number as it is shown; one too small for its digits is given as a power of ten, lest it look like 0.

    Args:
        number (float): nan is shown as a dash.
        digits (int): Behind the point.
        sign (str): '+' also marks positive numbers.
    """
    if math.isnan(number):
        return NO_NUMBER
    if math.isinf(number):
        return f'{number:{sign}}'.replace('inf', '∞')
    text = f'{number:{sign}.{digits}f}'
    return f'{number:{sign}.0e}' if number and not float(text) else text


def escaped(name):
    """A name that Markdown shows as it is, in a table as well; what is no valid Unicode in it becomes '?'."""
    valid = name.encode('utf-8', 'replace').decode('utf-8')
    return re.sub(r'([\\|`*<])', r'\\\1', ' '.join(valid.split()))


def markdown_grid(rows):
    """Texts as a Markdown table whose columns are aligned: the first is flush left, the others flush right.

    Args:
        rows (list[list[str]]): Of equal lengths; the first is the heading.

    Returns:
        str: Ends with a line break.
    """
    widths = [max(map(len, column)) for column in zip(*rows)]
    rule = ['-' * widths[0], *(f'{":":->{width}}' for width in widths[1:])]
    lines = []
    for first, *others in (rows[0], rule, *rows[1:]):
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:]))]
        lines.append(f'| {" | ".join(cells)} |\n')
    return ''.join(lines)


def footnotes(titles, *texts):
    """What has to be known about columns as a Markdown list; columns that share a text share its line.

    Args:
        titles (dict): {metric: title}, as of `column_titles`.
        texts (dict): {metric: text}; '' where nothing is to be said.  Those of a later one come after.

    Returns:
        str: '' or lines, with an empty one before them.
    """
    lines = []
    for of_metrics in texts:
        shared = {}
        for metric, text in of_metrics.items():
            if text:
                shared.setdefault(text, []).append(titles[metric])
        lines += [f'- {", ".join(of_text)}: {text}\n' for text, of_text in shared.items()]
    return ''.join(['\n', *lines]) if lines else ''


@dataclass(frozen=True)
class _Row:
    """A row of means.

    Attributes:
        name: What it is of.
        means: {metric: number} of the metrics that were measured.
        counts: {metric: clips that have a score}, of the metrics that are a mean over clips.
        total: Clips.
    """

    name: str
    means: dict
    counts: dict
    total: int


def _data_set(name, results):
    restored = [_row(result.run, result, 'restored') for result in results]
    degraded = _degraded_rows(results)
    rows = degraded + restored
    metrics = {metric: info for metric, info in _metrics(results).items() if any(metric in row.means for row in rows)}
    titles = column_titles(metrics)
    columns = [['', *(escaped(row.name) for row in rows)]]
    for metric, info in metrics.items():
        columns.append([heading(titles[metric], info), *_cells(metric, info, degraded, restored)])
    notes = footnotes(
        titles,
        {metric: escaped(info.label) for metric, info in metrics.items()},
        {
            metric: '' if info.of_paper else "not comparable with the paper's numbers"
            for metric, info in metrics.items()
        },
        {metric: _coverage(metric, rows) for metric in metrics},
    )
    return f'## {escaped(name)}\n\n{_sizes(results)}\n\n{markdown_grid(list(zip(*columns)))}{notes}'


def _metrics(results):
    """{metric: MetricInfo} of all metrics that any of the results has."""
    metrics = {}
    for result in results:
        for metric, info in result.metrics.items():
            metrics.setdefault(metric, info)
    return metrics


def _row(name, result, side):
    scored = [metric for metric in result.metrics if any(side in clip.scores.get(metric, {}) for clip in result.clips)]
    whole = [metric for metric, scores in result.whole.items() if side in scores]
    return _Row(
        name,
        {metric: result.mean(metric, side) for metric in scored + whole},
        {metric: len(result.clip_scores(metric, side)) for metric in scored},
        len(result.clips),
    )


def _degraded_rows(results):
    """One row where all runs were given the same, as far as digits show it, otherwise a row for each run."""
    rows = [
        _row(f'degraded input of {result.run}', result, 'degraded')
        for result in results
        if 'degraded' in result.sides()
    ]
    means, counts = {}, {}
    for row in rows:
        means.update(row.means)
        counts.update(row.counts)
    digits = {metric: digits_of(info) for metric, info in _metrics(results).items()}
    if all(
        number_text(number, digits[metric]) == number_text(means[metric], digits[metric])
        for row in rows
        for metric, number in row.means.items()
    ):
        return [_Row('degraded input', means, counts, rows[0].total)] if rows else []
    return rows


def _cells(metric, info, degraded, restored):
    """Texts of a column below its heading."""
    digits = digits_of(info)
    texts = [number_text(row.means.get(metric, math.nan), digits) for row in degraded + restored]
    numbers = [row.means[metric] for row in restored if not math.isnan(row.means.get(metric, math.nan))]
    if len(numbers) < 2:
        return texts
    best = number_text(max(numbers) if info.better == 'higher' else min(numbers), digits)
    # Blanks in the place of asterisks keep digits below each other in a terminal.
    return [
        f'**{text}**' if text == best and number >= len(degraded) else f'{text}  ' for number, text in enumerate(texts)
    ]


def _coverage(metric, rows):
    """How many clips the means of a column are of, if there are fewer than the data set has."""
    covered = {}
    for row in rows:
        if metric in row.counts:
            covered.setdefault(f'{row.counts[metric]} of {_counted(row.total, "clip")}', []).append(escaped(row.name))
    if all(row.counts.get(metric, row.total) == row.total for row in rows):
        return ''
    if len(covered) == 1:
        return f'mean of {next(iter(covered))}; the others have no score'
    return (
        'mean of '
        + ', '.join(f'{count} ({", ".join(names)})' for count, names in covered.items())
        + '; the others have no score'
    )


def _sizes(results):
    """How many clips and frames the numbers are of."""
    sizes = [
        f'{_counted(len(result.clips), "clip")}, {_counted(sum(clip.num_frames for clip in result.clips), "frame")}'
        for result in results
    ]
    if len(set(sizes)) == 1:
        return sizes[0]
    return '; '.join(f'{escaped(result.run)}: {size}' for result, size in zip(results, sizes))


def _counted(number, noun):
    return f'{number:,} {noun}{"s" * (number != 1)}'


def _field(number):
    """A number as a field of CSV."""
    return '' if math.isnan(number) else repr(float(number))


def _frame_rows(results, metrics):
    for result in results:
        for clip in result.clips:
            for side in result.sides():
                curves = [clip.curves.get(metric, {}).get(side, [math.nan] * clip.num_frames) for metric in metrics]
                for frame, numbers in enumerate(zip(*curves)):
                    yield [result.run, result.data_set, clip.name, frame, side, *map(_field, numbers)]


def _write_csv(path, names, rows):
    # Names come from file systems, where they need not be valid Unicode: they get back the bytes that they had there.
    with replacing(path) as partial, open(partial, 'w', newline='', encoding='utf-8', errors='surrogateescape') as file:
        table = csv.writer(file, lineterminator='\n')
        table.writerow(names)
        table.writerows(rows)
