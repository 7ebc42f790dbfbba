"""``basicsr demo``: the quickstart, step by step."""

import argparse
import subprocess
import sys
from pathlib import Path

from pgtf_process import stop_request

from ...exit_status import report
from ...files import make_folder
from .summary import write_summary

__all__ = ['STEPS', 'add_arguments', 'run']

# Commands in their order, as they are typed.
STEPS = (
    'sample-data datasets/sample',
    'train -opt quickstart/stage1.yml',
    'train -opt quickstart/stage2.yml',
    'train -opt quickstart/stage3.yml',
    'train -opt quickstart/stage4.yml',
    'test -opt quickstart/test_autoencoder.yml',
    'test -opt quickstart/test_stage3.yml',
    'test -opt quickstart/test_stage3.yml --force_yml name=quickstart_test_stage3_fidelity0 val:fidelity=0',
    'test -opt quickstart/test_stage4.yml',
    'restore datasets/sample/test/degraded/collins_000.mp4 -o results/quickstart_restored.mp4 '
    '--weights experiments/quickstart_stage4/models/net_g_latest.pth',
    'restore datasets/sample/test/two_faces.mp4 -o results/quickstart_two_faces.mp4 --preview 2 '
    '--weights experiments/quickstart_stage4/models/net_g_latest.pth',
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `run` needs to an argparse parser."""
    parser.add_argument(
        'folder',
        nargs='?',
        default='pgtf_demo',
        metavar='FOLDER',
        help='where to write datasets/, experiments/, tb_logger/ and results/ (default: %(default)s)',
    )


def run(args: argparse.Namespace) -> None:
    """Run all steps in the folder, and print a table and write an image of what came of them.

    Raises:
        SystemExit: A step failed, with its status; or SIGINT or SIGTERM came.
    """
    folder = Path(args.folder)
    make_folder(folder)
    sys.stdout.write(
        'Trains the four stages in small and restores two videos: about ten minutes on two CPU cores.\n'
        f'Writes datasets/, experiments/, tb_logger/ and results/ in {folder.resolve()}\n'
    )
    for number, step in enumerate(STEPS, 1):
        sys.stdout.write(f'\n[{number}/{len(STEPS)}] basicsr {step}\n')
        sys.stdout.flush()
        status = run_step(step, folder)
        if status:
            report([f'the demo ends at step {number} of {len(STEPS)}, which ended with status {status}: {step}'])
            raise SystemExit(status)
    write_summary(folder)


def run_step(step: str, folder: Path) -> int:
    """Run a command in a process of its own, as a user does, and return its exit status as a shell does.

    Raises:
        SystemExit: After SIGINT or SIGTERM, which end the command as well.
    """
    with (
        stop_request.noted(),
        subprocess.Popen([sys.executable, '-m', 'pgtf_basicsr', *step.split()], cwd=folder) as process,
    ):
        try:
            status = process.wait()
        except SystemExit:
            process.terminate()
            raise
    return status if status >= 0 else 128 - status
