"""Time of a restoration by this checkout, beside that by another one.

    python benchmarks/restore_speed.py ../before --rounds 7

Both run the whole command in processes of their own and take turns, in an order that changes every round. What is
counted is the time of the processor, in all threads, which a busy machine changes least. Printed are the ratios of all
rounds and their median.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from quickstart_restoration import write_video, write_weights

HERE = Path(__file__).parents[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('other', type=Path, help='the other checkout')
    parser.add_argument('--frames', type=int, default=150, help='of the video (default: %(default)s)')
    parser.add_argument('--side', type=int, default=192, help='of its frames, in pixels (default: %(default)s)')
    parser.add_argument('--rounds', type=int, default=7, help='pairs of restorations (default: %(default)s)')
    parser.add_argument('--options', default='', help='options that this checkout alone gets, in quotes')
    args = parser.parse_args()
    if not (args.other / 'pgtf_basicsr').is_dir():
        parser.error(f'{args.other} is not a checkout of this package')
    checkouts = {args.other.resolve(): [], HERE: args.options.split()}
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        weights = write_weights(Path(folder, 'net_g.pth'))
        video = write_video(Path(folder, 'in.mp4'), args.frames, args.side)
        for number in range(args.rounds):
            turns = list(checkouts)[:: -1 if number % 2 else 1]
            seconds = {checkout: processor_time(checkout, video, weights, checkouts[checkout]) for checkout in turns}
            ratios.append(seconds[HERE] / seconds[args.other.resolve()])
            sys.stdout.write(f'there {seconds[args.other.resolve()]:.2f} s, here {seconds[HERE]:.2f} s: ')
            sys.stdout.write(f'{ratios[-1]:.3f}\n')
            sys.stdout.flush()
    sys.stdout.write(f'median ratio, here to there: {statistics.median(ratios):.3f}\n')


def processor_time(checkout, video, weights, options):
    """Seconds of the processor that a checkout's command takes to restore a video."""
    command = [sys.executable, '-m', 'pgtf_basicsr', 'restore', video, '-o', video.with_suffix('.restored.mp4')]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [*map(str, command), '--weights', str(weights), *options],
        cwd=video.parent,
        env={**os.environ, 'PYTHONPATH': str(checkout)},
        stderr=subprocess.DEVNULL,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == '__main__':
    main()
