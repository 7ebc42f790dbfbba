"""Where the time of a step goes: kernels by kind, the longest of them, and time in which the device has none."""

import json
import re
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torch.profiler import ProfilerActivity, profile

from .inference import MODES
from .timing import arithmetic, synchronize, wall_seconds

STEPS = 3
TOP = 15
# What a kernel's name says of its kind; the first that fits counts.
KINDS = [
    ('elementwise, copy', r'elementwise|memcpy|memset|nchwtonhwc|nhwctonchw|transpose|catarray|copy_kernel'),
    ('attention', r'flash|fmha|attention|attn|sdpa|softmax'),
    ('normalisation', r'norm|welford|moments|batch_stat|computefusedparams'),
    ('convolution', r'fprop|dgrad|wgrad|conv(?!ert)|winograd'),
    ('matrix product', r'gemm|gemv|nvjet|cublas|cutlass|splitk|addmm|matmul|::mm'),
    ('elementwise, copy', r'triton_|silu|gelu|upsample|index|gather|roll|fill|convert'),
]


@dataclass(frozen=True)
class Kernel:
    """A kernel, or a copy: its name, and start and end in microseconds."""

    name: str
    start: float
    end: float


def measure(run, limit):
    """Profile steps in bf16, one window at a time."""
    tables = []
    for mode in ('stride 1', 'stride 3', 'plain pass'):
        if limit.over:
            run.results.skip('kernels', mode)
            continue
        with run.attempt('kernels', step=mode), arithmetic('bf16'):
            net = run.plain() if mode == 'plain pass' else run.fast('bf16')
            step = MODES[mode][0](net, run, 'bf16', 1)
            repeat = partial(repeated, step)
            wall_seconds(repeat, run.device)
            milliseconds = 1e3 * wall_seconds(repeat, run.device) / STEPS
            kernels, waits = profiled(repeat, run.device)
            report(run, mode, milliseconds, kernels, waits)
            top = longest(kernels)
            run.results.contents['kernels'][mode] = top
            tables += [f'{mode}, bf16, a step of {milliseconds:.2f} ms', *map(line, top), '']
            run.results.write('_kernels.txt', '\n'.join(tables))


def repeated(step):
    for _ in range(STEPS):
        step()


def profiled(call, device):
    """Kernels of a call, and how often the host waited for the device in it."""
    cuda = device.type == 'cuda'
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]
    with profile(activities=activities) as profiler:
        call()
        synchronize(device)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'trace.json')
        profiler.export_chrome_trace(str(path))
        events = [event for event in json.loads(path.read_text())['traceEvents'] if event.get('ph') == 'X']
    waits = sum(event['name'] in ('cudaStreamSynchronize', 'cudaMemcpy', 'cudaEventSynchronize') for event in events)
    categories = ('kernel', 'gpu_memcpy', 'gpu_memset') if cuda else ('cpu_op',)
    kernels = sorted(
        (
            Kernel(event['name'], event['ts'], event['ts'] + event['dur'])
            for event in events
            if event.get('cat') in categories
        ),
        key=lambda kernel: (kernel.start, -kernel.end),
    )
    return (kernels if cuda else outermost(kernels)), waits


def outermost(operators):
    """Operators of a CPU that no others call."""
    chosen = []
    for operator in operators:
        if not chosen or operator.start >= chosen[-1].end:
            chosen.append(operator)
    return chosen


def kind_of(name):
    """Kind of a kernel by its name."""
    return next((kind for kind, pattern in KINDS if re.search(pattern, name.lower())), 'other')


def busy_time(kernels):
    """Microseconds in which at least one of the kernels ran; they are in the order of their starts."""
    total, last = 0.0, float('-inf')
    for kernel in kernels:
        total += max(0.0, kernel.end - max(kernel.start, last))
        last = max(last, kernel.end)
    return total


def report(run, mode, milliseconds, kernels, waits):
    """Rows: each kind, all of them, and what is left of a step that was not profiled."""
    by_kind = defaultdict(list)
    for kernel in kernels:
        by_kind[kind_of(kernel.name)].append(kernel)
    sums = {kind: sum(kernel.end - kernel.start for kernel in group) for kind, group in by_kind.items()}
    rows = [(kind, sums[kind], len(by_kind[kind])) for kind in sorted(sums, key=sums.get, reverse=True)]
    busy = busy_time(kernels)
    rows += [('all kernels', busy, len(kernels)), ('no kernel', 1e3 * STEPS * milliseconds - busy, None)]
    for kind, microseconds, count in rows:
        run.results.add(
            'kernels',
            step=mode,
            kind=kind,
            ms=microseconds / 1e3 / STEPS,
            share=microseconds / 1e3 / STEPS / milliseconds,
            **{
                'kernels': None if count is None else round(count / STEPS),
                'host waits': round(waits / STEPS) if kind == 'no kernel' else None,
            },
        )


def longest(kernels):
    """The kernels that take most of the time, by name."""
    by_name = defaultdict(list)
    for kernel in kernels:
        by_name[kernel.name].append(kernel.end - kernel.start)
    total = sum(map(sum, by_name.values()))
    return [
        {
            'name': name,
            'kind': kind_of(name),
            'ms': sum(times) / 1e3 / STEPS,
            'share': sum(times) / total,
            'kernels': len(times) / STEPS,
        }
        for name, times in sorted(by_name.items(), key=lambda item: sum(item[1]), reverse=True)[:TOP]
    ]


def line(kernel):
    return '{ms:8.3f} ms  {share:6.1%}  x {kernels:<6.0f} {kind:<26}{name:.200}'.format(**kernel)
