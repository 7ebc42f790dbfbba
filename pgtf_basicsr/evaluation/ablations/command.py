"""``basicsr report``: tables of finished runs."""

import argparse
import sys

from ...errors import UserError
from .runs import find_runs
from .tables import ablation_tables

__all__ = ['add_arguments', 'run']


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the kinds of reports to an argparse parser."""
    kinds = parser.add_subparsers(dest='what', metavar='WHAT', required=True)
    text = 'make the tables of the paper that compare variants of the network, as mean and deviation over seeds'
    ablations = kinds.add_parser('ablations', help=text, description=f'{text[0].upper()}{text[1:]}.')
    ablations.add_argument(
        'results',
        nargs='*',
        default=['results'],
        metavar='RESULTS',
        help='folders of results of basicsr test, or folders that hold some (default: results)',
    )


def run(args: argparse.Namespace) -> None:
    """Write the tables to standard output, and which results are not in them to standard error.

    Raises:
        UserError: There are no results, or none of a trained network of this package.
    """
    runs, skipped = find_runs(args.results)
    if not runs:
        raise UserError('no results of a trained TSVQGAN or PGTFormer: ' + '; '.join(skipped))
    sys.stdout.write(ablation_tables(runs))
    sys.stderr.writelines(f'Skipped: {line}\n' for line in skipped)
