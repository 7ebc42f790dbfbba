"""``basicsr prepare``: datasets out of archives or videos, benchmarks, and the check of them."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..faces.detection import DETECTORS, choose_detector
from .landmark_lists import FORMATS
from .layout import REPORT_FILE, STORAGES

__all__ = ['add_arguments', 'run']

MOST_PROBLEMS = 50


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the commands vfhq, videos, benchmark and check to an argparse parser."""
    commands = parser.add_subparsers(dest='what', metavar='WHAT', required=True)
    _add_vfhq(_command(commands, 'vfhq', run_vfhq, 'prepare clips of frames: VFHQ, or any folders of numbered frames'))
    _add_videos(_command(commands, 'videos', run_videos, 'cut clips of faces out of ordinary videos'))
    _add_benchmark(_command(commands, 'benchmark', run_benchmark, 'make a test set whose every pixel is pinned'))
    _add_check(_command(commands, 'check', run_check, 'check a prepared folder or benchmark and summarise it'))


def run(args: argparse.Namespace) -> None:
    """Run the chosen one of them."""
    args.run_what(args)


def run_vfhq(args: argparse.Namespace) -> None:
    """Prepare clips of frames and say what came of it."""
    from .vfhq import FrameSettings, prepare_frames

    given = _given_landmarks(args)
    if args.copy and args.storage != 'frames':
        raise UserError(f'--copy says nothing with --storage {args.storage}')
    detector = choose_detector(args.detector, args.detector_weights)
    settings = FrameSettings(detector, args.storage, args.copy, args.crf, args.min_length)
    options = {
        **_options(args, detector),
        'landmarks': args.landmarks and os.path.abspath(args.landmarks),
        'landmark_format': args.landmark_format,
        'lq': args.lq and os.path.abspath(args.lq),
        'copy': args.copy,
    }
    _show(
        prepare_frames(
            args.source,
            args.destination,
            settings,
            options,
            landmarks=given,
            lq=args.lq,
            val_share=args.val_share,
            seed=args.seed,
            workers=_workers(args),
        )
    )


def run_videos(args: argparse.Namespace) -> None:
    """Cut clips out of videos and say what came of it."""
    from .videos import VideoSettings, prepare_videos

    if args.max_length < args.min_length:
        raise UserError(f'--max-length {args.max_length} is less than --min-length {args.min_length}')
    detector = choose_detector(args.detector, args.detector_weights)
    settings = VideoSettings(
        detector,
        args.storage,
        args.crf,
        args.size - args.size % 2,
        args.min_size,
        args.min_length,
        args.max_length,
        args.sharpness,
    )
    names = ('max_length', 'size', 'min_size', 'sharpness', 'identity')
    options = {**_options(args, detector), **{name: getattr(args, name) for name in names}}
    _show(
        prepare_videos(
            args.source, args.destination, settings, options, args.identity, args.val_share, args.seed, _workers(args)
        )
    )


def run_benchmark(args: argparse.Namespace) -> None:
    """Make a benchmark and say what it is."""
    from ..data.protocols import open_protocol
    from .benchmark.making import make_benchmark

    given = _given_landmarks(args)
    protocol = open_protocol(args.protocol)
    _require_apart(args.source, args.destination)
    detector = choose_detector(args.detector, args.detector_weights)
    benchmark = make_benchmark(args.source, args.destination, protocol, detector, given, _workers(args))
    frames = sum(clip['frames'] for clip in benchmark.clips.values())
    sys.stdout.write(
        f'{args.destination}: {benchmark.label}, {len(benchmark.clips)} clips, {frames} frames, '
        f'{" and ".join(benchmark.protocol["crops"])}\n'
    )


def run_check(args: argparse.Namespace) -> None:
    """Check a prepared folder or a benchmark; its problems are the user's mistake."""
    from .benchmark.checking import check_benchmark, is_benchmark
    from .checking import check_layout

    check = check_benchmark if is_benchmark(args.folder) else check_layout
    result = check(args.folder, args.quick, _workers(args))
    sys.stdout.write(''.join(f'{args.folder}: {line}\n' for line in result.summary))
    problems = result.problems
    if problems:
        more = [f'and {len(problems) - MOST_PROBLEMS} more'] if len(problems) > MOST_PROBLEMS else []
        raise UserError(*(f'{args.folder}: {problem}' for problem in problems[:MOST_PROBLEMS] + more))
    sys.stdout.write(f'{args.folder}: no problems\n')


def _add_vfhq(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        'source',
        metavar='SRC',
        help='folder of clip folders, or of zip or tar archives of them, or one archive; nested in any way',
    )
    _add_common(command)
    command.add_argument(
        '--landmarks',
        metavar='PATH',
        help='landmarks that come with the clips: a folder of text '
        'files or a list; a frame of each clip is checked with '
        'the detector (default: they are detected)',
    )
    _add_landmark_format(command)
    command.add_argument(
        '--lq', metavar='SRC_LQ', help='the same clips degraded, of any size; they stay image files, or go into an LMDB'
    )
    command.add_argument(
        '--copy',
        action='store_true',
        help='copy frames of folders; otherwise files on the same disk get a second name, which takes no room',
    )


def _add_videos(command: argparse.ArgumentParser) -> None:
    command.add_argument('source', nargs='+', metavar='SRC', help='video, or folder with videos below it')
    _add_common(command)
    command.add_argument(
        '--max-length',
        type=_count,
        default=250,
        metavar='N',
        help='longer clips are cut evenly (default: %(default)s frames)',
    )
    command.add_argument(
        '--size',
        type=_count,
        default=512,
        metavar='N',
        help='crops are shrunk so that their shorter side is no more (default: %(default)s pixels)',
    )
    command.add_argument(
        '--min-size',
        type=_count,
        default=256,
        metavar='N',
        help='crops whose shorter side is less are skipped (default: %(default)s pixels)',
    )
    command.add_argument(
        '--sharpness',
        type=float,
        default=20,
        metavar='X',
        help='faces less sharp are skipped: variance of the Laplacian of the face aligned to 256 '
        'pixels; 0 takes all (default: %(default)s)',
    )
    command.add_argument(
        '--identity',
        choices=('file', 'folder'),
        default='file',
        help='what stands for one person when clips are held out (default: %(default)s)',
    )


def _add_benchmark(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        'source', metavar='SRC', help='folder of clip folders, or of archives or LMDBs of them, or one of those'
    )
    command.add_argument('destination', metavar='DST', help='folder to make; it appears once it is whole')
    command.add_argument(
        '--protocol', required=True, metavar='NAME|FILE', help='how: a file, or a packaged one such as table1'
    )
    command.add_argument(
        '--landmarks',
        metavar='PATH',
        help='landmarks of the clips, a folder of text files or a list: with them, all machines make the same pixels '
        '(default: they are detected in the centre frame of each clip)',
    )
    _add_landmark_format(command)
    _add_detector(command)
    _add_workers(command)


def _add_check(command: argparse.ArgumentParser) -> None:
    command.add_argument('folder', metavar='DST')
    command.add_argument('--quick', action='store_true', help='only look whether the frames are there')
    _add_workers(command)


def _command(commands: Any, name: str, run: Callable[[argparse.Namespace], None], text: str) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + '.')
    command.set_defaults(run_what=run)
    return command


def _add_common(command: argparse.ArgumentParser) -> None:
    command.add_argument('destination', metavar='DST', help='folder to make; an unfinished one is resumed')
    command.add_argument(
        '--storage',
        choices=STORAGES,
        default='frames',
        help='image files, an LMDB, or a video a clip (default: %(default)s)',
    )
    command.add_argument(
        '--crf',
        type=int,
        choices=range(52),
        default=10,
        metavar='N',
        help='of stored videos, 0 the best (default: %(default)s)',
    )
    command.add_argument(
        '--min-length',
        type=_count,
        default=16,
        metavar='N',
        help='shorter clips are skipped (default: %(default)s frames)',
    )
    _add_detector(command)
    command.add_argument(
        '--val-share',
        type=_share,
        default=0.02,
        metavar='X',
        help='share of identities that is held out (default: %(default)s)',
    )
    command.add_argument('--seed', type=int, default=0, help='other seeds hold out others (default: %(default)s)')
    _add_workers(command)


def _add_landmark_format(command: argparse.ArgumentParser) -> None:
    command.add_argument('--landmark-format', choices=FORMATS, default='auto', help='(default: %(default)s)')


def _add_detector(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        '--detector',
        choices=DETECTORS,
        default='auto',
        help='retinaface needs a file of weights, centerface does not (default: %(default)s)',
    )
    command.add_argument(
        '--detector-weights',
        metavar='FILE',
        help="of retinaface (default: facexlib's detection_Resnet50_Final.pth in weights/ or in facexlib)",
    )


def _add_workers(command: argparse.ArgumentParser) -> None:
    command.add_argument('--workers', type=_count, metavar='N', help='processes (default: one a core)')


def _workers(args: argparse.Namespace) -> int:
    from .workers import default_workers

    return args.workers or default_workers()


def _options(args: argparse.Namespace, detector: Any) -> dict[str, Any]:
    """What the result depends on, of what both commands have."""
    sources = [args.source] if isinstance(args.source, str) else args.source
    for source in sources:
        _require_apart(source, args.destination)
    return {
        'command': args.what,
        'source': sorted(map(os.path.abspath, sources)),
        'storage': args.storage,
        'crf': args.crf,
        'min_length': args.min_length,
        'detector': detector.name,
        'val_share': args.val_share,
        'seed': args.seed,
    }


def _require_apart(source: str, destination: str) -> None:
    source = os.path.abspath(source)
    if Path(os.path.abspath(destination)).is_relative_to(source):
        raise UserError(f'{destination} lies within {source}, which is read: name a folder beside it')


def _given_landmarks(args: argparse.Namespace) -> tuple[str, str] | None:
    """Path and format of landmarks, or None."""
    if args.landmark_format != 'auto' and not args.landmarks:
        raise UserError('--landmark-format says nothing without --landmarks')
    return (args.landmarks, args.landmark_format) if args.landmarks else None


def _show(summary: Any) -> None:
    sys.stdout.write(''.join(f'{line}\n' for line in summary.lines()))
    if not summary.train_clips and not summary.val_clips:
        raise UserError(f'no clip could be made of the {summary.source}s; {summary.root / REPORT_FILE} says why')


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f'{text} is not a positive integer')
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f'{text} is not a share from 0 to below 1')
    return value
