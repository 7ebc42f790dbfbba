"""``basicsr check-options``: all mistakes of option files, and a page on every option."""

import argparse
import sys

from .. import config
from ..errors import UserError
from ..plugins import load_plugins
from .reference import reference_page

__all__ = ['add_arguments', 'run']


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `run` needs to an argparse parser."""
    parser.add_argument(
        'files',
        nargs='*',
        metavar='FILE',
        help='option file (YAML), or the name of a packaged one; one that trains is checked for training, a protocol '
        'as such, any other for a test',
    )
    parser.add_argument('--reference', action='store_true', help='write a page on every option to standard output')


def run(args: argparse.Namespace) -> None:
    """Check option files and say which are good, or write the reference of all options."""
    load_plugins()
    if args.reference:
        sys.stdout.write(reference_page())
    elif not args.files:
        raise UserError('check-options: name one or more option files, or --reference')
    mistakes: list[str] = []
    for path in args.files:
        try:
            file = config.read(path)
            config.check(file, is_train=file.is_for_training)
            sys.stdout.write(f'{file.path}: no mistakes\n')
        except UserError as error:
            mistakes += error.args
    if mistakes:
        raise UserError(*mistakes)
