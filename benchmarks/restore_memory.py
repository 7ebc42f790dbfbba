"""Memory of a restoration, which must not grow with the length of the video: peaks for a short one and a long one.

    python benchmarks/restore_memory.py --frames 300 3000

Each restoration has a process of its own, because peak memory never falls. Videos are small, so that what would be kept
of each frame weighs most beside what a restoration takes anyway; what all the libraries take is in both.
"""

import argparse
import multiprocessing
import os
import resource
import statistics
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

from quickstart_restoration import write_video, write_weights

MIB = 2**20


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        '--frames', type=int, nargs=2, default=[300, 3000], help='of the two videos (default: %(default)s)'
    )
    parser.add_argument('--side', type=int, default=64, help='of the frames, in pixels (default: %(default)s)')
    parser.add_argument('--size', type=int, default=16, help='at which the network works (default: %(default)s)')
    parser.add_argument('--rounds', type=int, default=3, help='pairs of restorations (default: %(default)s)')
    args = parser.parse_args()
    sys.stdout.write('peak MiB, all of the process: ' + '  '.join(f'{count} frames' for count in args.frames) + '\n')
    peaks = {count: [] for count in args.frames}
    with tempfile.TemporaryDirectory() as folder:
        weights = write_weights(Path(folder, 'net_g.pth'))
        videos = {count: write_video(Path(folder, f'{count}.mp4'), count, args.side) for count in args.frames}
        for _ in range(args.rounds):
            for count, video in videos.items():
                with multiprocessing.get_context('spawn').Pool(1) as process:
                    peaks[count].append(process.apply(peak, (video, weights, args.size)))
            sys.stdout.write('  '.join(f'{of_count[-1]:.1f}' for of_count in peaks.values()) + '\n')
            sys.stdout.flush()
    short, long = (statistics.median(peaks[count]) for count in args.frames)
    sys.stdout.write(f'ratio of the medians: {long / short:.3f}\n')


def peak(video, weights, size):
    """Peak memory of this process once it has restored a video, MiB."""
    from pgtf_basicsr.restoration.reports import JsonReport
    from pgtf_basicsr.restoration.whole_video import restore_video

    target = video.with_suffix('.restored.mp4')
    with open(os.devnull, 'w') as nowhere, redirect_stdout(nowhere):
        restore_video(video, target, weights, report=JsonReport(), size=size, stride=3, faces='crop')
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MIB


if __name__ == '__main__':
    main()
