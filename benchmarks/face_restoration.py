"""Whole videos with faces: what is spent beside the network, and that memory does not grow with their length.

    python benchmarks/face_restoration.py [--frames 12] [--face 300] [--lengths 300 3000]

A video of two portraits that move, in 1920 x 1080, is analysed and restored by the paper's network with random weights
at its nominal size of 512, and each part of the work is timed within the one run. Then videos of two lengths, in 320 x
180, are restored by a small network, each in a process of its own, whose memory is sampled in both passes.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from contextlib import contextmanager, nullcontext
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from pgtf_basicsr.archs import PGTFormer
from pgtf_basicsr.faces.squares import FaceSquare
from pgtf_basicsr.restoration import whole_video
from pgtf_basicsr.restoration.faces import analysis as face_analysis
from pgtf_basicsr.restoration.faces import restoration as face_restoration
from pgtf_basicsr.restoration.modes import faces as faces_mode
from pgtf_basicsr.restoration.reports import ANALYSIS, RESTORATION, JsonReport
from pgtf_basicsr.restoration.whole_video import restore_video
from pgtf_basicsr.samples.scenes import Actor, Scene
from pgtf_basicsr.video import VideoWriter

SMALL = dict(
    image_size=32,
    width=32,
    multipliers=[1, 1],
    swin_levels=[],
    num_heads=2,
    z_channels=32,
    codebook_size=16,
    codebook_dim=32,
    predictor_width=32,
    predictor_layers=1,
    predictor_heads=2,
    predictor_mlp=32,
    tfr_levels=[16],
)
# Seconds between two samples of memory.
INTERVAL = 0.02


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--frames', type=int, default=12, help='of the video that is timed (default: %(default)s)')
    parser.add_argument('--face', type=int, default=300, help='sides of the squares in pixels (default: %(default)s)')
    parser.add_argument('--lengths', type=int, nargs=2, default=(300, 3000), help='(default: 300 3000)')
    parser.add_argument('--restore', nargs=3, help=argparse.SUPPRESS)  # in the processes of the second part
    args = parser.parse_args()
    if args.restore:
        restore_and_sample(*args.restore)
        return
    with tempfile.TemporaryDirectory() as folder:
        if args.frames:
            time_parts(Path(folder), args)
        memory(Path(folder), args.lengths)


def time_parts(folder, args):
    """Write the seconds of a frame for each part of the work, and the share of what is not the network's."""
    source = write_scene(folder / 'large.mkv', args.frames, 1920, 1080, args.face)
    torch.save({'params': PGTFormer().state_dict()}, folder / 'large.pth')
    seconds = defaultdict(float)
    watch(face_analysis, 'build_finder', seconds, {'add': 'detection'})
    watch(face_restoration, 'stream', seconds, {'frame_features': 'network', 'restore': 'network'})
    measure(face_analysis.ShotDetector, 'add', seconds, 'shots')
    measure(face_restoration, 'sample_crop', seconds, 'crops')
    measure(face_restoration.FaceRestorer, 'paste', seconds, 'masks, colours, pasting')
    # One after the other, so that each has the processor to itself.
    face_analysis.read_ahead = faces_mode.read_ahead = lambda items, size: (item for item in items)
    whole_video.write_behind = lambda write, size: nullcontext(write)
    outcome = restore_video(source, folder / 'out.mkv', folder / 'large.pth', faces='all', codec='ffv1')
    network = seconds.pop('network')
    write(f'{outcome.faces[0]}: of a frame of 1920 x 1080, faces with squares of {args.face} pixels')
    write(f'{"network":28}{network / args.frames:8.3f} s')
    for name, value in seconds.items():
        write(f'{name:28}{value / args.frames:8.3f} s{100 * value / network:8.2f} %')
    write(f'{"together":28}{sum(seconds.values()) / args.frames:8.3f} s{100 * sum(seconds.values()) / network:8.2f} %')


def measure(owner, name, seconds, part):
    """Add the seconds of a function to a part."""
    function = getattr(owner, name)

    def timed(*arguments, **options):
        start = time.perf_counter()
        result = function(*arguments, **options)
        seconds[part] += time.perf_counter() - start
        return result

    setattr(owner, name, timed)


def watch(owner, name, seconds, methods):
    """Measure methods of what a function makes."""
    function = getattr(owner, name)

    def watched(*arguments, **options):
        result = function(*arguments, **options)
        for method, part in methods.items():
            measure(result, method, seconds, part)
        return result

    setattr(owner, name, watched)


def memory(folder, lengths):
    """Write the peak of memory in both passes over videos of two lengths."""
    torch.save(
        {'params': PGTFormer(**SMALL).state_dict(), 'network': dict(SMALL, type='PGTFormer')}, folder / 'net.pth'
    )
    peaks = {}
    for length in lengths:
        source = write_scene(folder / f'{length}.mkv', length, 320, 180, 90)
        command = [sys.executable, __file__, '--restore', source, folder / f'out{length}.mkv', folder / 'net.pth']
        done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=True)
        peaks[length] = [int(text) for text in done.stdout.split()[-2:]]
        analysis, restoration = (peak / 2**20 for peak in peaks[length])
        write(f'{length} frames: analysis {analysis:.1f} MiB, restoration {restoration:.1f} MiB')
    few, many = (peaks[length] for length in lengths)
    for name, one, other in zip((ANALYSIS, RESTORATION), few, many):
        write(f'{name}: {100 * (other / one - 1):+.1f} % from {lengths[0]} to {lengths[1]} frames')


def restore_and_sample(source, target, weights):
    """Restore a video, and write the most memory that the process had in each pass."""
    torch.set_num_threads(1)
    report = Sampling()
    with report.sampled():
        restore_video(source, target, weights, faces='all', size=32, report=report)
    write(f'{report.peaks[ANALYSIS]} {report.peaks[RESTORATION]}')


class Sampling(JsonReport):
    """Knows the pass, and the most memory that is resident in it."""

    def __init__(self):
        super().__init__()
        self._step, self.peaks = ANALYSIS, defaultdict(int)

    def begin(self, outcome, step, total):
        self._step = step

    @contextmanager
    def sampled(self):
        ended = threading.Event()
        thread = threading.Thread(target=self._sample, args=(ended,))
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _sample(self, ended):
        page = os.sysconf('SC_PAGE_SIZE')
        while not ended.wait(INTERVAL):
            with open('/proc/self/statm') as file:
                resident = page * int(file.read().split()[1])
            self.peaks[self._step] = max(self.peaks[self._step], resident)


def write_scene(path, length, width, height, size):
    """Write a video of two faces that move to and fro."""

    def moving(x, phase):
        return lambda number: FaceSquare(x + 0.1 * size * np.sin(number / 20 + phase), 0.5 * height, size, 0)

    actors = [Actor('collins', 0, moving(0.3 * width, 0)), Actor('hopper', 1, moving(0.7 * width, 2))]
    scene = Scene('two faces', length, actors, width=width, height=height)
    with VideoWriter(path, Fraction(25), width, height) as writer:
        for number in range(length):
            writer.write(scene.frame(number))
    return path


def write(text):
    sys.stdout.write(f'{text}\n')
    sys.stdout.flush()


if __name__ == '__main__':
    main()
