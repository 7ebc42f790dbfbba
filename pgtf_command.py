"""The command ``basicsr`` as far as it can answer without torch and BasicSR, which take seconds to import.

It stands beside the package because whatever is imported from that registers all it has.  What the commands do is in
`pgtf_basicsr.cli`.
"""

import argparse
import os
import runpy
import signal
import sys
from pathlib import Path

__all__ = ['COMMANDS', 'INTERRUPTED', 'main', 'parser_of']

COMMANDS = {
    'train': "train by an option file, in BasicSR's loop",
    'test': 'restore and score data sets by an option file',
    'restore': 'restore a video of a face',
    'evaluate': 'score ready-made clips, such as those of other methods',
    'compare': 'compare the results of several tests or evaluations',
    'sample-data': 'write a small data set to try things with',
    'prepare': 'make a data set of the downloaded VFHQ or of videos, or check one',
    'preview': 'show training windows of a prepared data set in a picture',
    'check-options': 'tell all mistakes of option files without running them',
}
INTERRUPTED = 130


def main():
    """Run the command line and end this process with its exit status."""
    on_interrupt = signal.getsignal(signal.SIGINT)
    if on_interrupt is signal.default_int_handler:
        # Torch would take the exception for a fault of NumPy in the midst of its import, and go on.
        signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    parser_of(sys.argv[1:])
    # Torch reads it when it is loaded. Feature maps of tens of megabytes come and go all the time: in pages of 4 KB
    # Linux takes longer to hand out their memory than many a layer to fill it.
    os.environ.setdefault('THP_MEM_ALLOC_ENABLE', '1')
    from pgtf_basicsr import cli

    signal.signal(signal.SIGINT, on_interrupt)
    cli.leave(cli.main())


def parser_of(arguments):
    """The parser of the command that the arguments begin with, still without arguments of its own.

    Requests for help or the version in its place, and words that are no command, are answered and end the process.
    """
    parser = argparse.ArgumentParser(prog='basicsr', description='Blind video face restoration on BasicSR.')
    parser.add_argument('--version', action='version', version=f'pgtf-basicsr {_version()}')
    commands = parser.add_subparsers(dest='command', metavar='COMMAND', required=True)
    for name, text in COMMANDS.items():
        commands.add_parser(name, help=text, description=f'{text[0].upper()}{text[1:]}.')
    return commands.choices[parser.parse_args(arguments[:1]).command]


def _version():
    """The package's, of which its one file is run: to import that would import the package."""
    return runpy.run_path(str(Path(__file__).with_name('pgtf_basicsr') / 'version.py'))['__version__']
