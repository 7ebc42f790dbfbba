"""The machine, and the most that it reaches."""

import os
import platform
import re
import subprocess
from functools import partial

import torch
import torch.nn.functional as F

from pgtf_basicsr.version import __version__

from .timing import DTYPES, arithmetic, release, searched_convolutions, seconds_of

# Frames, channels, side: those of the network at 512x512, and a large one.
CONVOLUTIONS = [(1, 64, 512), (1, 128, 256), (3, 256, 128), (3, 512, 32), (3, 256, 256)]
PRODUCT = 8192
COPY = 2**31


def describe(device):
    """What is run on, in words."""
    machine = {
        'card': torch.cuda.get_device_name(device) if device.type == 'cuda' else f'CPU {platform.machine()}',
        'processors': os.cpu_count(),
        'python': platform.python_version(),
        'torch': str(torch.__version__),
        'pgtf_basicsr': __version__,
    }
    if device.type == 'cuda':
        properties = torch.cuda.get_device_properties(device)
        machine |= {
            'driver': driver(),
            'cuda': torch.version.cuda,
            'cudnn': torch.backends.cudnn.version(),
            'memory, GiB': round(properties.total_memory / 2**30, 1),
            'multiprocessors': properties.multi_processor_count,
        }
    return machine


def driver():
    """Version of the driver; '' where nvidia-smi is missing."""
    query = ['nvidia-smi', '--query-gpu=driver_version', '--format=csv,noheader', '--id=0']
    try:
        return subprocess.run(query, capture_output=True, text=True, timeout=10).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ''


def slug(card):
    """Name of a card in file names."""
    return re.sub(r'[^a-z0-9]+', '-', card.lower()).strip('-')


def measure(run, limit):
    """Matrix products, convolutions and copies; fills ``run.peaks``."""
    scale = 1 if run.device.type == 'cuda' else run.size / 4096
    side = int(PRODUCT * scale)
    peaks = {precision: product(side, precision, run.device) for precision in run.precisions}
    run.peaks['product'] = peaks
    run.results.add('machine', operation=f'matrix product {side}', unit='TFLOP/s', **peaks)

    best = dict.fromkeys(run.precisions, 0.0)
    for frames, channels, width in CONVOLUTIONS:
        width = width * run.size // 512
        rates = {
            precision: convolution(frames, channels, width, precision, run.device)
            for precision in run.precisions
            if not limit.over
        }
        best |= {precision: max(best[precision], rate) for precision, rate in rates.items()}
        name = f'3x3 convolution {frames}x{channels}x{width}x{width}'
        run.results.add('machine', operation=name, unit='TFLOP/s', **rates)
    run.peaks['convolution'] = best

    x = torch.rand(int(COPY * scale) // 4, device=run.device)
    y = torch.empty_like(x)
    rate = 2 * x.nbytes / fastest(partial(y.copy_, x), run.device) / 1e9
    run.results.add('machine', operation='copy, read and written', unit='GB/s', all=rate)
    run.peaks['bandwidth'] = rate
    del x, y
    release(run.device)


def product(side, precision, device):
    """TFLOP/s of a product of square matrices of noise."""
    a, b = (torch.randn(side, side, device=device, dtype=DTYPES[precision]) for _ in range(2))
    with arithmetic(precision):
        return 2 * side**3 / fastest(lambda: a @ b, device) / 1e12


def convolution(frames, channels, width, precision, device):
    """TFLOP/s of a convolution, by the faster of the two orders in memory."""
    x = torch.randn(frames, channels, width, width, device=device, dtype=DTYPES[precision])
    weight = torch.randn(channels, channels, 3, 3, device=device, dtype=DTYPES[precision])
    seconds = []
    with searched_convolutions(), arithmetic(precision):
        for order in (torch.channels_last, torch.contiguous_format):
            operands = x.contiguous(memory_format=order), weight.contiguous(memory_format=order)
            seconds.append(fastest(partial(F.conv2d, *operands, padding=1), device))
    return 2 * 9 * frames * channels**2 * width**2 / min(seconds) / 1e12


def fastest(call, device, groups=3):
    """Seconds of a call, the least of some groups after one that is not counted."""
    repeats = 5 if device.type == 'cuda' else 1
    return min([seconds_of(call, repeats, device) for _ in range(groups + 1)][1:])
