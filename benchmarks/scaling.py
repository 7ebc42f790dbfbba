"""What training and restoration take, counted, and what follows for many GPUs: the tables of scaling.md.

    python benchmarks/scaling.py
    python benchmarks/scaling.py --peak 989 --utilisation 0.2 0.35 --bandwidth-node 450 --price 3
    python benchmarks/scaling.py --measured benchmarks/results/nvidia-h200.json

Work and memory traffic are counted while iterations of the models run on tensors without values: nothing is computed,
and no file of weights is needed. What follows for GPUs are estimates, by the formulas of scaling.md; the defaults are
an A100's. ``--measured`` takes a result of gpu.py: its peaks, and its time of an iteration in place of what
``--utilisation`` makes of the work; what is between GPUs stays an estimate.
"""

import argparse
import json
import math
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
import torchvision
from full_size_step import OPTIONS, make_model
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from pgtf_basicsr import config
from pgtf_basicsr.archs import PGTFormer
from pgtf_basicsr.archs.inference import stream

SIZE, FRAMES = 512, 3
STAGES = ('I', 'II', 'III', 'IV')
GPUS, NODE = (8, 64, 512), 8
# DistributedDataParallel sends gradients in pieces of this many bytes; nothing is computed beside the last one.
BUCKET = 25 * 2**20
# One for all, because networks keep tables.
FAKE = FakeTensorMode(allow_non_fake_inputs=True)
# Option: default, what it is.
PARAMETERS = {
    'peak': (312, 'TFLOP/s of a GPU'),
    'memory': (2.0, "TB/s of a GPU's memory"),
    'bandwidth-node': (300, 'GB/s between GPUs of a node, one way'),
    'bandwidth-between': (25, 'GB/s out of a node, one way'),
    'latency': (10, 'microseconds of a small exchange, for each doubling of the GPUs'),
    'clips': (17, 'clips/s of a CPU core'),
    'price': (2, '$ of a GPU hour'),
}


@dataclass
class Stage:
    """An iteration of a stage.

    Attributes:
        flop (dict): FLOP by what they are for.
        moved (int): Bytes that operators read and write.
        gradients (int): Bytes of the generator's gradients, sent while others are computed.
        waited (float): Bytes of what is sent while nothing is computed.
        exchanges (int): How many exchanges are too small for their bytes to matter.
    """

    name: str
    iterations: int
    flop: dict
    moved: int
    gradients: int
    waited: int
    exchanges: int

    @property
    def work(self):
        return sum(self.flop.values())


class Traffic(TorchDispatchMode):
    """Counts bytes that operators read and write, each by itself."""

    moved = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if func.namespace == 'aten' and not func.is_view:
            self.moved += sum(x.nbytes for x in tree_leaves((args, kwargs, result)) if isinstance(x, torch.Tensor))
        return result


def main():
    args = arguments()
    args.iterations = {}
    if args.measured:
        take_over(json.loads(args.measured.read_text())['sections'], args)
    with tempfile.TemporaryDirectory() as folder:
        vgg16 = Path(folder, 'vgg16.pth')
        torch.save(torchvision.models.vgg16(weights=None).features.state_dict(), vgg16)
        stages = [count_stage(number, name, vgg16) for number, name in enumerate(STAGES, 1)]
    report_work(stages, args)
    report_iterations(stages, args)
    report_cost(stages, args)
    report_restoration()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, (default, meaning) in PARAMETERS.items():
        parser.add_argument(f'--{name}', type=float, default=default, help=f'{meaning} (default: %(default)s)')
    parser.add_argument(
        '--utilisation',
        type=float,
        nargs=2,
        default=[0.25, 0.4],
        metavar=('LOW', 'HIGH'),
        help='share of the peak that is reached (default: %(default)s)',
    )
    parser.add_argument('--measured', type=Path, help='JSON of gpu.py, with its sections machine and training')
    return parser.parse_args()


def take_over(sections, args):
    """Replace assumptions by what gpu.py has measured: peak, memory, and seconds of an iteration by stage."""
    for row in sections.get('machine', []):
        operation = row.get('operation', '')
        if operation.startswith('matrix product'):
            args.peak = row['bf16']
        elif operation.startswith('copy'):
            args.memory = row['all'] / 1e3
    for row in sections.get('training', []):
        # As in the option files.
        if 'ms' in row and row['precision'] == 'bf16' and row['batch'] == 1 and not row['checkpointing']:
            args.iterations[STAGES[row['stage'] - 1]] = row['ms'] / 1e3


# ------------------------------------------------------------------ counting


def counted(call):
    """FLOP of a call by module, 'Global' being all, and by operator; a multiplication and an addition are two."""
    # Of attention kernels not all are counted; products of matrices are.
    with FAKE, sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        call()
    return counter.get_flop_counts()


def flop(call):
    return sum(counted(call).get('Global', {}).values())


def noise(frames, size):
    with FAKE:
        return torch.rand(1, frames, 3, size, size)


def count_stage(number, name, vgg16):
    """Build the model of a stage's option file, and count an iteration of it."""
    model = make_model(f'stage{number}', 'bf16', False, vgg16)
    clip = noise(FRAMES, SIZE)
    model.feed_data({'lq': clip, 'gt': clip})
    codebook = model.net_g.codebook.weight.nbytes
    # Buffers go one way, from rank 0; what is summed up goes two. The other small exchange is the guard's flags.
    waited, exchanges = sum(buffer.nbytes for buffer in model.net_g.buffers()) / 2, 2
    if number == 1:
        # Counts, sums, the indices of latents that codes restart at, and these latents.
        waited, exchanges = waited + 2 * codebook, exchanges + 4
    if model.net_d:
        # Statistics of each layer: forward for generator, real and fake, backward for these and the adaptive weight;
        # then buffers of three passes, and the weight.
        norms = sum(isinstance(module, nn.BatchNorm2d) for module in model.net_d.modules())
        waited, exchanges = waited + learning(model.net_d), exchanges + 7 * norms + 4
    iterations = config.load(OPTIONS / f'stage{number}.yml')['train']['total_iter']
    with FAKE, Traffic() as traffic:
        model.compute_gradients(iterations, True)
    return Stage(name, iterations, parts(model, iterations), traffic.moved, learning(model.net_g), waited, exchanges)


def learning(net):
    """Bytes of the gradients of a network."""
    return sum(p.nbytes for p in net.parameters() if p.requires_grad)


def parts(model, last):
    """FLOP of an iteration by what they are for: losses are taken away one after the other."""
    teacher = flop(lambda: model.teacher.encode_codes(model.gt)) if hasattr(model, 'teacher') else 0
    everything = flop(lambda: model.compute_gradients(last, True))
    # Adversarial losses have not begun in iteration 0.
    not_adversarial = flop(lambda: model.compute_gradients(0, True))
    model.cri_perceptual = None
    base = flop(lambda: model.compute_gradients(0, True))
    forward = flop(model.generator_losses)
    return {
        'teacher': teacher,
        'forward': forward - teacher,
        'backward': base - forward,
        'perceptual': not_adversarial - base,
        'adversarial': everything - not_adversarial,
    }


# ---------------------------------------------------------------- estimating


def seconds(stage, gpus, utilisation, args):
    """Of an iteration: computing, sending gradients, what of that shows, small exchanges, all."""
    bandwidth = 1e9 * (args.bandwidth_node if gpus <= NODE else args.bandwidth_between)
    ring = 2 * (gpus - 1) / gpus / bandwidth
    compute = args.iterations.get(stage.name) or stage.work / (1e12 * args.peak * utilisation)
    beside = compute * stage.flop['backward'] / stage.work
    shown = max(ring * min(BUCKET, stage.gradients), ring * stage.gradients - beside) + ring * stage.waited
    small = stage.exchanges * 1e-6 * args.latency * math.log2(gpus)
    return compute, ring * stage.gradients, shown, small, compute + shown + small


def report_work(stages, args):
    rows = []
    for s in stages:
        computing, moving = s.work / 1e12 / args.peak, s.moved / 1e12 / args.memory
        rows.append(
            [
                s.name,
                f'{s.iterations:,}',
                *(f'{value / 1e12:.2f}' for value in (*s.flop.values(), s.work)),
                f'{s.moved / 1e9:.0f}',
                f'{computing / (computing + moving):.0%}',
                *(f'{value / 1e6:.1f}' for value in (s.gradients, s.waited)),
                s.exchanges,
            ]
        )
    table(
        [
            'stage',
            'iterations',
            *(f'{part}, TFLOP' for part in stages[0].flop),
            'all, TFLOP',
            'moved, GB',
            'utilisation, unfused',
            'gradients, MB',
            'waited for, MB',
            'small exchanges',
        ],
        rows,
    )


def report_iterations(stages, args):
    rows = []
    for stage in stages:
        for gpus in GPUS:
            slow, fast = (seconds(stage, gpus, utilisation, args) for utilisation in sorted(args.utilisation))
            rows.append(
                [
                    stage.name,
                    gpus,
                    *(between(1e3 * a, 1e3 * b, '.1f') for a, b in zip(fast, slow)),
                    between(slow[0] / slow[-1], fast[0] / fast[-1], '.0%'),
                    between(1 / slow[-1] / args.clips, 1 / fast[-1] / args.clips, '.1f'),
                    between(gpus / slow[-1], gpus / fast[-1], ',.0f'),
                ]
            )
    table(
        [
            'stage',
            'GPUs',
            'computing, ms',
            'all-reduce, ms',
            'of it shows, ms',
            'small exchanges, ms',
            'iteration, ms',
            'computing of all',
            'CPU cores a GPU',
            'clips/s',
        ],
        rows,
    )


def report_cost(stages, args):
    """Time and cost of all iterations, then of as many clips as the fewest GPUs see in them."""
    heads = [f'{gpus} GPUs: {head}' for gpus in GPUS for head in ('hours', 'GPU hours', '$')]
    for title, shares in (('same iterations', [1] * len(GPUS)), ('same clips', [GPUS[0] / gpus for gpus in GPUS])):
        rows = [[stage.name] for stage in stages] + [['all']]
        for gpus, share in zip(GPUS, shares):
            fast, slow = (
                [share * stage.iterations * seconds(stage, gpus, utilisation, args)[-1] / 3600 for stage in stages]
                for utilisation in sorted(args.utilisation, reverse=True)
            )
            for row, low, high in zip(rows, [*fast, sum(fast)], [*slow, sum(slow)]):
                row.append(between(low, high, '.1f'))
                row += [between(gpus * low * price, gpus * high * price, ',.0f') for price in (1, args.price)]
        table([title, *heads], rows)


def report_restoration():
    """GFLOP of a restored frame, and how much of it the predictor's attention is."""
    rows = []
    for frames in (3, 5, 7):
        net = PGTFormer(num_frames=frames).eval().requires_grad_(False)
        for size in (256, 512, 768, 1024):
            plain, single, all_frames, attention, swin = restoration(net, frames, size)
            # From here on attention, which grows with the square of the pixels, would be more than all else.
            even = size * math.sqrt((single - attention) / attention)
            rows.append(
                [
                    frames,
                    size,
                    *(f'{value:,.0f}' for value in (plain, single, all_frames, attention, swin)),
                    *(f'{share:.1%}' for share in (attention / single, attention / frames / all_frames)),
                    f'{even:,.0f}',
                ]
            )
    table(
        [
            'T',
            'side',
            'plain',
            'stride 1',
            'stride T',
            'attention, predictor',
            'attention, Swin',
            "predictor's of stride 1",
            'of stride T',
            'half of stride 1 at side',
        ],
        rows,
    )


@torch.no_grad()
def restoration(net, frames, size):
    """GFLOP of a frame, window by window, streamed with stride 1, with stride T; and of a window the products of
    queries, keys and values in predictor and Swin layers."""
    clip, windows = noise(frames, size), stream(net)
    with FAKE:
        features = [windows.frame_features(clip[0, :1])] * frames
    of_frame = flop(lambda: windows.frame_features(clip[0, :1]))
    window = counted(lambda: windows.restore(list(features), slice(frames // 2, frames // 2 + 1)))
    # Other products are with weights.
    attention, everywhere = (window[name][torch.ops.aten.bmm] for name in ('CodePredictor', 'Global'))
    of_single = sum(window['Global'].values())
    of_all = flop(lambda: windows.restore(list(features)))
    return [
        value / 1e9
        for value in (
            frames * of_frame + of_all,
            of_frame + of_single,
            of_frame + of_all / frames,
            attention,
            everywhere - attention,
        )
    ]


def between(low, high, form):
    low, high = format(low, form), format(high, form)
    return low if low == high else f'{low} to {high}'


def table(heads, rows):
    """Write Markdown."""
    for row in [heads, ['---'] * len(heads), *rows]:
        sys.stdout.write(f'| {" | ".join(map(str, row))} |\n')
    sys.stdout.write('\n')


if __name__ == '__main__':
    main()
