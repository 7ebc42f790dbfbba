"""The command ``basicsr`` and its subcommands: train, test, restore, evaluate, compare and those about data.

The modules of each are imported when it runs, so that none waits for those of the others.
"""

import atexit
import os
import re
import sys
import time
from importlib.metadata import entry_points

from torch import distributed as dist

from pgtf_command import INTERRUPTED, parser_of

from .errors import Interrupted, SharedError, UserError

__all__ = ['leave', 'main']

MISTAKE = 2
# BSD's EX_TEMPFAIL: not finished, start it again.
STOPPED = 75
LOST_PROCESS = 1
# Seconds that processes of a run may be apart when they find the same mistake.
TIME_TO_TELL = 60


def main(arguments=None):
    """Run the command line.

    Args:
        arguments (list[str], optional): Default: those of the process.

    Returns:
        int: The exit status: 0; 2 for a user's mistake, told in a line; 75 for a training that was asked to stop and
        has saved all; 130 after Ctrl-C; 1 where another process of the run is gone.
    """
    try:
        args = parse(sys.argv[1:] if arguments is None else arguments)
        args.run(args)
    except UserError as error:
        if tells(error):
            tell(lines_of(error))
        else:
            let_others_tell()
        return MISTAKE
    except Interrupted as stop:
        if os.environ.get('RANK', '0') == '0':
            tell([str(stop)])
        else:
            let_others_tell()
        return STOPPED
    except KeyboardInterrupt:
        return INTERRUPTED
    except RuntimeError as error:
        if not is_of_communication(error):
            raise
        tell(
            [
                f'rank {os.environ["RANK"]}: another process of this run is gone, or has not answered for longer than '
                f'dist_params.timeout: {str(error).splitlines()[0]}; go on with --auto_resume'
            ]
        )
        return LOST_PROCESS
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()
    return 0


def tells(error):
    """Whether this process is to tell of a mistake: rank 0 of what all know of; once a node before they can talk."""
    if os.environ.get('RANK', '0') == '0':
        return True
    return not isinstance(error, SharedError) and (dist.is_initialized() or os.environ.get('LOCAL_RANK') == '0')


def let_others_tell():
    """Wait for torchrun to end this process: it ends all when the first one has, and that must be one that tells."""
    if 'TORCHELASTIC_RUN_ID' in os.environ:
        time.sleep(TIME_TO_TELL)


def leave(status):
    """End this process with an exit status.

    Destructors of torch's threads can abort a process that has done all it had to do. Torchrun then kills the others,
    which may still be validating: under it no destructor runs, but what is registered with atexit does.
    """
    if 'TORCHELASTIC_RUN_ID' in os.environ:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


def tell(lines):
    sys.stderr.write(''.join(f'basicsr: {line}\n' for line in lines))


def is_of_communication(error):
    """Whether an error came from torch.distributed; gloo's are plain RuntimeErrors that name it."""
    return 'RANK' in os.environ and (isinstance(error, dist.DistError) or 'gloo' in str(error))


def parse(arguments):
    """What the arguments say, and the function that ``run``s the command."""
    parser = parser_of(arguments)
    match arguments[0]:
        case 'train':
            from .training.pipelines import add_arguments

            run = train
        case 'test':
            from .training.pipelines import add_arguments

            run = test
        case 'restore':
            from .restoration.command import add_arguments, run
        case 'evaluate':
            from .evaluation.command import add_arguments

            run = evaluate
        case 'compare':
            from .evaluation.comparison.command import add_arguments, run
        case 'sample-data':
            add_arguments, run = add_sample_arguments, write_data
        case 'prepare':
            from .preparation.command import add_arguments

            run = None  # each of its own commands has one
        case 'preview':
            from .samples.preview.command import add_arguments, run
        case 'check-options':
            add_arguments, run = add_check_arguments, check_options
    parser.set_defaults(run=run)
    add_arguments(parser)
    return parser.parse_args(arguments[1:])


def add_sample_arguments(parser):
    """Add what `write_data` needs to an argparse parser."""
    parser.add_argument('folder', help='where to write it')
    source = parser.add_mutually_exclusive_group()
    source.add_argument('--video', metavar='FILE', help='make it of this video of one face, not of two portraits')
    source.add_argument(
        '--parsing',
        action='store_true',
        help='write pictures of the two portraits with their parts labelled, to train face parsing on, not clips',
    )
    parser.add_argument('--size', type=int, default=48, help='side of the faces in pixels (default: %(default)s)')
    parser.add_argument('--seed', type=int, default=0, help='other seeds give other paths (default: %(default)s)')


def add_check_arguments(parser):
    """Add what `check_options` needs to an argparse parser."""
    parser.add_argument(
        'files',
        nargs='*',
        metavar='FILE',
        help='option file (YAML); one that trains is checked for that, any other for a test',
    )
    parser.add_argument('--reference', action='store_true', help='write a page on every option to standard output')


def train(args):
    """Run BasicSR's train_pipeline on a checked option file."""
    from . import config
    from .training import pipelines
    from .training.interruption import stop_request

    load_plugins()
    file = config.read(args.opt)
    file.override(args.force_yml)
    config.check(file, is_train=True)
    with stop_request.noted():
        pipelines.train_with(file, args)


def test(args):
    """Run BasicSR's test_pipeline on a checked option file."""
    from . import config
    from .training import pipelines

    load_plugins()
    file = config.read(args.opt)
    file.override(args.force_yml)
    if file.is_for_training:
        pipelines.as_test(file, forced_keys=[entry.partition('=')[0].strip() for entry in args.force_yml])
    config.check(file, is_train=False)
    pipelines.test_with(file, args)


def evaluate(args):
    """Score clips, by metrics of plugins as well."""
    from .evaluation.command import run

    load_plugins()
    run(args)


def write_data(args):
    """Write the sample data set and say what it holds."""
    from .samples import sample_data, sample_masks

    if args.parsing:
        summary = sample_masks.write_sample_masks(args.folder, image_size=4 * args.size, seed=args.seed)
        sys.stdout.write(
            f'{summary.root}: {summary.train_images} images to train on and {summary.test_images} held out\n'
        )
        return
    # Frames are twice as wide as the face, so that there is picture around it to move in.
    sizes = dict(size=2 * args.size, video_size=args.size, seed=args.seed)
    if args.video:
        summary = sample_data.write_video_data(args.folder, args.video, **sizes)
    else:
        summary = sample_data.write_sample_data(args.folder, **sizes)
    sys.stdout.write(
        f'{summary.root}: {summary.train_clips} clips to train on and {summary.test_clips} held out, '
        f'{summary.clip_frames} frames each; a degraded video: {summary.degraded_video}\n'
    )


def check_options(args):
    """Check option files and say which are good, or write the reference of all options."""
    from . import config
    from .config.reference import reference_page

    load_plugins()
    if args.reference:
        sys.stdout.write(reference_page())
    elif not args.files:
        raise UserError('check-options: name one or more option files, or --reference')
    mistakes = []
    for path in args.files:
        try:
            file = config.read(path)
            config.check(file, is_train=file.is_for_training)
            sys.stdout.write(f'{path}: no mistakes\n')
        except UserError as error:
            mistakes.append(str(error))
    if mistakes:
        raise UserError('\n'.join(mistakes))


def load_plugins():
    """Import every installed package of the entry-point group ``basicsr.plugins``.

    Raises:
        UserError: If one fails to import; it says which and why.
    """
    for plugin in entry_points(group='basicsr.plugins'):
        try:
            plugin.load()
        except Exception as error:
            raise UserError(
                f'the plugin {plugin.name} ({plugin.value}) cannot be loaded: '
                f'{type(error).__name__}: {error}; mend or uninstall it'
            ) from error


def lines_of(error):
    """Lines of a message; of one raised in a data worker, torch's wrapping with traceback is taken off."""
    lines = str(error).strip().splitlines()
    if lines and lines[0].startswith('Caught '):
        return [re.sub(r'^[\w.]+: ', '', lines[-1])]
    return lines
