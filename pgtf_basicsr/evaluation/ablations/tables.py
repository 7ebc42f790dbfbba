"""Tables of ablations: the mean over seeds of each variant, and where each number comes from."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence

from ..comparison.runs import require_same_metrics
from ..markdown import escaped, footnotes, markdown_grid, markdown_notes, number_text
from ..results import MetricInfo, all_metrics
from ..tables import column_titles, digits_of, heading
from .runs import FULL, AblationRun, Facts

__all__ = ['ablation_tables', 'mean_and_deviation']

STAGES = {
    1: 'Stage I: autoencoder (Table 3)',
    2: 'Stage II: code predictor (Tables 4 and 6)',
    3: 'Stage III: fidelity regulators (Table 5)',
    4: 'Stage IV',
}

Groups = dict[str, list[AblationRun]]


def ablation_tables(runs: Sequence[AblationRun]) -> str:
    """Write runs as Markdown: a table for each stage, dataset and setting, its rows the variants of the network.

    Args:
        runs (Sequence[AblationRun]): In any order.

    Returns:
        str: Ends with a line break. Below a table all of its runs are listed, with their folders.

    Raises:
        UserError: Runs of a table disagree about how a metric is measured.
    """
    by_stage: dict[tuple[int, str], list[AblationRun]] = {}
    for run in sorted(runs, key=lambda run: (run.stage, run.result.dataset)):
        by_stage.setdefault((run.stage, run.result.dataset), []).append(run)
    parts = []
    for (stage, dataset), of_stage in by_stage.items():
        for difference, group in _grouped(of_stage, [run.setting for run in of_stage]).items():
            title = f'## {STAGES[stage]}, {escaped(dataset)}\n'
            parts.append(title + (f'\nOf the runs with {escaped(difference)}.\n' if difference else ''))
            parts.append(_table(group))
    return '\n'.join(parts)


def mean_and_deviation(numbers: Iterable[float]) -> tuple[float, float]:
    """Compute the mean and the sample standard deviation; that of a single number is nan, and nan is left out."""
    known = [number for number in numbers if not math.isnan(number)]
    if not known:
        return math.nan, math.nan
    if len(known) == 1 or not all(map(math.isfinite, known)):
        return sum(known) / len(known), math.nan
    return statistics.mean(known), statistics.stdev(known)


def _table(runs: Sequence[AblationRun]) -> str:
    require_same_metrics({str(run.folder): run.result for run in runs})
    metrics = all_metrics([run.result for run in runs])
    titles = column_titles(metrics)
    headings = [escaped(heading(titles[metric], info)) for metric, info in metrics.items()]
    variants = _variants(runs)
    rows = [['', 'parameters', 'runs', *headings]]
    for name, group in variants.items():
        cells = [_summary([run.result.mean(metric) for run in group], info) for metric, info in metrics.items()]
        rows.append([name, f'{group[0].parameters:,}', str(len(group)), *cells])
    sources = [['', 'seed', *headings, 'results', 'weights']]
    for name, group in variants.items():
        for run in sorted(group, key=lambda run: run.seed):
            numbers = [number_text(run.result.mean(metric), digits_of(info)) for metric, info in metrics.items()]
            sources.append([name, str(run.seed), *numbers, *(escaped(str(path)) for path in (run.folder, run.weights))])
    notes = markdown_notes(footnotes(titles, {metric: info.label for metric, info in metrics.items()}))
    return f'{markdown_grid(rows)}{notes}\n{_seeds(variants)}\n\n{markdown_grid(sources)}'


def _variants(runs: Sequence[AblationRun]) -> Groups:
    """Runs by the name of their variant, the full network last; what else tells variants apart follows the name."""
    by_name: Groups = {}
    for run in sorted(runs, key=lambda run: (run.name in FULL.values(), run.name)):
        by_name.setdefault(run.name, []).append(run)
    return {
        escaped(f'{name} ({difference})' if difference else name): group
        for name, of_name in by_name.items()
        for difference, group in _grouped(of_name, [run.variant for run in of_name]).items()
    }


def _grouped(runs: Sequence[AblationRun], facts: Sequence[Facts]) -> Groups:
    """Runs with the same facts, by the facts in which they differ from the others: '' where all are alike."""
    names = dict.fromkeys(name for of_run in facts for name in of_run)
    differing = [name for name in names if len({of_run.get(name) for of_run in facts}) > 1]
    groups: Groups = {}
    for run, of_run in zip(runs, facts):
        difference = ', '.join(f'{name} {of_run.get(name, "missing")}' for name in differing)
        groups.setdefault(difference, []).append(run)
    return groups


def _summary(numbers: Sequence[float], info: MetricInfo) -> str:
    mean, deviation = mean_and_deviation(numbers)
    text = number_text(mean, digits_of(info))
    return text if math.isnan(deviation) else f'{text} ± {number_text(deviation, digits_of(info))}'


def _seeds(variants: Mapping[str, Sequence[AblationRun]]) -> str:
    text = 'Mean ± sample standard deviation over runs, which are:'
    twice = [name for name, group in variants.items() if len({run.seed for run in group}) < len(group)]
    if twice:
        text = f'Runs of the same seed are counted as if they were independent: {"; ".join(twice)}. {text}'
    return text
