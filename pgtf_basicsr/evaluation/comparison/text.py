"""A comparison of runs as text: means, and tables of the differences from the baseline."""

from ..markdown import TextTable, escaped, footnotes, number_text
from ..tables import column_titles, digits_of, heading, markdown_table
from .differences import CONFIDENCE, RESAMPLES
from .runs import Comparison, DatasetComparison

__all__ = ['about_intervals', 'comparison_text', 'difference_tables']

# With fewer clips, intervals of the bootstrap are clearly too narrow.
FEW_CLIPS = 10


def comparison_text(comparison: Comparison) -> str:
    """Return a comparison as Markdown: for each dataset the means of all runs, then each run against the baseline."""
    parts = [f'{escaped(note)}\n' for note in comparison.notes]
    for of_dataset in comparison.datasets:
        parts.append(markdown_table([result for result, _ in of_dataset.results]))
        parts += [f'{escaped(note)}\n' for note in of_dataset.notes]
        parts += [table.markdown() for table in difference_tables(of_dataset)]
    return '\n'.join([*parts, f'{about_intervals(comparison)}\n'])


def difference_tables(of_dataset: DatasetComparison) -> list[TextTable]:
    """Return a table of each run's differences from the baseline, a row for each metric."""
    return [_against_baseline(of_dataset, run) for run in of_dataset.differences]


def about_intervals(comparison: Comparison) -> str:
    """Say how differences and their intervals are computed, and how far they can be trusted."""
    text = (
        "Differences are means over clips of the run's score minus the baseline's; better, worse and equal count "
        f'clips. Intervals are {CONFIDENCE:.0%} percentile bootstrap intervals over clips ({RESAMPLES:,} resamples '
        'of the paired differences): frames of a clip are not independent, so the unit is the clip. A verdict is '
        'given where the interval does not contain 0; it is not corrected for the number of comparisons.'
    )
    if any(
        0 < len(difference.clips) < FEW_CLIPS
        for of_dataset in comparison.datasets
        for differences in of_dataset.differences.values()
        for difference in differences.values()
    ):
        text += f' With fewer than {FEW_CLIPS} clips, intervals are too narrow and verdicts too bold.'
    return text


def _against_baseline(of_dataset: DatasetComparison, run: str) -> TextTable:
    baseline = of_dataset.results[0][0]
    titles = column_titles(baseline.metrics)
    rows = [['', 'difference', f'{CONFIDENCE:.0%} interval', 'better', 'worse', 'equal', 'verdict']]
    notes = {}
    for metric, difference in of_dataset.differences[run].items():
        info = baseline.metrics[metric]
        # Differences are smaller than what they are of.
        digits = digits_of(info) + 1
        clips = len(difference.clips)
        of_clips = [str(number) for number in (difference.better, difference.worse, difference.equal)]
        interval = '–'
        if difference.interval:
            interval = '[{}, {}]'.format(*(number_text(end, digits, '+') for end in difference.interval))
        rows.append(
            [
                heading(titles[metric], info),
                number_text(difference.mean, digits, '+'),
                interval,
                *(of_clips if clips else '–––'),
                difference.verdict or '–',
            ]
        )
        if metric in baseline.whole:
            notes[metric] = 'a number of all clips together, which has no interval over clips'
        elif clips < len(baseline.clips):
            notes[metric] = f'over the {clips} of {len(baseline.clips)} clips that have a score in both runs'
    return TextTable(f'{run} against {baseline.run}', rows, footnotes(titles, notes))
