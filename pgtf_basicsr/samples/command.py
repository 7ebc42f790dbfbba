"""``basicsr sample-data``: a small dataset to try things with."""

import argparse
import sys

from . import sample_data, sample_masks

__all__ = ['add_arguments', 'run']


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `run` needs to an argparse parser."""
    parser.add_argument('folder', help='where to write it')
    source = parser.add_mutually_exclusive_group()
    source.add_argument('--video', metavar='FILE', help='make it of this video of one face, not of two portraits')
    source.add_argument(
        '--parsing',
        action='store_true',
        help='write images of the two portraits with their parts labelled, to train face parsing on, not clips',
    )
    parser.add_argument('--size', type=int, default=48, help='side of the faces in pixels (default: %(default)s)')
    parser.add_argument('--seed', type=int, default=0, help='other seeds give other paths (default: %(default)s)')


def run(args: argparse.Namespace) -> None:
    """Write the sample dataset and say what it holds."""
    if args.parsing:
        summary = sample_masks.write_sample_masks(args.folder, image_size=4 * args.size, seed=args.seed)
        sys.stdout.write(
            f'{summary.root}: {summary.train_images} images to train on and {summary.test_images} held out\n'
        )
        return
    # Frames are twice as wide as the face, so that there is image around it to move in.
    sizes = dict(size=2 * args.size, video_size=args.size, seed=args.seed)
    if args.video:
        summary = sample_data.write_video_data(args.folder, args.video, **sizes)
    else:
        summary = sample_data.write_sample_data(args.folder, **sizes)
    sys.stdout.write(
        f'{summary.root}: {summary.train_clips} clips to train on and {summary.test_clips} held out, '
        f'{summary.clip_frames} frames each; a degraded video: {summary.degraded_video}\n'
    )
