"""The command ``basicsr``: its commands, and the module of each, which is imported when the command runs.

It stands beside the package because importing that loads torch and BasicSR, which takes seconds: help, version and
misspelt commands are answered without them.
"""

import argparse
import importlib
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ['COMMANDS', 'main', 'run_command']

# {name: (what it does, module with `add_arguments(parser)` and `run(args)`)}
COMMANDS = {
    'train': ("train by an option file, in BasicSR's loop", 'pgtf_basicsr.training.command'),
    'test': ('restore and score datasets by an option file', 'pgtf_basicsr.testing.command'),
    'restore': ('restore a video of a face', 'pgtf_basicsr.restoration.command'),
    'ui': ('restore videos by a page in the browser', 'pgtf_basicsr.ui.command'),
    'evaluate': ('score ready-made clips, such as those of other methods', 'pgtf_basicsr.evaluation.command'),
    'compare': ('compare the results of several tests or evaluations', 'pgtf_basicsr.evaluation.comparison.command'),
    'report': ('make tables out of finished runs', 'pgtf_basicsr.evaluation.ablations.command'),
    'demo': ('train the four stages in small and restore a video', 'pgtf_basicsr.samples.demo.command'),
    'sample-data': ('write a small dataset to try things with', 'pgtf_basicsr.samples.command'),
    'prepare': ('make a dataset of the downloaded VFHQ or of videos, or check one', 'pgtf_basicsr.preparation.command'),
    'preview': ('show training windows of a prepared dataset in an image', 'pgtf_basicsr.preparation.preview.command'),
    'options': (
        'list the option files that come with the package, or copy them',
        'pgtf_basicsr.config.packaged.command',
    ),
    'export': ('write weights for other programs, or the network itself', 'pgtf_basicsr.export.command'),
    'info': ('say what files of weights are', 'pgtf_basicsr.export.info.command'),
    'check-options': ('report all mistakes of option files without running them', 'pgtf_basicsr.config.command'),
}


def main() -> None:
    """Run the command line of this process and end the process with its exit status."""
    _parser_of(sys.argv[1:])
    from pgtf_process import leave, prepare_command

    with prepare_command():
        import pgtf_basicsr.exit_status  # noqa: F401
    leave(run_command(sys.argv[1:]))


def run_command(arguments: Sequence[str]) -> int:
    """Run a command in this process.

    Args:
        arguments (list[str]): Of the command line, such as ``['train', '-opt', 'options/stage1.yml']``.

    Returns:
        int: The exit status, see `pgtf_basicsr.exit_status.exit_status`.
    """
    from pgtf_basicsr.exit_status import exit_status

    parser = _parser_of(arguments)
    command = importlib.import_module(COMMANDS[arguments[0]][1])
    command.add_arguments(parser)
    args = parser.parse_args(arguments[1:])
    for name, value in vars(args).items():
        # As a path it would be the current folder.
        if value == '' or (isinstance(value, list) and '' in value):
            parser.error(f'{name} is empty: name something, or leave it out')
    return exit_status(lambda: command.run(args))


def _parser_of(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """The parser of the command that the arguments begin with, still without arguments of its own.

    Requests for help or the version in its place, and words that are not a command, are answered and end the process.
    """
    parser = argparse.ArgumentParser(prog='basicsr', description='Blind video face restoration on BasicSR.')
    parser.add_argument('--version', action='version', version=f'pgtf-basicsr {_version()}')
    commands = parser.add_subparsers(dest='command', metavar='COMMAND', required=True)
    for name, (text, _) in COMMANDS.items():
        commands.add_parser(name, help=text, description=f'{text[0].upper()}{text[1:]}.')
    return commands.choices[parser.parse_args(arguments[:1]).command]


def _version() -> str:
    """The package's, of which its one file is run: to import that would import the package."""
    return runpy.run_path(str(Path(__file__).with_name('pgtf_basicsr') / 'version.py'))['__version__']
