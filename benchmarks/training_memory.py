"""Memory that activation checkpointing saves, and the time it takes: a step of stage III with and without it.

    python benchmarks/training_memory.py --size 256 --rounds 3

Each step has a process of its own, because peak memory never falls; both kinds take turns. A step of tiny frames goes
before it, so that the optimisers' statistics are there already, as in all iterations but the first. Weights, VGG-16's
included, are random and the frames are noise: neither changes what is computed. What a step takes above what there is
before it includes gradients, which checkpointing cannot save.
"""

import argparse
import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import torch
import torchvision
from full_size_step import make_model, timed

GIB = 2**30
# Side of frames that leave room for the discriminator's last convolution.
SMALLEST = 64


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--size', type=int, default=512, help='side of the frames (default: %(default)s)')
    parser.add_argument('--rounds', type=int, default=1, help='pairs of steps (default: %(default)s)')
    args = parser.parse_args()
    sys.stdout.write(
        f'{torch.get_num_threads()} threads, matrix products at {gflops():.0f} GFLOP/s\n'
        'checkpointing  seconds  peak GiB  above, GiB\n'
    )
    steps = {False: [], True: []}
    with tempfile.TemporaryDirectory() as folder:
        vgg16 = Path(folder, 'vgg16.pth')
        torch.save(torchvision.models.vgg16(weights=None).features.state_dict(), vgg16)
        for _ in range(args.rounds):
            for checkpointing in steps:
                with multiprocessing.get_context('spawn').Pool(1) as process:
                    step = process.apply(measure, (args.size, checkpointing, vgg16))
                steps[checkpointing].append(step)
                sys.stdout.write('{:>13}  {:7.1f}  {:8.2f}  {:10.2f}\n'.format('yes' if checkpointing else 'no', *step))
                sys.stdout.flush()
    plain, checkpointed = (map(statistics.median, zip(*steps[checkpointing])) for checkpointing in (False, True))
    sys.stdout.write(
        'ratios: time {:.2f}, memory {:.2f}, memory above {:.2f}\n'.format(
            *(after / before for before, after in zip(plain, checkpointed))
        )
    )


def measure(size, checkpointing, vgg16):
    """Seconds of a step, peak memory, and that above what is there before it; GiB."""
    torch.manual_seed(0)
    model = make_model('stage3', 'fp32', checkpointing, vgg16)
    for iteration, side in enumerate((SMALLEST, size), 1):
        clip = torch.rand(1, 3, 3, side, side)
        model.feed_data({'lq': clip, 'gt': clip})
        before = resident()
        seconds = timed(partial(model.optimize_parameters, iteration))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB
    return seconds, peak, peak - before


def resident():
    """Memory of this process, GiB."""
    return int(Path('/proc/self/statm').read_text().split()[1]) * resource.getpagesize() / GIB


def gflops(side=2048, repeats=5):
    """10^9 operations a second of products of square matrices, the best of some."""
    matrix = torch.rand(side, side)
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        matrix @ matrix
        seconds.append(time.perf_counter() - start)
    return 2 * side**3 / min(seconds) / 1e9


if __name__ == '__main__':
    main()
