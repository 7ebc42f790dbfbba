"""Frames a second of the network alone: a plain pass, and streams of windows with stride 1 and 3."""

import statistics
from functools import cache, partial

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from pgtf_basicsr.archs import PGTFormer
from pgtf_basicsr.archs.inference import stream

from .timing import allocated, arithmetic, autocast, peak_allocated, release, seconds_of, wall_seconds

FRAMES = 3
BATCHES = (8, 4, 2)
ROUNDS = 5
# Seconds of a measurement, at least, where a step is shorter.
SHORTEST = 0.05


def measure(run, limit):
    """One window at a time."""
    for precision, part in limit.shared(dict.fromkeys(run.precisions, 1)):
        measure_group(run, 'inference', precision, 1, part)


def measure_batches(run, limit):
    """Several windows in one pass."""
    for (precision, batch), part in limit.shared({(p, b): b for p in run.precisions for b in BATCHES}):
        measure_group(run, 'batches', precision, batch, part)


def measure_group(run, section, precision, batch, limit):
    """Measure what takes turns: a plain pass, stride 1, stride 3."""
    if limit.over:
        run.results.skip(section, f'{precision}, batch {batch}')
        return
    steps, rows = {}, {}
    for mode, (build, frames) in MODES.items():
        labels = dict(precision=precision, batch=batch, mode=mode)
        with run.attempt(section, **labels), arithmetic(precision):
            net = run.plain() if mode == 'plain pass' else run.fast(precision)
            release(run.device)
            others = allocated(run.device) - bytes_of(net)
            step = build(net, run, precision, batch)
            first = wall_seconds(step, run.device)
            wall_seconds(step, run.device)
            repeats = max(1, min(20, int(SHORTEST / wall_seconds(step, run.device))))
            steps[mode] = partial(seconds_of, step, repeats, run.device)
            rows[mode] = dict(labels, frames=batch * frames, first=first, memory=peak_allocated(run.device, others))
    seconds = {mode: [] for mode in steps}
    for number in range(ROUNDS):
        if number and limit.over:
            break
        for mode, step in steps.items():
            with arithmetic(precision):
                seconds[mode].append(step())
    for mode, row in rows.items():
        report(run, section, row, statistics.median(seconds[mode]), len(seconds[mode]))


def report(run, section, row, seconds, rounds):
    frames, first, memory = (row.pop(key) for key in ('frames', 'first', 'memory'))
    rate = row['batch'] * work(run.size)[row['mode']] / seconds / 1e12
    run.results.add(
        section,
        **row,
        **{
            'frames/s': frames / seconds,
            'step, ms': 1e3 * seconds,
            'TFLOP/s': rate,
            'of convolutions': run.share('convolution', row['precision'], rate),
            'memory, GiB': memory,
            'first, s': first,
            'rounds': rounds,
        },
    )


def bytes_of(net):
    return sum(tensor.nbytes for tensor in [*net.parameters(), *net.buffers()])


# ------------------------------------------------------------------ steps


def plain_pass(net, run, precision, batch):
    """A step that restores a window a frame, without anything that makes it fast."""
    clip = torch.rand(batch, FRAMES, 3, run.size, run.size, device=run.device)

    @torch.no_grad()
    def step():
        with autocast(precision, run.device):
            return net(clip)

    return step


def stride_1(net, run, precision, batch):
    """A step that takes in a frame for each window, and restores the middle frame of each."""
    windows, frames = stream(net), noise(run, batch)
    kept = []

    @torch.no_grad()
    def step():
        new = [windows.frame_features(frame) for frame in frames]
        features = [*(kept or new[:1] * (FRAMES - 1)), *new]
        kept[:] = features[batch:]
        window_features = [features[first + i] for first in range(batch) for i in range(FRAMES)]
        del new, features
        return windows.restore(window_features, slice(FRAMES // 2, FRAMES // 2 + 1))

    return step


def stride_3(net, run, precision, batch):
    """A step that takes in all frames of each window, and restores them."""
    windows, frames = stream(net), noise(run, FRAMES * batch)

    @torch.no_grad()
    def step():
        return windows.restore([windows.frame_features(frame) for frame in frames])

    return step


def noise(run, count):
    """Frames (1, 3, H, W) on the device."""
    return torch.rand(count, 3, run.size, run.size, device=run.device).split(1)


# How a mode is built, and the frames that a window of it restores.
MODES = {'plain pass': (plain_pass, 1), 'stride 1': (stride_1, 1), 'stride 3': (stride_3, FRAMES)}


@cache
@torch.no_grad()
def work(size):
    """FLOP of a window in each mode, by the operators as they are written down; counted without computing anything."""
    net = PGTFormer().eval().requires_grad_(False)
    windows = stream(net)
    with FakeTensorMode(allow_non_fake_inputs=True):
        clip = torch.rand(1, FRAMES, 3, size, size)
        plain = flop(lambda: net(clip))
        of_frame = flop(lambda: windows.frame_features(clip[0, :1]))
        features = [windows.frame_features(clip[0, :1])] * FRAMES
        middle = slice(FRAMES // 2, FRAMES // 2 + 1)
        return {
            'plain pass': plain,
            'stride 1': of_frame + flop(lambda: windows.restore(list(features), middle)),
            'stride 3': FRAMES * of_frame + flop(lambda: windows.restore(list(features))),
        }


def flop(call):
    """FLOP of a call, a multiplication and an addition being two."""
    # Of attention kernels not all are counted; products of matrices are.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()
