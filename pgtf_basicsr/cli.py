"""The command ``basicsr``: train, test, restore, sample-data."""
import argparse
import os
import sys
from importlib.metadata import entry_points

from torch import distributed as dist

from . import options
from .data import sample_data
from .errors import UserError
from .restoration import restore
from .version import __version__

__all__ = ['main']

MISTAKE = 2
INTERRUPTED = 130


def main(arguments=None):
    """Run the command line; returns the exit status: 0, or 2 for a user's mistake, told in a line."""
    args = build_parser().parse_args(arguments)
    try:
        args.run(args)
    except UserError as error:
        if os.environ.get('RANK', '0') == '0':
            sys.stderr.write(''.join(f'basicsr: {line}\n' for line in lines_of(error)))
        return MISTAKE
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()
    return 0


def build_parser():
    parser = argparse.ArgumentParser(prog='basicsr', description='Blind video face restoration on BasicSR.')
    parser.add_argument('--version', action='version', version=f'pgtf-basicsr {__version__}')
    commands = parser.add_subparsers(dest='command', metavar='COMMAND', required=True)

    for name, run, text in (('train', train, "train by an option file, in BasicSR's loop"),
                            ('test', test, 'restore and score data sets by an option file')):
        command = commands.add_parser(name, help=text, description=text.capitalize() + '.')
        add_pipeline_arguments(command)
        command.set_defaults(run=run)

    text = 'restore a video of a face'
    command = commands.add_parser('restore', help=text, description=text.capitalize() + '.')
    restore.add_arguments(command)
    command.set_defaults(run=restore.run)

    text = 'write a small data set to try things with'
    command = commands.add_parser('sample-data', help=text, description=text.capitalize() + '.')
    command.add_argument('folder', help='where to write it')
    command.add_argument('--video', metavar='FILE', help='make it of this video of one face, not of two portraits')
    command.add_argument('--size', type=int, default=48, help='side of the faces in pixels (default: %(default)s)')
    command.add_argument('--seed', type=int, default=0, help='other seeds give other paths (default: %(default)s)')
    command.set_defaults(run=write_data)
    return parser


def add_pipeline_arguments(parser):
    """Add BasicSR's own flags."""
    parser.add_argument('-opt', required=True, metavar='FILE', help='option file (YAML)')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm'], default='none',
                        help='what started the processes; torchrun is pytorch')
    parser.add_argument('--auto_resume', action='store_true', help="go on from the experiment's newest state")
    parser.add_argument('--debug', action='store_true', help='log, validate and save every few iterations')
    parser.add_argument('--force_yml', nargs='+', default=[], metavar='SECTION:KEY=VALUE',
                        help='change options of the file, such as train:total_iter=100')


def train(args):
    """Run BasicSR's train_pipeline on a checked option file."""
    from basicsr.train import train_pipeline
    run_pipeline(train_pipeline, args, is_train=True)


def test(args):
    """Run BasicSR's test_pipeline on a checked option file."""
    from basicsr.test import test_pipeline
    run_pipeline(test_pipeline, args, is_train=False)


def write_data(args):
    """Write the sample data set and say what it holds."""
    # Frames are twice as wide as the face, so that there is picture around it to move in.
    sizes = dict(size=2 * args.size, video_size=args.size, seed=args.seed)
    if args.video:
        summary = sample_data.write_video_data(args.folder, args.video, **sizes)
    else:
        summary = sample_data.write_sample_data(args.folder, **sizes)
    sys.stdout.write(f'{summary.root}: {summary.train_clips} clips to train on and {summary.test_clips} held out, '
                     f'{summary.clip_frames} frames each; a degraded video: {summary.degraded_video}\n')


def run_pipeline(pipeline, args, is_train):
    """Check the options and hand them to the pipeline, which reads them from the command line."""
    load_plugins()
    path = args.opt
    opt = options.load(path)
    if args.force_yml:
        options.override(opt, args.force_yml)
        path = options.write(opt, os.path.basename(path))
    options.check(opt, args.opt, is_train)
    sys.argv = ['basicsr', '-opt', path, '--launcher', args.launcher]
    sys.argv += ['--auto_resume'] if args.auto_resume else []
    sys.argv += ['--debug'] if args.debug else []
    pipeline(os.getcwd())


def load_plugins():
    """Import every installed package of the entry-point group ``basicsr.plugins``.

    Raises:
        UserError: If one fails to import; it says which and why.
    """
    for plugin in entry_points(group='basicsr.plugins'):
        try:
            plugin.load()
        except Exception as error:
            raise UserError(f'the plugin {plugin.name} ({plugin.value}) cannot be loaded: '
                            f'{type(error).__name__}: {error}; mend or uninstall it') from error


def lines_of(error):
    """Lines of a message; of one raised in a data worker, torch's wrapping with traceback is taken off."""
    lines = str(error).strip().splitlines()
    if lines and lines[0].startswith('Caught '):
        return [lines[-1].partition('UserError: ')[2]]
    return lines
