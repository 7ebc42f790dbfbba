"""Backgrounds in tiles: how far they are from the image as a whole, their time, and their memory.

    python benchmarks/background_tiles.py RealESRGAN_x4plus.pth image.png

The network is one that `restoration.backgrounds.RealESRGANBackground` takes. The image goes through it as a whole, and
in tiles with several overlaps. Printed are, in levels of 8 bits, the largest difference of the two; that of 99.9 % of
the samples; seams, which are the largest mean step of the difference from one line of pixels to the next; the time; and
the peak of memory of the process, or on the GPU.
"""

import argparse
import multiprocessing
import resource
import sys
import time

import numpy as np
import torch

from pgtf_basicsr.devices import PRECISIONS, find_device
from pgtf_basicsr.images import read_image
from pgtf_basicsr.restoration.faces.backgrounds import RealESRGANBackground

# Levels of 16 bits to one of 8.
LEVEL = 257


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('weights')
    parser.add_argument('image')
    parser.add_argument('--tile', type=int, default=512, help='side of a tile (default: %(default)s)')
    parser.add_argument('--overlaps', type=int, nargs='+', default=[8, 16, 32, 48, 64])
    parser.add_argument('--scale', type=int, default=4, choices=(1, 2, 4))
    parser.add_argument('--device', default='auto')
    parser.add_argument('--precision', choices=list(PRECISIONS), default='fp32')
    args = parser.parse_args()
    image = read_image(args.image).astype(np.uint16) * LEVEL

    def measure(precision, tile, overlap):
        # A process of its own, whose peak is this one's. Spawned: one that has worked with a GPU cannot be forked.
        with multiprocessing.get_context('spawn').Pool(1) as pool:
            return pool.apply(enhance, (args.weights, args.scale, args.device, precision, tile, overlap, image))

    largest = max(image.shape)
    whole, *figures = measure('fp32', largest, 0)
    write(f'{"":>18}{"largest":>9}{"99.9 %":>9}{"seam":>9}{"seconds":>9}{"MiB":>8}\n')
    rows = [('whole, fp32', whole, figures)]
    if args.precision != 'fp32':
        result, *figures = measure(args.precision, largest, 0)
        rows.append((f'whole, {args.precision}', result, figures))
    for overlap in args.overlaps:
        result, *figures = measure(args.precision, args.tile, overlap)
        rows.append((f'overlap {overlap}', result, figures))
    for name, result, (seconds, peak) in rows:
        difference = (result.astype(np.float32) - whole) / LEVEL
        seam = max(np.abs(np.diff(difference, axis=axis)).mean((1 - axis, 2)).max() for axis in (0, 1))
        size = np.abs(difference)
        write(f'{name:>18}{size.max():9.3f}{np.quantile(size, 0.999):9.3f}{seam:9.3f}{seconds:9.1f}{peak:8.0f}\n')


def enhance(weights, scale, device, precision, tile, overlap, image):
    """Enlarge the image; returns it, the time in seconds and the peak of memory in MiB."""
    device = find_device(device)
    background = RealESRGANBackground(weights, scale, device, precision, tile, overlap)
    started = time.perf_counter()
    result = background.enhance(image)
    seconds = time.perf_counter() - started
    if device.type == 'cuda':
        return result, seconds, torch.cuda.max_memory_allocated(device) / 2**20
    return result, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def write(text):
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == '__main__':
    main()
