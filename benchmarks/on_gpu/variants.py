"""The plain pass in bf16 by other means: channels-last, CUDA graphs, torch.compile. Compiling may take minutes."""

import statistics
from copy import deepcopy

import torch

from .inference import MODES, bytes_of, report
from .timing import allocated, arithmetic, peak_allocated, release, seconds_of, wall_seconds

PRECISION, ROUNDS = 'bf16', 5


def measure(run, limit):
    """Measure a variant after the other, those that compile last."""
    for name, mode, build in VARIANTS:
        if limit.over:
            run.results.skip('variants', f'{name}, {mode}')
            continue
        labels = dict(what=name, precision=PRECISION, batch=1, mode=mode)
        with run.attempt('variants', **labels), arithmetic(PRECISION), torch.no_grad():
            release(run.device)
            others = allocated(run.device) - bytes_of(run.plain())
            step = build(run, mode)
            first = wall_seconds(step, run.device)
            for _ in range(2):
                step()
            seconds = statistics.median(seconds_of(step, 3, run.device) for _ in range(ROUNDS))
            memory = peak_allocated(run.device, others)
            row = dict(labels, frames=MODES[mode][1], first=first, memory=memory)
            report(run, 'variants', row, seconds, ROUNDS)
            del step
        torch.compiler.reset()


def eager(run, mode):
    return MODES[mode][0](run.plain(), run, PRECISION, 1)


def channels_last(run, mode):
    net = deepcopy(run.plain()).to(memory_format=torch.channels_last)
    return MODES[mode][0](net, run, PRECISION, 1)


def graph(build):
    """Record the kernels of a step once, and launch them at once from then on."""

    def recorded(run, mode):
        if run.device.type != 'cuda':
            raise RuntimeError('CUDA graphs are for CUDA')
        step = build(run, mode)
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                step()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            # What is kept must stay alive, or replays would write into memory of others.
            result = step()
        return lambda: (graph.replay(), result)

    return recorded


def compiled(compile_mode):
    """Compile the plain pass, channels-last."""

    def build(run, mode):
        net = deepcopy(run.plain()).to(memory_format=torch.channels_last)
        return MODES[mode][0](torch.compile(net, mode=compile_mode), run, PRECISION, 1)

    return build


VARIANTS = (
    ('eager', 'plain pass', eager),
    ('eager, channels-last', 'plain pass', channels_last),
    ('CUDA graph', 'plain pass', graph(eager)),
    ('CUDA graph, channels-last', 'plain pass', graph(channels_last)),
    ('CUDA graph, channels-last', 'stride 3', graph(channels_last)),
    ('compile', 'plain pass', compiled('default')),
    ('compile, max-autotune', 'plain pass', compiled('max-autotune')),
)
