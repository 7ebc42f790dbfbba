"""Restoration of the paper's network: work and time of a frame, plain and streamed, beside what the machine can do.

    python benchmarks/inference_speed.py --rounds 3
    python benchmarks/inference_speed.py --rounds 3 --precision bf16
    python benchmarks/inference_speed.py --rounds 3 --busy                      beside a program that takes a core

The reference is a plain pass: three frames in for each frame out, feature maps and attention as they are written down
(torch's layout, scores, softmax and values as matrices), in fp32, memory in small pages. It has a process of its own,
for pages are chosen when torch is loaded; the fast network has what the command gives it. All cases take turns; printed
are medians. Weights are random and the frames are noise: neither changes what is computed.
"""

import argparse
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager, nullcontext
from functools import partial

import torch
import torch.nn.functional as F
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from pgtf_basicsr.archs import PGTFormer
from pgtf_basicsr.archs.inference import for_inference, stream

PRECISIONS = {'fp32': torch.float32, 'bf16': torch.bfloat16}
# Convolutions of the network: frames, channels, side.
CONVOLUTIONS = [(1, 64, 512), (1, 128, 256), (3, 256, 128), (3, 512, 32)]

# What a process works on.
INPUTS = {}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--size', type=int, default=512, help='side of the frames (default: %(default)s)')
    parser.add_argument('--rounds', type=int, default=3, help='passes of each case (default: %(default)s)')
    parser.add_argument('--precision', choices=list(PRECISIONS), default='fp32', help='of the fast network')
    parser.add_argument('--busy', action='store_true', help='beside a process that keeps one core busy')
    args = parser.parse_args()
    if args.size < 32 or args.size % 16:
        parser.error(f'--size must be a multiple of 16 and at least 32, not {args.size}')
    os.environ['THP_MEM_ALLOC_ENABLE'] = '0'
    plain = process(args, fast=False)
    os.environ['THP_MEM_ALLOC_ENABLE'] = '1'
    fast = process(args, fast=True)

    product, convolution = fast.apply(peaks, (PRECISIONS[args.precision],))
    sys.stdout.write(
        f'machine, {args.precision}, {torch.get_num_threads()} threads: matrix products '
        f'{product:.0f} GFLOP/s, 3x3 convolutions {convolution:.0f} GFLOP/s\n'
    )
    sys.stdout.flush()
    cases = {
        'plain pass': partial(plain.apply, seconds_of, (plain_pass,)),
        'fast, three frames': partial(fast.apply, seconds_of, (streamed, 3)),
        'fast, stride 1': partial(fast.apply, seconds_of, (streamed, 1)),
    }
    seconds = {name: [] for name in cases}
    with busy_process() if args.busy else nullcontext():
        for _ in range(args.rounds):
            for name, case in cases.items():
                seconds[name].append(case())
    # After the passes: tables that networks keep must be real.
    works = {
        'plain pass': plain.apply(work, (plain_pass,)),
        'streamed, stride 1': plain.apply(work, (streamed, 1)),
        'streamed, stride 3': plain.apply(work, (streamed, 3)) / 3,
        'fast, stride 1': fast.apply(work, (streamed, 1)),
        'fast, stride 3': fast.apply(work, (streamed, 3)) / 3,
    }
    seconds = {name: statistics.median(values) for name, values in seconds.items()}
    three = seconds.pop('fast, three frames')
    seconds['fast, stride 3'] = three / 3
    report('work of a frame, GFLOP', works)
    report(f'seconds of a frame, {args.precision}', seconds)
    speed = works['plain pass'] / three
    sys.stdout.write(
        f'three frames in {three:.1f} s: {speed:.0f} GFLOP/s of the plain pass, '
        f'{speed / convolution:.2f} of the peak of convolutions\n'
    )


@contextmanager
def busy_process():
    """Another program that computes all the time, in one thread."""
    program = subprocess.Popen([sys.executable, '-c', 'while True: pass'])
    try:
        yield
    finally:
        program.kill()
        program.wait()


def process(args, fast):
    """A process with a network and a clip."""
    return multiprocessing.get_context('spawn').Pool(1, prepare, (args.size, PRECISIONS[args.precision], fast))


def prepare(size, dtype, fast):
    """Build the network and the clip of this process."""
    torch.manual_seed(0)
    net = PGTFormer().eval().requires_grad_(False)
    INPUTS['net'] = for_inference(net, dtype) if fast else net
    INPUTS['clip'] = torch.rand(1, 3, 3, size, size)


def plain_pass(net, clip):
    """All three frames, without anything that makes it fast; gradients are enabled, but nothing asks for one."""
    with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
        return net(clip)


def streamed(net, clip, stride):
    """Restore a new window: its new frames, and the middle frame or all three."""
    windows = stream(net)
    features = [windows.frame_features(frame) for frame in clip[0, :stride].split(1)]
    features = (features * 3)[:3]
    return windows.restore(features, slice(1, 2) if stride == 1 else slice(None))


def work(call, *arguments):
    """GFLOP of a call, a multiplication and an addition being two; counted without computing anything."""
    threads = torch.get_num_threads()
    # The counter sees what this thread does. Of attention kernels and oneDNN's products not all are counted; products
    # of matrices are.
    torch.set_num_threads(1)
    with (
        FakeTensorMode(allow_non_fake_inputs=True),
        sdpa_kernel(SDPBackend.MATH),
        torch.backends.mkldnn.flags(enabled=False),
        FlopCounterMode(display=False) as counter,
    ):
        call(INPUTS['net'], INPUTS['clip'], *arguments)
    torch.set_num_threads(threads)
    return counter.get_total_flops() / 1e9


@torch.no_grad()
def seconds_of(call, *arguments):
    return timed(partial(call, INPUTS['net'], INPUTS['clip'], *arguments))


def timed(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def peaks(dtype, repeats=15, side=3072):
    """GFLOP/s of a product of large matrices, and of the network's fastest convolution."""
    matrix = torch.rand(side, side, dtype=dtype)
    product = 2 * side**3 / min(timed(lambda: matrix @ matrix) for _ in range(repeats)) / 1e9
    convolutions = []
    for frames, channels, width in CONVOLUTIONS:
        x, weight = (
            tensor.to(dtype).contiguous(memory_format=torch.channels_last)
            for tensor in (torch.rand(frames, channels, width, width), torch.rand(channels, channels, 3, 3))
        )
        seconds = min(timed(partial(F.conv2d, x, weight, padding=1)) for _ in range(repeats))
        convolutions.append(2 * 9 * frames * channels**2 * width**2 / seconds / 1e9)
    return product, max(convolutions)


def report(title, values):
    """A line for each value, with what the plain pass has over it."""
    sys.stdout.write(f'{title}\n')
    for name, value in values.items():
        sys.stdout.write(f'    {name:<22}{value:10.2f}   x {values["plain pass"] / value:.2f}\n')
    sys.stdout.flush()


if __name__ == '__main__':
    main()
