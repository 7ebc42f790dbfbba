"""``basicsr options``: the option files that come with the package."""

import argparse
import sys

from .files import copy_option_files, description_of, packaged_files

__all__ = ['add_arguments', 'run']


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `run` needs to an argparse parser."""
    what = parser.add_subparsers(dest='what', metavar='[copy DIR]')
    copying = what.add_parser('copy', help='copy all of them to a folder of your own instead of listing them')
    copying.add_argument('folder', metavar='DIR', help='folder to make; it must not exist yet')


def run(args: argparse.Namespace) -> None:
    """List the files with what each is for, or copy them."""
    if args.what == 'copy':
        number = copy_option_files(args.folder)
        sys.stdout.write(f'{args.folder}: {number} option files\n')
        return
    packaged = packaged_files()
    width = max(map(len, packaged))
    lines = [f'{name:<{width}}  {description_of(path)}\n' for name, path in packaged.items()]
    sys.stdout.write(''.join(lines))
