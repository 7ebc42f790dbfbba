"""A table of several methods on the same clips, as ``basicsr test`` writes it for option files with ``methods``.

metrics.md, metrics.html    means, differences from the first method, and where each number comes from
table.json                  the same to compute with
clips.csv, frames.csv       a row for each clip, or frame, of each method
<method>/                   what a test of the method alone leaves, see `report`

Paths in it are relative to the folder of the results.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..files import replacing
from .comparison.differences import CONFIDENCE, RESAMPLES, SEED
from .comparison.runs import Comparison, compare, dataset_values
from .comparison.text import about_intervals, difference_tables
from .csv_tables import write_clip_table, write_frame_table
from .markdown import TextTable, escaped, number_text
from .page import PageSection, write_page
from .protocols import have_one_protocol
from .results import DatasetResult, MetricInfo, json_values
from .tables import markdown_table

__all__ = ['MethodSource', 'MethodTable', 'NotRun', 'RunTimes', 'means_text', 'missing_text', 'write_method_table']

SECONDS_DIGITS = 4
# Of the hexadecimal digits of a file's hash; table.json has all.
DIGEST_SHOWN = 16


@dataclass(frozen=True)
class MethodSource:
    """What a method is.

    Attributes:
        options: Its type and arguments, and how faces are aligned for it.
        weights: Its file of weights; '' where it has none.
        digest: SHA-256 of this file.
        alignment: {dataset: how faces are aligned for it}.
    """

    options: dict[str, Any]
    weights: str = ''
    digest: str = ''
    alignment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class NotRun:
    """A method that was not run, on one dataset or, where that is '', on all."""

    method: str
    reason: str
    dataset: str = ''


@dataclass(frozen=True)
class RunTimes:
    """Seconds a frame of the methods on a dataset.

    Attributes:
        machine: What they were measured on.
        measured: How, a sentence.
        methods: {method: {step, or 'total': (median, lowest, highest)}}.
    """

    machine: str
    measured: str
    methods: dict[str, dict[str, tuple[float, float, float]]]


@dataclass
class MethodTable:
    """Scores of methods, and where they come from.

    Attributes:
        name: Of the table.
        sources: {method: MethodSource} of those that are run, in the order of rows.
        not_run: The others.
        not_measured: {title of a metric: why}.
        results: Of each dataset, those of the methods that ran on it.
        times: {dataset: RunTimes}.
        notes: What else a reader has to know, a sentence each.
    """

    name: str
    sources: dict[str, MethodSource]
    not_run: list[NotRun] = field(default_factory=list)
    not_measured: dict[str, str] = field(default_factory=dict)
    results: list[DatasetResult] = field(default_factory=list)
    times: dict[str, RunTimes] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def of_method(self, method: str) -> list[DatasetResult]:
        """Results of a method."""
        return [result for result in self.results if result.run == method]

    def of_datasets(self) -> dict[str, list[DatasetResult]]:
        """{dataset: results of the methods}."""
        results: dict[str, list[DatasetResult]] = {}
        for result in self.results:
            results.setdefault(result.dataset, []).append(result)
        return results

    def warnings(self) -> list[str]:
        """Sentences that a reader must not miss."""
        if have_one_protocol(self.results):
            return []
        datasets: dict[str, dict[str, None]] = {}
        for result in self.results:
            datasets.setdefault(result.protocol or 'no protocol', {})[result.dataset] = None
        parts = '; '.join(f'{protocol}: {", ".join(names)}' for protocol, names in datasets.items())
        return [f'This table mixes protocols ({parts}): its numbers are not those of one test.']


def means_text(table: MethodTable, datasets: Collection[str]) -> str:
    """Return means and run times of some datasets as Markdown, below what a reader must not miss."""
    results = [result for result in table.results if result.dataset in datasets and result.metrics]
    parts = [f'**{escaped(warning)}**\n' for warning in table.warnings()]
    parts += [markdown_table(results)] if results else []
    return '\n'.join([*parts, *(part.markdown() for part in _times(table, datasets))])


def missing_text(table: MethodTable) -> str:
    """Return what was not run and not measured, with the reasons, as Markdown; '' if all was."""
    return '\n'.join(section.markdown() for section in _missing(table))


def write_method_table(table: MethodTable, folder: str | Path) -> None:
    """Write all files of a table into the folder of its results.

    Raises:
        UserError: They cannot be written.
    """
    folder = Path(folder)
    comparisons, notes = _comparisons(table, folder)
    origins = [_differences(comparisons, notes), PageSection('Where the numbers come from', [_origins(table)])]
    text = [means_text(table, table.of_datasets()), *(section.markdown() for section in [*_missing(table), *origins])]
    times = _times(table, table.times)
    sections = [*([PageSection('Run time', times)] if times else []), *_missing(table), *origins]
    try:
        with replacing(folder / 'metrics.md') as partial:
            partial.write_text('\n'.join(text), encoding='utf-8')
        with replacing(folder / 'table.json') as partial:
            values = json_values(_values(table, comparisons, notes))
            partial.write_text(json.dumps(values, indent=1, allow_nan=False) + '\n', encoding='utf-8')
        write_clip_table(table.results, folder / 'clips.csv')
        write_frame_table(table.results, folder / 'frames.csv')
        found = [(result, folder / result.run) for result in table.results]
        write_page(folder / 'metrics.html', table.name, found, sections, table.warnings())
    except OSError as error:
        raise UserError(f'cannot write results to {folder}: {error.strerror}') from error


def _comparisons(table: MethodTable, folder: Path) -> tuple[dict[str, Comparison], list[str]]:
    """Comparisons with the first method, of the datasets where there is another one; and notes on the others."""
    comparisons: dict[str, Comparison] = {}
    notes = []
    for dataset, results in table.of_datasets().items():
        first = results[0]
        others = [result for result in results[1:] if set(result.metrics) & set(first.metrics)]
        if not others:
            continue
        try:
            comparisons[dataset] = compare({result.run: [(result, folder / result.run)] for result in (first, *others)})
        except UserError as error:
            notes.append(str(error))
    return comparisons, notes


def _differences(comparisons: Mapping[str, Comparison], notes: Sequence[str]) -> PageSection:
    tables = [
        TextTable(f'{dataset}: {part.title}', part.rows, part.notes)
        for dataset, comparison in comparisons.items()
        for part in difference_tables(comparison.datasets[0])
    ]
    about = [*notes, *dict.fromkeys(map(about_intervals, comparisons.values()))]
    text = ' '.join(about) or 'There are no scores of two methods.'
    return PageSection('Differences from the first method', tables, text)


def _missing(table: MethodTable) -> list[PageSection]:
    """What was not run, and what was not measured."""
    methods = [f'{item.method}{f" on {item.dataset}" * bool(item.dataset)}: {item.reason}' for item in table.not_run]
    metrics = [f'{title}: {reason}' for title, reason in table.not_measured.items()]
    found = [('Not run', methods), ('Not measured', metrics)]
    return [PageSection(title, notes=notes) for title, notes in found if notes]


def _times(table: MethodTable, datasets: Collection[str]) -> list[TextTable]:
    """A table of seconds a frame for each of these datasets."""
    tables = []
    for dataset, times in table.times.items():
        if dataset not in datasets:
            continue
        steps = list(dict.fromkeys(step for of_method in times.methods.values() for step in of_method))
        rows = [['', *(step for step in steps if step != 'total'), 'total', 'lowest to highest']]
        for method, of_method in times.methods.items():
            median, low, high = of_method['total']
            of_steps = [
                number_text(of_method[step][0], SECONDS_DIGITS) if step in of_method else '–'
                for step in steps
                if step != 'total'
            ]
            span = f'{number_text(low, SECONDS_DIGITS)} to {number_text(high, SECONDS_DIGITS)}'
            rows.append([method, *of_steps, number_text(median, SECONDS_DIGITS), span])
        tables.append(TextTable(f'Seconds a frame, {dataset}', rows, [times.measured, times.machine]))
    return tables


def _origins(table: MethodTable) -> TextTable:
    rows = [['method', 'dataset', 'alignment', 'results', 'weights', 'SHA-256', 'protocol']]
    for method, source in table.sources.items():
        of_method = (source.weights or '–', source.digest[:DIGEST_SHOWN] or '–')
        for result in table.of_method(method):
            alignment = source.alignment.get(result.dataset, '–')
            rows.append([method, result.dataset, alignment, _file_of(result), *of_method, result.protocol or '–'])
    return TextTable(
        'Results, weights and protocols', rows, ['Paths of results are relative to this folder.', *table.notes]
    )


def _file_of(result: DatasetResult) -> str:
    """File of a method's results, relative to the folder of the table's."""
    return f'{result.run}/metrics_{result.dataset}.json'


def _values(table: MethodTable, comparisons: Mapping[str, Comparison], notes: Sequence[str]) -> dict[str, Any]:
    """The table as plain values."""
    return {
        'name': table.name,
        'warnings': table.warnings(),
        'methods': {
            method: {
                **asdict(source),
                'results': {
                    result.dataset: {
                        'file': _file_of(result),
                        'protocol': result.protocol,
                        'means': {metric: result.mean(metric) for metric in result.metrics},
                    }
                    for result in table.of_method(method)
                },
            }
            for method, source in table.sources.items()
        },
        'metrics': {metric: asdict(info) for metric, info in _metrics(table).items()},
        'not_run': [asdict(item) for item in table.not_run],
        'not_measured': table.not_measured,
        'seconds_a_frame': {dataset: asdict(times) for dataset, times in table.times.items()},
        'interval': {
            'method': 'percentile bootstrap over clips',
            'confidence': CONFIDENCE,
            'resamples': RESAMPLES,
            'seed': SEED,
        },
        'notes': [*table.notes, *notes],
        'differences': {dataset: dataset_values(of.datasets[0]) for dataset, of in comparisons.items()},
    }


def _metrics(table: MethodTable) -> dict[str, MetricInfo]:
    return {metric: info for result in table.results for metric, info in result.metrics.items()}
