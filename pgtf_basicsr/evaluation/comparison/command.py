"""``basicsr compare``: results of runs compared with those of the first."""

import argparse
import sys
from pathlib import Path

from ...errors import UserError
from ...files import replacing
from ..csv_tables import write_clip_table
from ..markdown import escaped, footnotes, markdown_grid, number_text
from ..page import write_page
from ..tables import column_titles, digits_of, heading, markdown_table
from .differences import CONFIDENCE, RESAMPLES
from .runs import compare, find_results, write_comparison

__all__ = ['add_arguments', 'comparison_text', 'run']

# With fewer clips, intervals of the bootstrap are clearly too narrow.
FEW_CLIPS = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `run` needs to an argparse parser."""
    parser.add_argument(
        'results',
        nargs='+',
        metavar='RESULTS',
        help='a file metrics_<dataset>.json, or a folder that holds some, of two runs or more; the '
        'first is the baseline',
    )
    parser.add_argument(
        '-o',
        '--output',
        metavar='FOLDER',
        help='also write comparison.md, comparison.json, clips.csv and comparison.html into it',
    )
    parser.add_argument(
        '--names',
        nargs='+',
        metavar='NAME',
        help='what tables call the runs, in their order (default: the names they were tested by)',
    )
    parser.add_argument(
        '--mixed-protocols',
        action='store_true',
        help='compare results of different protocols as well; tables and page then say so',
    )


def run(args: argparse.Namespace) -> None:
    """Write the tables to standard output, and all files where they are asked for."""
    comparison = compare(_named_runs(args.results, args.names), args.mixed_protocols)
    text = comparison_text(comparison)
    if args.output:
        _write_files(comparison, text, Path(args.output))
    sys.stdout.write(text)


def comparison_text(comparison):
    """A `Comparison` as Markdown: for each dataset the means of all runs, then each run against the baseline."""
    parts = [f'{escaped(note)}\n' for note in comparison.notes]
    for of_data_set in comparison.datasets:
        parts.append(markdown_table([result for result, _ in of_data_set.results]))
        parts += [f'{escaped(note)}\n' for note in of_data_set.notes]
        parts += [_against_baseline(of_data_set, run) for run in of_data_set.differences]
    return '\n'.join([*parts, _about_intervals(comparison)])


def _named_runs(paths, names):
    """{name: results of `find_results`}."""
    resolved = [Path(path).resolve() for path in paths]
    twice = next((path for number, path in enumerate(paths) if resolved[number] in resolved[:number]), None)
    if twice:
        raise UserError(f'{twice} is given twice; runs should be different ones')
    found = [find_results(path) for path in paths]
    if names is None:
        names = [results[0][0].run for results in found]
        # A method that was tested twice has its name twice.
        names = [f'{name} ({path})' if names.count(name) > 1 else name for name, path in zip(names, paths)]
    if len(names) != len(paths):
        raise UserError(f'--names has {len(names)} for {len(paths)} results; it takes one for each of them')
    if len(set(names)) < len(names):
        raise UserError(f'--names has a name twice: {" ".join(names)}; runs should have different ones')
    return dict(zip(names, found))


def _against_baseline(of_data_set, run):
    """The table of a run's differences."""
    baseline = of_data_set.results[0][0]
    titles = column_titles(baseline.metrics)
    rows = [['', 'difference', f'{CONFIDENCE:.0%} interval', 'better', 'worse', 'equal', 'verdict']]
    notes = {}
    for metric, difference in of_data_set.differences[run].items():
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
    return f'### {escaped(run)} against {escaped(baseline.run)}\n\n{markdown_grid(rows)}{footnotes(titles, notes)}'


def _about_intervals(comparison):
    text = (
        "Differences are means over clips of the run's score minus the baseline's; better, worse and equal count "
        f'clips. Intervals are {CONFIDENCE:.0%} percentile bootstrap intervals over clips ({RESAMPLES:,} resamples '
        'of the paired differences): frames of a clip are not independent, so the unit is the clip. A verdict is '
        'given where the interval does not contain 0; it is not corrected for the number of comparisons.'
    )
    if any(
        0 < len(difference.clips) < FEW_CLIPS
        for of_data_set in comparison.datasets
        for differences in of_data_set.differences.values()
        for difference in differences.values()
    ):
        text += f' With fewer than {FEW_CLIPS} clips, intervals are too narrow and verdicts too bold.'
    return text + '\n'


def _write_files(comparison, text, folder):
    results = [pair for of_data_set in comparison.datasets for pair in of_data_set.results]
    title = f'{", ".join(comparison.runs[1:])} against {comparison.runs[0]}'
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / 'comparison.md') as partial:
            partial.write_text(text, encoding='utf-8')
        write_comparison(comparison, folder / 'comparison.json')
        write_clip_table([result for result, _ in results], folder / 'clips.csv')
        write_page(folder / 'comparison.html', title, results)
    except OSError as error:
        raise UserError(f'cannot write to {folder}: {error.strerror}; -o takes a writable folder') from error
