"""``basicsr compare``: results of runs compared with those of the first."""

import argparse
import sys
from pathlib import Path

from ...errors import UserError
from ...files import replacing
from ..csv_tables import write_clip_table
from ..page import write_page
from .runs import compare, find_results, write_comparison
from .text import comparison_text

__all__ = ['add_arguments', 'run']


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
    runs = _named_runs(args.results, args.names)
    if args.output:
        _refuse_folders_of(runs, Path(args.output))
    comparison = compare(runs, args.mixed_protocols)
    text = comparison_text(comparison)
    if args.output:
        _write_files(comparison, text, Path(args.output))
    sys.stdout.write(text)


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


def _refuse_folders_of(runs, folder):
    """Refuse to write into a folder of results: a run has a clips.csv of its own there."""
    inputs = {where.resolve() for found in runs.values() for _, where in found}
    if folder.resolve() in inputs:
        raise UserError(f'-o {folder} holds results that are compared: name another folder')


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
